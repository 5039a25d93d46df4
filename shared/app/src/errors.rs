//! From a layer's errors to what the client is told.

use store::StoreError;
use stripe_client::StripeError;
use web::ApiError;

/// Seconds after which a client may try again when the table was too busy.
const RETRY_AFTER_S: u64 = 1;

/// What a failed table operation means for the client.
pub(crate) fn of_store(error: StoreError) -> ApiError {
    match error {
        StoreError::Conflict { .. } | StoreError::Unavailable { .. } => {
            ApiError::Unavailable { retry_after_s: RETRY_AFTER_S, source: error.into() }
        }
        StoreError::AccountDeleted => ApiError::UserNotFound,
        StoreError::Malformed { .. } => ApiError::Internal(error.into()),
    }
}

/// Seconds after which a client may try again when Stripe says nothing about it: by then its breaker lets somebody try.
const STRIPE_RETRY_AFTER_S: u64 = 5;

/// The same when Stripe does not take the key: somebody has to change it first.
const KEY_RETRY_AFTER_S: u64 = 60;

/// What a failed call to Stripe means for the client. What Stripe refuses we should not have asked for.
pub(crate) fn of_stripe(error: StripeError) -> ApiError {
    let retry_after_s = match &error {
        StripeError::Busy { retry_after, .. } | StripeError::Unavailable { retry_after, .. } => {
            retry_after.map_or(STRIPE_RETRY_AFTER_S, |wait| wait.as_secs() + 1)
        }
        // Not the client's fault, and mended without it: the same request will succeed.
        StripeError::KeyRejected { .. } => KEY_RETRY_AFTER_S,
        StripeError::NotFound | StripeError::Refused { .. } => return ApiError::Internal(error.into()),
    };
    ApiError::Unavailable { retry_after_s, source: error.into() }
}

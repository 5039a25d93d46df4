//! From a layer's errors to what the client is told.

use store::StoreError;
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

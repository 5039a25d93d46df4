//! `POST /api/billing/cancel-subscription`: ends a subscription of the caller at once.

use app::{App, SubscriptionRequest, body};
use web::{ApiError, Request, Response};

/// Ends the subscription at Stripe and here: `{"success": true, "subscription": {..}}` in Stripe's field names. The caller's next read
/// shows it.
///
/// # Errors
/// `400` without a `subscriptionId`; `401` without a valid token; `404` when the caller has no such subscription (another user's looks the
/// same); `409` when it has ended; `413`, `415`; `503` when Stripe or the table is unavailable.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let SubscriptionRequest { subscription } = SubscriptionRequest::of(&request)?;
    let changed = app.cancel_subscription(&request, &subscription).await?;
    Ok(app.written(changed.rev, body::subscription(&changed.object)))
}

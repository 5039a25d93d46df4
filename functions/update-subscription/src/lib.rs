//! `POST /api/billing/update-subscription`: moves a subscription of the caller to another price.

use app::{App, PriceRequest, SubscriptionRequest, body};
use web::{ApiError, Request, Response};

/// Moves the subscription, with prorations: `{"success": true, "subscription": {..}}` in Stripe's field names. The caller's next read
/// shows it.
///
/// # Errors
/// `400` without a `subscriptionId` or `priceId`, or for a price that is not offered; `401` without a valid token; `404` when the caller
/// has no such subscription (another user's looks the same); `409` when it has ended or the payment is refused; `413`, `415`; `503` when
/// Stripe or the table is unavailable.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let SubscriptionRequest { subscription } = SubscriptionRequest::of(&request)?;
    let PriceRequest { price } = PriceRequest::of(&request)?;
    let changed = app.change_price(&request, &subscription, &price).await?;
    Ok(app.written(changed.rev, body::subscription(&changed.object)))
}

//! `POST /api/billing/create-checkout-session`: starts Stripe's hosted checkout for a price.

use app::{App, PriceRequest, body};
use web::{ApiError, Request, Response};

/// Opens a checkout of an offered price: `{"success": true, "sessionId": .., "url": ..}`. Two submits of one wish get one session. Who is
/// subscribed gets the billing portal's page instead that asks to confirm the change of the subscription.
///
/// # Errors
/// `400` without a `priceId`, or for one that is not offered; `401` without a valid token; `409` after several used-up checkouts of one
/// day; `413`, `415`; `503` when Stripe or the table is unavailable.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let PriceRequest { price } = PriceRequest::of(&request)?;
    let checkout = app.open_checkout(&request, &price).await?;
    Ok(Response::json(200, body::fields(&checkout)))
}

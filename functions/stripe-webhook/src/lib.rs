//! `POST /api/stripe/webhook` and `POST /api/billing/webhook`: Stripe says that something changed.

use app::App;
use web::{ApiError, Request, Response};

/// Applies an event once and acknowledges it after it was committed. The signature over the raw bytes is the only credential.
///
/// # Errors
/// `400` for a missing or bad signature, or signed bytes that are no event; `413` over 1 MiB; `503` when the table stays unavailable,
/// `500` for a fault of ours: Stripe delivers again.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.stripe_event(&request).await
}

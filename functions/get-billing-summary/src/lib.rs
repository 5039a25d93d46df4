//! `GET /api/billing/summary`: usage, subscription, invoices and cards in one answer, without a call to Stripe.

use app::App;
use web::{ApiError, Request, Response};

/// Returns the summary as `{"success": true, "data": {..}}`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_billing_summary(&request).await
}

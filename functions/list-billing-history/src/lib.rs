//! `GET /api/billing/billing-history/{customerId}`: the caller's newest invoices, from the mirror of Stripe.

use app::App;
use web::{ApiError, Request, Response};

/// Returns `{"success": true, "history": [..]}`, newest first, at most 100.
///
/// # Errors
/// `401` without a valid token; `404` when the customer is not the caller's; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let customer: String = web::path_id(&request, "customerId", "Customer")?;
    app.show_billing_history(&request, &customer).await
}

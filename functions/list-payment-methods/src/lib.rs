//! `GET /api/billing/payment-methods/{customerId}`: the caller's cards, from the mirror of Stripe.

use app::App;
use web::{ApiError, Request, Response};

/// Returns `{"success": true, "methods": [..]}`, newest first.
///
/// # Errors
/// `401` without a valid token; `404` when the customer is not the caller's; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let customer: String = web::path_id(&request, "customerId", "Customer")?;
    app.show_payment_methods(&request, &customer).await
}

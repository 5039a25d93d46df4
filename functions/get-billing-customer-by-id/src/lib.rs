//! `GET /api/billing/customer/{customerId}`: the caller's customer object, from the mirror of Stripe.

use app::App;
use web::{ApiError, Request, Response};

/// Returns `{"success": true, "customer": {..}}`, in Stripe's field names.
///
/// # Errors
/// `401` without a valid token; `404` when the customer is not the caller's; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let customer: String = web::path_id(&request, "customerId", "Customer")?;
    app.show_stripe_customer(&request, &customer).await
}

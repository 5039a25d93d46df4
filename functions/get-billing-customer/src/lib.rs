//! `GET /api/billing/customer`: the caller's billing state, without a call to Stripe.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns the billing state in fields beside `success`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_billing(&request, |seen| body::fields(&views::billing_customer(seen.root, seen.plans))).await
}

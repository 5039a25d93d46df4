//! `POST /api/billing/create-portal-session`: opens Stripe's billing portal.

use app::{App, body};
use web::{ApiError, Request, Response};

/// Opens a visit to the portal as the caller's own customer: `{"success": true, "url": ..}`.
///
/// # Errors
/// `400` without a subscription; `401` without a valid token; `503` when Stripe or the table is unavailable.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let url = app.open_portal(&request).await?;
    Ok(Response::json(200, body::url(&url)))
}

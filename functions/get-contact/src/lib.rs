//! `GET /api/contacts/{id}`: one contact with its job, as its owner may see it.

use app::App;
use domain::ContactId;
use web::{ApiError, Request, Response};

/// Returns the contact as `data`, with its version as strong `ETag` (D25).
///
/// # Errors
/// `401` without a valid token; `404` when the id is no UUID or the caller has no such contact (another user's looks
/// the same); `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let id: ContactId = web::path_id(&request, "id", "Contact")?;
    app.show_contact(&request, id).await
}

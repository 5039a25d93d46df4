//! `DELETE /api/contacts/{id}`: deletes one contact.

use app::{App, body};
use domain::ContactId;
use web::{ApiError, Request, Response};

/// Deletes the contact and says so.
///
/// # Errors
/// `401` without a valid token; `404` when the id is no UUID or the caller has no such contact; `503` when the table
/// stays unavailable: nothing was deleted then, or a repeat says `404`.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let id: ContactId = web::path_id(&request, "id", "Contact")?;
    let rev = app.delete_contact(&request, id).await?;
    Ok(app.written(rev, body::message("Contact deleted successfully")))
}

//! `POST /api/contacts/delete`: deletes up to 500 contacts.

use app::{App, body, contact_edits};
use web::{ApiError, Request, Response};

/// Deletes the caller's contacts among the ids and says how many there were; ids of no contact, or of somebody else's, are skipped.
///
/// # Errors
/// `400` unless the body has 1 to 500 ids; `401` without a valid token; `413`, `415`; `503` when the table stays unavailable: a repeat
/// deletes what is left.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let ids = contact_edits::contact_ids(&request)?;
    let deleted = app.delete_contacts(&request, &ids).await?;
    let body = body::contacts_deleted(deleted.contacts);
    Ok(if deleted.contacts > 0 { app.written(deleted.rev, body) } else { Response::json(200, body).rev(deleted.rev) })
}

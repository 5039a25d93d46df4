//! `PATCH /api/contacts/{id}`: changes some fields of one contact.

use app::{App, contact_edits};
use domain::ContactId;
use web::{ApiError, Request, Response};

/// Changes the fields that the body names and returns the contact as `data`, with its new version as strong `ETag` (D25).
///
/// Values are stored as an extraction stores them: trimmed, e-mail in lower case, blank text as null. A contact that has the values already
/// is answered as it is, under its old version and revision.
///
/// # Errors
/// `400` for a bad body; `401` without a valid token; `404` when the id is no UUID or the caller has no such contact; `412` when `If-Match`
/// names another version: nothing was written; `413`, `415`; `503` when the table stays unavailable.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let id: ContactId = web::path_id(&request, "id", "Contact")?;
    let change = contact_edits::contact_change(&request)?;
    app.update_contact(&request, id, &change).await
}

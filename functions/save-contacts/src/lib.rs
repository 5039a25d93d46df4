//! `POST /api/extraction/save-contacts`: stores reviewed contacts.

use app::{App, SaveRequest, body};
use web::{ApiError, Request, Response};

/// Replaces the contacts of an owned job, else creates a job with them (D20, D21).
///
/// # Errors
/// `400` for a bad body, no contacts, more than 1,000, or none with a name; `401` without a valid token; `413`, `415`;
/// `503` when the table stays unavailable: a repeat finishes what was cut off.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let save = SaveRequest::of(&request)?;
    let saved = app.save_contacts(&request, save).await?;
    Ok(app.written(saved.rev, body::contacts_saved(saved.job, saved.contacts)))
}

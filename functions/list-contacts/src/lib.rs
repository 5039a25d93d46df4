//! `GET /api/contacts`: contacts, newest first unless sorted otherwise.

use app::{App, ContactsQuery};
use web::{ApiError, Request, Response};

/// Returns the bare array of the newest 50 contacts, or a page when any query parameter of the list is there (D1).
///
/// # Errors
/// `400` for a bad parameter; `401` without a valid token; `404` when the caller has no such job; `503` when the table
/// fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let query = ContactsQuery::of(&request)?;
    app.show_contacts(&request, &query).await
}

//! `POST /api/session/warm`: prepares the caller's data for the first page.

use app::{App, body};
use web::{ApiError, Request, Response};

/// Loads the caller's root and stats into the cache within 50 ms, then answers 202. A failure to warm is not reported.
///
/// # Errors
/// `401` without a valid token.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.warm(&request).await?;
    Ok(Response::json(202, body::success()))
}

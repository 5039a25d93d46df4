//! `GET /` and `GET /api/health`: alive, and ready.

use app::App;
use web::{ApiError, Request, Response};

/// Says `OK` at `/` at once, at `/api/health` when the table answers.
///
/// # Errors
/// None: not being ready is a `503` body of its own.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    if request.path() == "/" {
        return Ok(app.alive(&request));
    }
    Ok(app.ready(&request).await)
}

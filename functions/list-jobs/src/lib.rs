//! `GET /api/jobs`: the newest 1,000 jobs; `cursor` goes on from there (D24).

use app::{App, JobsQuery};
use web::{ApiError, Request, Response};

/// Returns the jobs as the array `data`, with `X-Next-Cursor` when there are more.
///
/// # Errors
/// `400` for a bad cursor; `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let query = JobsQuery::of(&request)?;
    app.show_jobs(&request, query).await
}

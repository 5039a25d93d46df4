//! `GET /api/dashboard/activity`: at most ten jobs of the last 30 days, newest first.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns the activity lines as the array `data`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_activity(&request, |seen| body::data(&views::activity(seen.root, seen.now))).await
}

//! `GET /api/dashboard/metrics`: percentages and estimated time saved.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns the metrics as `data`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_root(&request, "dashboard-metrics", |seen| body::data(&views::metrics(seen.root))).await
}

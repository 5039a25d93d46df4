//! `GET /api/dashboard/summary`: the usage, metrics and actions parts of the dashboard.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns usage, metrics and actions as `data`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_root(&request, "dashboard-summary", |seen| body::data(&views::summary(seen.root, seen.plans, seen.now))).await
}

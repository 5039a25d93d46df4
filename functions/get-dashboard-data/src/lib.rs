//! `GET /api/dashboard/data`: everything that the dashboard page shows.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns usage, subscription, billing, metrics, plan and actions as `{"success": true, "data": {..}}`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_root(&request, "dashboard-data", |seen| body::data(&views::dashboard(seen.user, seen.root, seen.plans, seen.now))).await
}

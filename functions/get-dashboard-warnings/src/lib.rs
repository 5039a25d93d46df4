//! `GET /api/dashboard/warnings`: usage warnings, the same data as `/api/usage/limits`.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns the warnings with the usage behind them as `data`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_root(&request, "usage-limits", |seen| body::data(&views::limits(seen.root, seen.plans, seen.now))).await
}

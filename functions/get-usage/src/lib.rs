//! `GET /api/usage/current`: usage of the current UTC month.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns the usage as `data`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_root(&request, "usage", |seen| body::data(&views::usage(seen.root, seen.plans, seen.now))).await
}

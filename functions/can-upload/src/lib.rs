//! `GET /api/usage/can-upload`: whether one more upload is allowed.

use app::{App, body};
use domain::views;
use web::{ApiError, Request, Response};

/// Returns `{"success": true, "canUpload": ..}`.
///
/// # Errors
/// `401` without a valid token; `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    app.show_root(&request, "can-upload", |seen| body::can_upload(views::can_upload(seen.root, seen.plans, seen.now))).await
}

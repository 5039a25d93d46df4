//! `GET /api/billing/plans`: the public plan list.

use app::App;
use web::{ApiError, Request, Response};

/// Returns the offered plans in order as `plans`. The catalogue has a built-in last resort, so no source failure
/// reaches the caller.
///
/// # Errors
/// None of its own.
pub async fn handle(app: &App, _request: Request) -> Result<Response, ApiError> {
    Ok(app.plan_list().await)
}

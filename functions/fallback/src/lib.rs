//! The `$default` route: unknown paths, wrong methods and preflight requests.

use app::App;
use web::{ApiError, Request, Response};

/// Never returns a body of its own: the edge answers `405` with `Allow` and preflights before it comes here.
///
/// # Errors
/// `404` `Not found`.
pub async fn handle(_app: &App, _request: Request) -> Result<Response, ApiError> {
    Err(ApiError::PathNotFound)
}

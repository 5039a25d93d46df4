//! `DELETE /api/extraction/job/{jobId}`: deletes a job and its contacts.

use app::{App, body};
use domain::JobId;
use web::{ApiError, Request, Response};

/// Deletes the job with all its contacts and says so.
///
/// # Errors
/// `401` without a valid token; `404` when the id is no UUID or the caller has no such job; `503` when the table stays
/// unavailable: what was deleted until then is gone and counted, and a repeat deletes the rest.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let id: JobId = web::path_id(&request, "jobId", "Job")?;
    let rev = app.delete_job(&request, id).await?;
    Ok(app.written(rev, body::message("Job deleted successfully")))
}

//! `GET /api/contacts/stats`: contact counts of the account, or of one job.

use app::{App, body};
use domain::{JobId, views};
use web::{ApiError, Request, Response};

/// Returns the statistics as `data`; `jobId` narrows every number to that job (D13).
///
/// # Errors
/// `400` when `jobId` is no UUID; `401` without a valid token; `404` when the caller has no such job;
/// `503` when the table fails and nothing usable is cached.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match web::id_filter::<JobId>(&request, "jobId")? {
        None => app.show_stats(&request, "contact-stats", |stats, now| body::data(&views::contact_stats(stats, now))).await,
        Some(job) => app.show_job_stats(&request, job, |job, contacts, now| body::data(&views::job_stats(job, contacts, now))).await,
    }
}

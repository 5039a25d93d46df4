//! `GET /api/contacts/export`: contacts as a file, newest first.

mod s3;

use app::{App, ExportQuery};
use web::{ApiError, Request, Response};

pub use s3::{Bucket, BucketError, presigned};

/// Returns a CSV, Excel, JSON or vCard file; one above 4 MB is stored, and `303` leads to it for 15 minutes.
///
/// # Errors
/// `400` for a bad parameter; `401` without a valid token; `404` when there is nothing to export (somebody else's ids and jobs are nothing);
/// `422` for an account above 200,000 contacts; `503` when the account changes all the time, or table or storage fail.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let query = ExportQuery::of(&request)?;
    app.export_contacts(&request, &query).await
}

//! The table's stream: invalidates the cache of every user whose root changed. The guaranteed path; the write's own
//! invalidation is only the fast one.

use app::{App, BoxError, StreamBatch};
use aws_lambda_events::streams::DynamoDbEventResponse;

/// Bumps each user to the newest rev in the batch.
///
/// A record whose bump is not acknowledged is a batch item failure and comes again; a record that cannot be read goes to
/// the dead-letter queue with its reason, and the rest goes on.
///
/// # Errors
/// None: what failed is in the response.
pub async fn handle(app: &App, batch: StreamBatch) -> Result<DynamoDbEventResponse, BoxError> {
    Ok(app.invalidate_from_stream(batch).await)
}

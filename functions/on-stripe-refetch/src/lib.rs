//! The table's stream: asks Stripe for what is marked `needs_refresh`, and stores what it answers. The webhook never asks Stripe itself.

use app::{App, BoxError, StreamBatch};
use aws_lambda_events::streams::DynamoDbEventResponse;

/// Asks Stripe for each marked item of the batch, once, and lets what it shows count.
///
/// A record about which Stripe cannot be asked now is a batch item failure and comes again; a record or an answer that can never be used
/// goes to the dead-letter queue with its reason, and the rest goes on.
///
/// # Errors
/// None: what failed is in the response.
pub async fn handle(app: &App, batch: StreamBatch) -> Result<DynamoDbEventResponse, BoxError> {
    Ok(app.refetch_from_stream(batch).await)
}

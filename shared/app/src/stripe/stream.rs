//! The table's stream: what is marked `needs_refresh` is asked for.

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::EventRecord;
use aws_lambda_events::streams::DynamoDbEventResponse;
use serde::Deserialize;
use serde_json::Value;
use store::stream::{Refresh, refresh};
use web::BoxError;

use super::alarms::Watched;
use super::refetch::RefetchError;
use crate::stream::failure;
use crate::{App, StreamBatch};

impl App {
    /// Asks Stripe for every marked item of the batch, each once.
    ///
    /// What cannot be asked for now is a batch item failure: it is delivered again, and all after it. A record that cannot be read, and an
    /// answer that can never be stored, go to the dead-letter queue with the reason, and the rest goes on.
    pub async fn refetch_from_stream(&self, batch: StreamBatch) -> DynamoDbEventResponse {
        let mut marked: BTreeMap<Refresh, Vec<&Value>> = BTreeMap::new();
        let mut failures = Vec::new();
        for record in &batch.records {
            match read(record) {
                Ok(Some(refresh)) => marked.entry(refresh).or_default().push(record),
                Ok(None) => {}
                Err(error) => failures.extend(self.reject(record, &error.to_string()).await),
            }
        }
        for (refresh, records) in marked {
            match self.refresh(&refresh).await {
                Ok(()) => {}
                Err(RefetchError::Later(error)) => {
                    tracing::warn!(error = %error, "Stripe cannot be asked now: it is tried again");
                    self.count(Watched::RefetchFailed);
                    // A record without a number fails the whole batch: it must not be lost.
                    failures.extend(records.into_iter().map(|record| number(record).unwrap_or_default()));
                }
                Err(RefetchError::Never(reason)) => {
                    self.count(Watched::AnswerRejected);
                    for record in records {
                        failures.extend(self.reject(record, &reason).await);
                    }
                }
            }
        }
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failures.into_iter().map(failure).collect();
        response
    }
}

fn read(record: &Value) -> Result<Option<Refresh>, BoxError> {
    let record = EventRecord::deserialize(record)?;
    Ok(refresh(&record.change.keys, &record.change.new_image)?)
}

fn number(record: &Value) -> Option<String> {
    record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).map(str::to_owned)
}

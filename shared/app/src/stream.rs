//! The table's stream: the guaranteed invalidation.

use std::collections::BTreeMap;

use aws_lambda_events::event::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::{Rev, Timestamp, UserId};
use serde::Deserialize;
use serde_json::Value;
use store::stream::{RootChange, is_plans, root_change};

use web::BoxError;

use crate::metrics::INVALIDATION_LAG;
use crate::{App, Letter};

/// A batch of the stream. Its records are read one by one, so that one that cannot be read does not stop the others.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct StreamBatch {
    /// The records, in the stream's own JSON.
    #[serde(rename = "Records", default)]
    pub(crate) records: Vec<Value>,
}

/// What a record tells of.
enum Told {
    /// A root.
    Root(RootChange),
    /// The plan catalogue.
    Plans,
}

/// What a batch says about one user.
#[derive(Debug, Default)]
struct UserChanges {
    /// The newest revision; nothing when the root was deleted.
    newest: Option<Rev>,
    /// When that was committed.
    at: Option<Timestamp>,
    /// Whether the root was deleted.
    deleted: bool,
    /// Sequence numbers of the records.
    records: Vec<String>,
}

impl App {
    /// Bumps every user whose root changed to its newest revision in the batch, and makes the cache forget a catalogue that changed.
    ///
    /// A record whose user's bump was not acknowledged is a batch item failure: it is delivered again, and all after it. A record that cannot
    /// be read goes to the dead-letter queue with its reason, and the rest goes on.
    pub async fn invalidate_from_stream(&self, batch: StreamBatch) -> DynamoDbEventResponse {
        let mut users: BTreeMap<UserId, UserChanges> = BTreeMap::new();
        let (mut failures, mut plans) = (Vec::new(), Vec::new());
        for record in batch.records {
            match read(&record) {
                Ok(None) => {}
                Ok(Some((Told::Root(change), number))) => note(users.entry(change.user.clone()).or_default(), &change, number),
                Ok(Some((Told::Plans, number))) => plans.push(number.unwrap_or_default()),
                Err(error) => failures.extend(self.reject(&record, &error.to_string()).await),
            }
        }
        for (user, changes) in users {
            let acknowledged =
                if changes.deleted { self.purge(&user).await } else { self.bump_surely(&user, changes.newest.unwrap_or_default()).await };
            if !acknowledged {
                failures.extend(changes.records);
            } else if let Some(at) = changes.at {
                let lag_ms = self.clock.now().ms().saturating_sub(at.ms()).max(0);
                self.metrics.note(INVALIDATION_LAG, lag_ms as f64);
            }
        }
        if !plans.is_empty() && !self.plans_changed().await {
            failures.extend(plans);
        }
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failures.into_iter().map(failure).collect();
        response
    }

    /// Sends a record away that no repetition can mend; its number, empty if it has none, when even that fails.
    pub(crate) async fn reject(&self, record: &Value, reason: &str) -> Option<String> {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let number = text("/dynamodb/SequenceNumber");
        let event_id = text("/eventID").unwrap_or_default();
        let part = |name: &str| text(&format!("/dynamodb/Keys/{name}/S"));
        let key = part("pk").zip(part("sk")).map(|(pk, sk)| format!("{pk} {sk}")).unwrap_or_default();
        let letter = Letter { event_id, key, sequence_number: number.clone().unwrap_or_default(), reason: reason.to_owned() };
        tracing::error!(event_id = letter.event_id, sequence_number = letter.sequence_number, reason, "stream record rejected");
        match self.dead_letters.send(&letter).await {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(error = %error, "the dead-letter queue does not take it: the record comes again");
                Some(number.unwrap_or_default())
            }
        }
    }
}

/// What a record tells of, with the record's number.
fn read(record: &Value) -> Result<Option<(Told, Option<String>)>, BoxError> {
    let record = EventRecord::deserialize(record)?;
    let told = if is_plans(&record.change.keys) {
        Some(Told::Plans)
    } else {
        root_change(&record.change.keys, &record.change.new_image)?.map(Told::Root)
    };
    Ok(told.map(|told| (told, record.change.sequence_number)))
}

pub(crate) fn failure(number: String) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(number);
    failure
}

fn note(changes: &mut UserChanges, change: &RootChange, number: Option<String>) {
    changes.newest = changes.newest.max(change.rev);
    changes.at = changes.at.max(change.at);
    changes.deleted |= change.rev.is_none();
    // A record without a number fails the whole batch: Lambda takes an empty identifier so. It must not be lost.
    changes.records.push(number.unwrap_or_default());
}

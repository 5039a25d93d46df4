//! Where records go that can never be handled.

use std::sync::Mutex;

use web::BoxError;

use crate::serve::Handled;

/// A rejected record. Its content stays out: the item is in the table under its key, and the stream keeps the record for a day.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Id of the stream's event.
    pub event_id: String,
    /// Partition and sort key of the item that it is about, with a space between; empty when even that cannot be read.
    pub key: String,
    /// The record's number in its shard.
    pub sequence_number: String,
    /// Why it was rejected.
    pub reason: String,
}

/// A dead-letter queue.
pub trait DeadLetters: Send + Sync + std::fmt::Debug {
    /// Stores a letter.
    ///
    /// # Errors
    /// When it is not stored: the record will be delivered again.
    fn send<'a>(&'a self, letter: &'a Letter) -> Handled<'a, Result<(), BoxError>>;
}

/// Letters kept in the process: for a laptop and tests.
#[derive(Debug, Default)]
pub struct KeptLetters(Mutex<Vec<Letter>>);

/// Letters that are kept; older ones are dropped.
const KEPT_MAX: usize = 1_000;

impl KeptLetters {
    /// The letters so far.
    #[must_use]
    pub fn all(&self) -> Vec<Letter> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl DeadLetters for KeptLetters {
    fn send<'a>(&'a self, letter: &'a Letter) -> Handled<'a, Result<(), BoxError>> {
        let mut letters = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if letters.len() == KEPT_MAX {
            letters.remove(0);
        }
        letters.push(letter.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}

//! What a user consumed in one month.

use serde::{Deserialize, Serialize};

/// Counters of one UTC calendar month. Deletions never reduce them (D20). Stored as a list in this order: two years of them are in the root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Usage {
    /// Uploads that count against the plan.
    pub jobs_processed: u64,
    /// Contacts that came out of them or were saved.
    pub contacts_extracted: u64,
    /// Calls to the public API; only stored.
    pub api_calls: u64,
}

impl From<[u64; 3]> for Usage {
    fn from([jobs_processed, contacts_extracted, api_calls]: [u64; 3]) -> Self {
        Self { jobs_processed, contacts_extracted, api_calls }
    }
}

impl From<Usage> for [u64; 3] {
    fn from(usage: Usage) -> Self {
        [usage.jobs_processed, usage.contacts_extracted, usage.api_calls]
    }
}

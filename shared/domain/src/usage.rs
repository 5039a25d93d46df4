//! What a user consumed in one month.

use serde::{Deserialize, Serialize};

/// Counters of one UTC calendar month. Deletions never reduce them (D20).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Uploads that count against the plan.
    pub jobs_processed: u64,
    /// Contacts that came out of them or were saved.
    pub contacts_extracted: u64,
    /// Calls to the public API; only stored.
    pub api_calls: u64,
}

//! What a user consumed in one month.

use serde::{Deserialize, Serialize};

/// Counters of one UTC calendar month. Deletions never reduce them (D20). Short names keep two years of them small in the root.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Uploads that count against the plan.
    #[serde(rename = "j")]
    pub jobs_processed: u64,
    /// Contacts that came out of them or were saved.
    #[serde(rename = "c")]
    pub contacts_extracted: u64,
    /// Calls to the public API; only stored.
    #[serde(rename = "a")]
    pub api_calls: u64,
}

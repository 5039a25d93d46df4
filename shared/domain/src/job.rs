//! One job: a call sheet or a batch of saved contacts.

use serde::{Deserialize, Serialize};

use crate::contact::Counts;
use crate::{JobId, ProductionId, Timestamp};

/// Where a job stands. Upper case on the wire (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobStatus {
    /// Being worked on.
    Processing,
    /// Finished.
    Completed,
    /// Ended without a result.
    Failed,
    /// Given up by the user.
    Cancelled,
}

/// A stored job. `counts` are of its contacts, kept in the same transaction as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Title; `Extraction - {file}` by default (D12).
    pub title: String,
    /// Name of the file, if there was one.
    pub file_name: Option<String>,
    /// Where the old product kept the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_url: Option<String>,
    /// Where it stands.
    pub status: JobStatus,
    /// The production it belongs to.
    pub production_id: Option<ProductionId>,
    /// SHA-256 of the file, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it became COMPLETED, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Fingerprint of the contacts that are being saved into it, while that takes more than one transaction (D21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saving: Option<String>,
    /// Counters over its contacts.
    #[serde(default)]
    pub counts: Counts,
}

impl Job {
    /// The default title of a job (D12).
    #[must_use]
    pub fn default_title(file_name: Option<&str>) -> String {
        format!("Extraction - {}", file_name.unwrap_or("contacts"))
    }

    /// Whether it counts as a successful extraction: COMPLETED with at least one contact (D2).
    #[must_use]
    pub fn successful(&self) -> bool {
        self.status == JobStatus::Completed && self.counts.all > 0
    }

    /// Milliseconds from creation to completion, when both are known.
    #[must_use]
    pub fn processing_ms(&self) -> Option<u64> {
        self.completed_at.map(|done| u64::try_from(done.ms() - self.created_at.ms()).unwrap_or(0))
    }
}

/// A production that jobs may belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Production {
    /// Its id.
    pub id: ProductionId,
    /// Its name.
    pub name: String,
    /// Description, if any.
    pub description: Option<String>,
    /// `active` by default.
    pub status: String,
    /// When it was created.
    pub created_at: Timestamp,
}

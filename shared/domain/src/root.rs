//! The root: the small numbers of one user, aggregated when something is written. At most 4 KB, one read unit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contact::Counts;
use crate::{Billing, Job, JobId, JobStatus, Month, Rev, Timestamp, Usage};

/// Jobs kept for the activity feed.
pub const FEED_LEN: usize = 10;
/// Bytes of a file name kept in the feed, as JSON with its quotes; a longer one is read from its job, so that the root stays within 4 KB.
const FEED_NAME_BYTES_MAX: usize = 102;
/// Months of usage kept in the root, newest first to stay.
const MONTHS_MAX: usize = 24;
/// Bytes of the root as JSON: with its keys the item stays within 4 KB.
const BYTES_MAX: usize = 3_900;

/// Counters over all contacts of the user.
pub type ContactCounts = Counts;

/// Counters over all jobs of the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobCounts {
    /// All jobs.
    #[serde(rename = "n")]
    pub all: u64,
    /// COMPLETED with at least one contact.
    #[serde(rename = "s")]
    pub successful: u64,
    /// FAILED.
    #[serde(rename = "f")]
    pub failed: u64,
    /// With at least one contact, whatever their status.
    #[serde(rename = "c")]
    pub with_contacts: u64,
    /// Sum of milliseconds from creation to completion of the jobs that have both times.
    #[serde(rename = "ms")]
    pub processing_ms: u64,
    /// Jobs that have both times.
    #[serde(rename = "t")]
    pub timed: u64,
}

/// A job's place in time order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobKey(pub Timestamp, pub JobId);

impl JobKey {
    /// The place of a job.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self(job.created_at, job.id)
    }
}

/// The file name of a job in the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FeedName {
    /// The name itself, or none.
    Known(Option<String>),
    /// Left out, because it or the root is too long: `true`; the job item has it.
    Long(bool),
}

/// One of the newest jobs, as the activity feed needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedJob {
    /// Place in time order.
    #[serde(rename = "k")]
    pub key: JobKey,
    /// Where it stands.
    #[serde(rename = "s")]
    pub status: JobStatus,
    /// Its file name.
    #[serde(rename = "f")]
    pub file_name: FeedName,
    /// Its contacts.
    #[serde(rename = "n")]
    pub contacts: u64,
}

impl From<&Job> for FeedJob {
    fn from(job: &Job) -> Self {
        let file_name = match &job.file_name {
            Some(name) if json_len(name) > FEED_NAME_BYTES_MAX => FeedName::Long(true),
            name => FeedName::Known(name.clone()),
        };
        Self { key: JobKey::of(job), status: job.status, file_name, contacts: job.counts.all }
    }
}

impl FeedName {
    /// What leaving it out saves.
    fn bytes(&self) -> usize {
        match self {
            Self::Known(Some(name)) => json_len(name),
            Self::Known(None) | Self::Long(_) => 0,
        }
    }
}

/// Bytes as JSON: escapes can make a text six times as long.
pub(crate) fn json_len(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).expect("plain structs with text keys serialize").len()
}

/// The pre-aggregated item of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Revision of everything the user can see.
    pub rev: Rev,
    /// Set when the account was deleted (D14).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Counters over contacts.
    pub contacts: ContactCounts,
    /// Counters over jobs.
    pub jobs: JobCounts,
    /// The newest job that has contacts.
    #[serde(default)]
    pub last_extraction: Option<JobKey>,
    /// Usage of the newest months.
    #[serde(default)]
    pub usage: BTreeMap<Month, Usage>,
    /// The newest jobs, newest first.
    #[serde(default)]
    pub feed: Vec<FeedJob>,
    /// Copy of the billing state.
    #[serde(default)]
    pub billing: Billing,
}

impl Root {
    /// Usage of the month that contains `now`.
    #[must_use]
    pub fn usage_at(&self, now: Timestamp) -> Usage {
        self.usage.get(&now.month()).copied().unwrap_or_default()
    }

    /// Stores a month's usage, keeping the newest months.
    pub(crate) fn set_usage(&mut self, month: Month, usage: Usage) {
        self.usage.insert(month, usage);
        while self.usage.len() > MONTHS_MAX {
            self.usage.pop_first();
        }
    }

    /// Puts a job into the feed if it is among the newest, or renews it there.
    pub(crate) fn feed_put(&mut self, job: &Job) {
        self.feed_remove(job.id);
        let entry = FeedJob::from(job);
        let at = self.feed.partition_point(|other| other.key > entry.key);
        // Below the last entry there may be other jobs that the feed does not know.
        let knows_all_older = self.feed.len() as u64 + 1 >= self.jobs.all;
        if at < self.feed.len() || knows_all_older {
            self.feed.insert(at, entry);
            self.feed.truncate(FEED_LEN);
        }
    }

    pub(crate) fn feed_remove(&mut self, id: JobId) {
        self.feed.retain(|entry| entry.key.1 != id);
    }

    /// Leaves out what has another home, the longest file names first, then the oldest months, until it is one read unit.
    pub(crate) fn trim(&mut self) {
        while json_len(self) > BYTES_MAX {
            if let Some(entry) =
                self.feed.iter_mut().max_by_key(|entry| entry.file_name.bytes()).filter(|entry| entry.file_name.bytes() > 0)
            {
                entry.file_name = FeedName::Long(true);
            } else if self.usage.len() > 1 {
                self.usage.pop_first();
            } else {
                return;
            }
        }
    }

    /// Leaves out here what `other` leaves out of the feed and the months: two states of the same jobs may differ in that.
    pub fn leave_out_as(&mut self, other: &Self) {
        for entry in &mut self.feed {
            let left_out = |same: &FeedJob| same.key == entry.key && matches!(same.file_name, FeedName::Long(_));
            if entry.file_name.bytes() > 0 && other.feed.iter().any(left_out) {
                entry.file_name = FeedName::Long(true);
            }
        }
        if let Some((first, _)) = other.usage.first_key_value() {
            self.usage = self.usage.split_off(first);
        }
    }

    /// Whether older jobs are missing from the feed.
    pub(crate) fn feed_has_gap(&self) -> bool {
        (self.feed.len() as u64) < self.jobs.all.min(FEED_LEN as u64)
    }
}

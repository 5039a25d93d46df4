//! The activity feed (contract section 6).

use serde::Serialize;

use super::WINDOW_DAYS;
use crate::root::{FeedJob, FeedName};
use crate::{JobId, JobStatus, Root, Timestamp};

/// One line of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityItem {
    id: JobId,
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
    timestamp: Timestamp,
    status: &'static str,
    job_id: JobId,
    file_name: Option<String>,
    contacts_count: u64,
}

/// At most ten jobs of the last 30 days, newest first.
///
/// A file name that is too long for the root must have been filled in from its job; otherwise it reads as absent.
#[must_use]
pub fn activity(root: &Root, now: Timestamp) -> Vec<ActivityItem> {
    let first_hour = now.minus_days(WINDOW_DAYS).hour();
    root.feed.iter().filter(|job| job.key.0.hour() >= first_hour).map(item).collect()
}

fn item(job: &FeedJob) -> ActivityItem {
    let file_name = match &job.file_name {
        FeedName::Known(name) => name.clone(),
        FeedName::Long(_) => None,
    };
    let named = |default: &str| file_name.clone().unwrap_or_else(|| default.to_owned());
    let count = job.contacts;
    let (kind, status, message) = match job.status {
        JobStatus::Completed if count > 0 => {
            let noun = if count == 1 { "contact" } else { "contacts" };
            ("contacts", "success", format!("{count} {noun} extracted from {}", named("call sheet")))
        }
        JobStatus::Completed => ("processing", "warning", "Call sheet processed but no contacts found".to_owned()),
        JobStatus::Failed => ("error", "error", format!("Extraction failed for {}", named("call sheet"))),
        JobStatus::Processing => ("processing", "processing", format!("Processing {}...", named("call sheet"))),
        JobStatus::Cancelled => ("upload", "success", format!("Call sheet uploaded: {}", named("Unknown file"))),
    };
    ActivityItem { id: job.key.1, kind, message, timestamp: job.key.0, status, job_id: job.key.1, file_name, contacts_count: count }
}

//! `GET /api/dashboard/metrics` (D3).

use serde::Serialize;
use serde_json::Number;

use crate::number::scaled;
use crate::{Root, percent1};

/// Minutes saved by each contact that nobody had to type.
const MINUTES_SAVED_PER_CONTACT: u64 = 5;
const MINUTE_MS: u128 = 60_000;

/// Percentages and estimated time saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PerformanceMetrics {
    success_rate: Number,
    average_processing_time: Number,
    total_time_saved: u64,
    efficiency: Number,
    accuracy: Number,
    total_jobs: u64,
    total_contacts: u64,
    successful_jobs: u64,
    failed_jobs: u64,
}

/// The metrics of a root.
#[must_use]
pub fn metrics(root: &Root) -> PerformanceMetrics {
    let jobs = root.jobs;
    let average_processing_time = match (jobs.all, jobs.timed) {
        (0, _) => Number::from(0),
        (_, 0) => Number::from_f64(2.5).expect("finite"),
        (_, timed) => scaled(u128::from(jobs.processing_ms), u128::from(timed) * MINUTE_MS, 10),
    };
    PerformanceMetrics {
        success_rate: percent1(jobs.successful, jobs.all),
        average_processing_time,
        total_time_saved: root.contacts.all.saturating_mul(MINUTES_SAVED_PER_CONTACT),
        efficiency: percent1(jobs.successful, jobs.all),
        accuracy: percent1(jobs.with_contacts, jobs.all),
        total_jobs: jobs.all,
        total_contacts: root.contacts.all,
        successful_jobs: jobs.successful,
        failed_jobs: jobs.failed,
    }
}

//! `GET /api/contacts/stats` (contract section 7, decisions D5, D10, D13).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use super::WINDOW_DAYS;
use crate::contact::Counts;
use crate::{Contact, Job, Stats, Timestamp, ratio2};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RoleCount {
    role: String,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProductionCount {
    production_id: String,
    count: u64,
}

/// Contact counts of the account, or of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactStats {
    total_contacts: u64,
    recent_contacts: u64,
    contacts_with_email: u64,
    contacts_with_phone: u64,
    total_jobs: u64,
    contacts_by_role: Vec<RoleCount>,
    contacts_by_production: Vec<ProductionCount>,
    average_contacts_per_job: Number,
    jobs_with_contacts: u64,
    last_extraction_date: Option<Timestamp>,
    with_email: u64,
    with_phone: u64,
}

/// The whole account. Groups that live in items of their own must have been merged in.
#[must_use]
pub fn contact_stats(stats: &Stats, now: Timestamp) -> ContactStats {
    let productions = ranked(&stats.productions.inline).map(|(production_id, count)| ProductionCount { production_id, count });
    numbers(
        stats.contacts,
        stats.hours.since(now.minus_days(WINDOW_DAYS)),
        stats.jobs_with_contacts,
        stats.last_extraction.map(|key| key.0),
        &stats.roles.inline,
        productions.collect(),
    )
}

/// One job, from its contacts: `totalJobs` is 0 or 1, `contactsByProduction` is empty.
#[must_use]
pub fn job_stats(job: &Job, contacts: &[Contact], now: Timestamp) -> ContactStats {
    let first_hour = now.minus_days(WINDOW_DAYS).hour();
    let mut counts = Counts::default();
    let mut roles = BTreeMap::new();
    for contact in contacts {
        counts.add(contact.flags());
        *roles.entry(contact.role_group().to_owned()).or_insert(0) += 1;
    }
    let recent = contacts.iter().filter(|contact| contact.created_at.hour() >= first_hour).count() as u64;
    let jobs = u64::from(counts.all > 0);
    numbers(counts, recent, jobs, (counts.all > 0).then_some(job.created_at), &roles, Vec::new())
}

fn numbers(
    counts: Counts,
    recent: u64,
    jobs: u64,
    last: Option<Timestamp>,
    roles: &BTreeMap<String, u64>,
    contacts_by_production: Vec<ProductionCount>,
) -> ContactStats {
    ContactStats {
        total_contacts: counts.all,
        recent_contacts: recent,
        contacts_with_email: counts.email_not_blank,
        contacts_with_phone: counts.phone_not_blank,
        total_jobs: jobs,
        contacts_by_role: ranked(roles).map(|(role, count)| RoleCount { role, count }).collect(),
        contacts_by_production,
        average_contacts_per_job: ratio2(counts.all, jobs),
        jobs_with_contacts: jobs,
        last_extraction_date: last,
        with_email: counts.email_not_blank,
        with_phone: counts.phone_not_blank,
    }
}

/// Groups by count descending, then name (D5).
fn ranked(groups: &BTreeMap<String, u64>) -> impl Iterator<Item = (String, u64)> {
    let mut list: Vec<_> = groups.iter().filter(|(_, count)| **count > 0).map(|(name, count)| (name.clone(), *count)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list.into_iter()
}

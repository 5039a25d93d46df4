//! Changes of a user's data, applied to the root and the stats together.
//!
//! A transaction reads both, applies its changes here, calls [`Account::commit`] and writes them with the entities.
//! After any sequence of changes both equal a recount of the rows.

use std::collections::BTreeMap;

use crate::contact::ContactFlags;
use crate::root::{FEED_LEN, FeedJob, JobKey};
use crate::stats::{GroupKey, UNKNOWN_PRODUCTION};
use crate::{Billing, Contact, Job, JobStatus, Month, Root, Stats, Timestamp, Usage, UserId};

/// What a deletion left open and the writer has to read before it commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// The feed may lack older jobs: read the newest ten, call [`Account::fill_feed`].
    pub feed: bool,
    /// The newest job with contacts is gone: read it, call [`Account::set_last_extraction`].
    pub last_extraction: bool,
}

/// The aggregates of one user while a transaction is being put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose they are.
    pub user: UserId,
    /// The root.
    pub root: Root,
    /// The stats, at the same revision.
    pub stats: Stats,
    groups: BTreeMap<GroupKey, i64>,
    lost_last_extraction: bool,
}

impl Account {
    /// A new, empty account (D14).
    #[must_use]
    pub fn new(user: UserId) -> Self {
        Self::from_parts(user, Root::default(), Stats::default())
    }

    /// The account as it was read.
    #[must_use]
    pub fn from_parts(user: UserId, root: Root, stats: Stats) -> Self {
        Self { user, root, stats, groups: BTreeMap::new(), lost_last_extraction: false }
    }

    /// Adds a job. Its contacts are added one by one afterwards: `job.counts` must be empty.
    pub fn add_job(&mut self, job: &Job) {
        self.root.jobs.all += 1;
        self.count_job(job, true);
        self.root.feed_put(job);
    }

    /// Replaces a job's own fields; its contacts stay.
    pub fn change_job(&mut self, old: &Job, new: &Job) {
        self.count_job(old, false);
        self.count_job(new, true);
        if old.production_id != new.production_id {
            let moved = i64::try_from(new.counts.all).unwrap_or(i64::MAX);
            self.group(GroupKey::Production(production_of(old)), -moved);
            self.group(GroupKey::Production(production_of(new)), moved);
        }
        if old.created_at == new.created_at {
            self.root.feed_put_if_there(new);
        } else {
            self.root.feed_put(new);
        }
    }

    /// Removes a job whose contacts were removed before.
    pub fn remove_job(&mut self, job: &Job) {
        self.count_job(job, false);
        self.root.jobs.all = self.root.jobs.all.saturating_sub(1);
        self.root.feed_remove(job.id);
    }

    /// Adds a contact to its job.
    pub fn add_contact(&mut self, job: &mut Job, contact: &Contact) {
        self.with_job(job, |account, job| {
            job.counts.add(contact.flags());
            account.count_contact(job, contact, 1);
        });
    }

    /// Takes a contact out of its job.
    pub fn remove_contact(&mut self, job: &mut Job, contact: &Contact) {
        self.with_job(job, |account, job| {
            job.counts.remove(contact.flags());
            account.count_contact(job, contact, -1);
        });
    }

    /// Replaces a contact's fields; its job and creation time stay.
    pub fn replace_contact(&mut self, job: &mut Job, old: &Contact, new: &Contact) {
        self.with_job(job, |account, job| {
            job.counts.remove(old.flags());
            account.count_contact(job, old, -1);
            job.counts.add(new.flags());
            account.count_contact(job, new, 1);
        });
    }

    /// Adds to a month's usage.
    pub fn record_usage(&mut self, month: Month, delta: Usage) {
        let mut usage = self.root.usage.get(&month).copied().unwrap_or_default();
        usage.jobs_processed += delta.jobs_processed;
        usage.contacts_extracted += delta.contacts_extracted;
        usage.api_calls += delta.api_calls;
        self.root.set_usage(month, usage);
    }

    /// Sets a month's usage.
    pub fn set_usage(&mut self, month: Month, usage: Usage) {
        self.root.set_usage(month, usage);
    }

    /// Sets the billing state.
    pub fn set_billing(&mut self, billing: Billing) {
        self.root.billing = billing;
    }

    /// What has to be read before [`Account::commit`].
    #[must_use]
    pub fn gaps(&self) -> Gaps {
        Gaps { feed: self.root.feed_has_gap(), last_extraction: self.lost_last_extraction && self.root.jobs.with_contacts > 0 }
    }

    /// Sets the feed from the user's newest jobs, newest first, as they are after this transaction.
    pub fn fill_feed(&mut self, newest: &[Job]) {
        self.root.feed = newest.iter().take(FEED_LEN).map(FeedJob::from).collect();
    }

    /// Sets the newest job with contacts, as it is after this transaction.
    pub fn set_last_extraction(&mut self, newest: Option<JobKey>) {
        self.root.last_extraction = newest;
        self.lost_last_extraction = false;
    }

    /// Changes of groups that live in items of their own, to be written in the same transaction.
    #[must_use]
    pub fn take_group_deltas(&mut self) -> Vec<(GroupKey, i64)> {
        std::mem::take(&mut self.groups).into_iter().filter(|(_, delta)| *delta != 0).collect()
    }

    /// Groups that will have to be written as items of their own.
    #[must_use]
    pub fn open_groups(&self) -> usize {
        self.groups.values().filter(|delta| **delta != 0).count()
    }

    /// Raises the revision and copies the root's numbers into the stats. Once per transaction.
    pub fn commit(&mut self, now: Timestamp) {
        self.root.rev = self.root.rev.next();
        if self.root.jobs.with_contacts == 0 {
            self.root.last_extraction = None;
        }
        self.root.trim();
        self.stats.rev = self.root.rev;
        self.stats.deleted_at = self.root.deleted_at;
        self.stats.contacts = self.root.contacts;
        self.stats.jobs_with_contacts = self.root.jobs.with_contacts;
        self.stats.last_extraction = self.root.last_extraction;
        self.stats.hours.prune(now);
    }

    fn with_job(&mut self, job: &mut Job, change: impl FnOnce(&mut Self, &mut Job)) {
        self.count_job(job, false);
        change(self, job);
        self.count_job(job, true);
        self.root.feed_put_if_there(job);
    }

    /// Counts a job in (`sign` true) or out.
    fn count_job(&mut self, job: &Job, sign: bool) {
        let apply = |counter: &mut u64, by: u64| *counter = if sign { *counter + by } else { counter.saturating_sub(by) };
        apply(&mut self.root.jobs.successful, u64::from(job.successful()));
        apply(&mut self.root.jobs.failed, u64::from(job.status == JobStatus::Failed));
        apply(&mut self.root.jobs.with_contacts, u64::from(job.counts.all > 0));
        if let Some(ms) = job.processing_ms() {
            apply(&mut self.root.jobs.processing_ms, ms);
            apply(&mut self.root.jobs.timed, 1);
        }
        let key = JobKey::of(job);
        if job.counts.all > 0 {
            if !sign && self.root.last_extraction == Some(key) {
                self.lost_last_extraction = true;
            } else if sign && self.root.last_extraction.is_none_or(|newest| newest <= key) {
                self.set_last_extraction(Some(key));
            }
        }
    }

    fn count_contact(&mut self, job: &Job, contact: &Contact, delta: i64) {
        let flags: ContactFlags = contact.flags();
        if delta > 0 {
            self.root.contacts.add(flags);
            self.stats.hours.add(contact.created_at);
        } else {
            self.root.contacts.remove(flags);
            self.stats.hours.remove(contact.created_at);
        }
        self.group(GroupKey::Role(contact.role_group().to_owned()), delta);
        self.group(GroupKey::Production(production_of(job)), delta);
    }

    fn group(&mut self, key: GroupKey, delta: i64) {
        if delta == 0 {
            return;
        }
        let inline = match &key {
            GroupKey::Role(name) => self.stats.roles.add(name, delta),
            GroupKey::Production(name) => self.stats.productions.add(name, delta),
        };
        if !inline {
            *self.groups.entry(key).or_default() += delta;
        }
    }
}

fn production_of(job: &Job) -> String {
    job.production_id.map_or_else(|| UNKNOWN_PRODUCTION.to_owned(), |id| id.to_string())
}

impl Root {
    /// Renews a job in the feed if it is there.
    fn feed_put_if_there(&mut self, job: &Job) {
        if let Some(entry) = self.feed.iter_mut().find(|entry| entry.key.1 == job.id) {
            *entry = FeedJob::from(job);
        }
    }
}

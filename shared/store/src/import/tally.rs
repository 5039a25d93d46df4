//! The aggregates of a new user, counted while its rows are written: the same as single writes would have given.

use std::collections::HashMap;

use domain::{Account, Billing, Contact, Job, JobId, Timestamp, UserId};

use super::billing;
use super::line::{SubscriptionLine, UserLine};

/// What one user's lines add up to.
#[derive(Debug)]
pub(super) struct Tally {
    /// The aggregates; groups that spill are taken from it at the end.
    pub(super) account: Account,
    /// The jobs with their counters, in order of creation.
    pub(super) jobs: Vec<Job>,
    by_id: HashMap<JobId, usize>,
    user: Option<UserLine>,
    subscriptions: Vec<SubscriptionLine>,
}

impl Tally {
    /// An empty account.
    pub(super) fn new(user: UserId) -> Self {
        Self { account: Account::new(user), jobs: Vec::new(), by_id: HashMap::new(), user: None, subscriptions: Vec::new() }
    }

    /// Takes a `user` line.
    pub(super) fn add_user(&mut self, line: UserLine) {
        self.user = Some(line);
    }

    /// Takes a `subscription` line.
    pub(super) fn add_subscription(&mut self, line: SubscriptionLine) {
        self.subscriptions.push(line);
    }

    /// Adds a job. Jobs come before contacts, in order of creation.
    pub(super) fn add_job(&mut self, job: Job) {
        self.account.add_job(&job);
        self.by_id.insert(job.id, self.jobs.len());
        self.jobs.push(job);
    }

    /// Adds a contact to its job; false when that is not among the jobs.
    pub(super) fn add_contact(&mut self, contact: &Contact) -> bool {
        let Some(at) = self.by_id.get(&contact.job_id) else { return false };
        self.account.add_contact(&mut self.jobs[*at], contact);
        true
    }

    /// Sets billing and deletion, and raises the revision to 1.
    pub(super) fn commit(&mut self, now: Timestamp) {
        let user = self.user.take();
        self.account.set_billing(billing::merged(&Billing::default(), user.as_ref(), &self.subscriptions));
        self.account.root.deleted_at = user.and_then(|line| line.deleted_at.flatten());
        self.account.commit(now);
    }
}

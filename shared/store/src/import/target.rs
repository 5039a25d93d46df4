//! What an import needs from the table, so that tests can let any call fail.

use domain::{Account, Contact, ContactId, Job, JobId, Month, Production, ProductionId, Root, Timestamp, Usage, UserId};

use crate::StoreError;
use crate::writes::{Edit, Record};

/// A contact's place in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// When it was created.
    pub(super) at: Timestamp,
    /// Its id.
    pub(super) id: ContactId,
    /// Whether it can be reached.
    pub(super) reachable: bool,
}

/// What was found when a user's import began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// Nothing: the marker is set now.
    New,
    /// The marker of an import that did not end.
    Interrupted,
    /// An account.
    Account,
}

/// The table as an import sees it.
pub(super) trait Target {
    /// Whether an event of Stripe has set the user's billing state: it is newer than any file.
    async fn has_stripe_state(&self, user: &UserId) -> Result<bool, StoreError>;
    /// The user's root.
    async fn root(&self, user: &UserId) -> Result<Option<Root>, StoreError>;
    /// Those of at most 100 usage rows that exist.
    async fn usage(&self, user: &UserId, months: &[Month]) -> Result<Vec<(Month, Usage)>, StoreError>;
    /// Those of at most 100 productions that exist.
    async fn productions(&self, user: &UserId, ids: &[ProductionId]) -> Result<Vec<Production>, StoreError>;
    /// Those of at most 100 jobs that exist.
    async fn jobs(&self, user: &UserId, ids: &[JobId]) -> Result<Vec<Job>, StoreError>;
    /// Those of at most 100 contacts that exist.
    async fn contacts(&self, user: &UserId, ids: &[ContactId]) -> Result<Vec<Contact>, StoreError>;

    /// Sets the marker of a new user unless there is an account.
    async fn begin(&self, user: &UserId, now: Timestamp) -> Result<Begun, StoreError>;
    /// Writes at most 25 rows of a user that has no root yet.
    async fn put(&self, user: &UserId, records: &[Record]) -> Result<(), StoreError>;
    /// Writes groups, chunks, root, stats, directory and billing and takes the marker away, the last in one transaction;
    /// false when a root is there already.
    async fn finish(&self, account: &mut Account, entries: &[Entry], now: Timestamp) -> Result<bool, StoreError>;
    /// Recomputes everything from the rows and takes the marker away.
    async fn recompute(&self, user: &UserId, now: Timestamp) -> Result<(), StoreError>;
    /// Applies differences in order, in as few transactions as hold them.
    async fn change(&self, user: &UserId, edits: &[Edit], now: Timestamp) -> Result<(), StoreError>;
    /// Stores that a customer of Stripe is the user's, if it is nobody's yet: for Stripe's events that name no user. The user has a root.
    async fn link(&self, user: &UserId, customer: &str, now: Timestamp) -> Result<(), StoreError>;
}

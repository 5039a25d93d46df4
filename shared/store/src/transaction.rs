//! How a change is committed: decided on a snapshot, written on the condition that nothing moved, decided again when something did.

use std::future::Future;
use std::time::Instant;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{Rev, Timestamp, UserId};
use uuid::Uuid;

use crate::calls::pause;
use crate::draft::Draft;
use crate::item::Item;
use crate::{StoreError, Table};

/// A change of one user's data. Its decision is taken again, on a new snapshot, when another writer was first.
pub(crate) trait Change: Sync {
    /// What the caller learns.
    type Output: Send;

    /// Sort keys of the items that are read in one snapshot with the aggregates.
    fn reads(&self) -> Vec<String> {
        Vec::new()
    }

    /// Puts the transaction together.
    fn decide(
        &self,
        draft: &mut Draft<'_>,
        found: Vec<Option<Item>>,
    ) -> impl Future<Output = Result<Decision<Self::Output>, StoreError>> + Send;
}

/// What a change comes to on a snapshot.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    /// Commit the draft.
    Commit(T),
    /// There is nothing to do.
    Leave(T),
}

/// The result of a change at the revision that shows it.
#[derive(Debug)]
pub(crate) struct Changed<T> {
    /// The committed revision, or the one that was read when nothing was to do.
    pub(crate) rev: Rev,
    /// What the change came to.
    pub(crate) value: T,
}

impl Table {
    /// Commits a change, once, however often it is tried.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] or [`StoreError::Unavailable`] when that did not work out within the retry time;
    /// [`StoreError::Malformed`] at once.
    pub(crate) async fn change<C: Change>(&self, user: &UserId, now: Timestamp, change: &C) -> Result<Changed<C::Output>, StoreError> {
        let until = Instant::now() + self.retry_for;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_change(user, now, change, until).await {
                Err(error) if error.is_transient() && Instant::now() < until => pause(attempt).await,
                result => return result,
            }
        }
    }

    async fn try_change<C: Change>(
        &self,
        user: &UserId,
        now: Timestamp,
        change: &C,
        until: Instant,
    ) -> Result<Changed<C::Output>, StoreError> {
        let (mut draft, found) = Draft::begin(self, user, now, &change.reads()).await?;
        let rev = draft.account.root.rev;
        let value = match change.decide(&mut draft, found).await? {
            Decision::Leave(value) => return Ok(Changed { rev, value }),
            Decision::Commit(value) => value,
        };
        let (rev, writes) = draft.finish().await?;
        self.commit(writes, until).await?;
        Ok(Changed { rev, value })
    }

    /// Writes a transaction once, however often that is tried.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a condition failed: nothing was written; else it is unknown whether it was.
    pub(crate) async fn commit(&self, writes: Vec<TransactWriteItem>, until: Instant) -> Result<(), StoreError> {
        // An answer that got lost leaves open whether the transaction was applied. The same token asks again without doing it twice.
        let token = Uuid::new_v4().to_string();
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.transact_write(writes.clone(), &token).await {
                Err(StoreError::Unavailable { .. }) if Instant::now() < until => pause(attempt).await,
                result => return result,
            }
        }
    }
}

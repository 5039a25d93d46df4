//! How far a job over Stripe's lists has come, so that the next run goes on where the last one ran out of time.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::item;
use crate::keys;
use crate::write_items::put;
use crate::{StoreError, Table};

/// Where a job over one of Stripe's lists goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Stripe's id of the last object that is done; nothing to begin anew.
    pub after: Option<String>,
}

impl Table {
    /// How far a job has come.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn progress(&self, job: &str) -> Result<Progress, StoreError> {
        let found = self.get(item::key_of(keys::RECONCILE, job)).await?;
        Ok(found.as_ref().map(item::body).transpose()?.unwrap_or_default())
    }

    /// Stores how far a job has come.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_progress(&self, job: &str, progress: &Progress) -> Result<(), StoreError> {
        let stored = item::bodied(item::key_of(keys::RECONCILE, job), progress);
        self.commit(vec![put(self, stored)], Instant::now() + self.retry_for).await
    }
}

//! Prices and products: what is stored of them, and what Stripe's answers about them change.

use std::time::Instant;

use aws_sdk_dynamodb::types::TransactWriteItem;
use billing::catalogue::{Catalogue, CatalogueId};
use billing::{Answer, CatalogueWrites};
use domain::Plans;

use super::{Alarm, amounts};
use crate::item::{self, Item};
use crate::keys::{self, REV};
use crate::write_items::{put, put_if_at};
use crate::{StoreError, Table};

/// What Stripe's answers about prices and products led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueAnswered {
    /// The catalogue was written, with what is wrong with Stripe's prices.
    Changed(Vec<Alarm>),
    /// The catalogue said the same.
    Same,
    /// The catalogue changed since Stripe was asked: ask again.
    Moved,
    /// An answer can never be stored: why.
    Refused(String),
}

impl Table {
    /// What Stripe told about prices and products: read before Stripe is asked.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn stripe_catalogue(&self) -> Result<Option<Catalogue>, StoreError> {
        self.get(item::key_of(keys::CATALOG, keys::STRIPE)).await?.as_ref().map(item::body).transpose()
    }

    /// Takes Stripe's answers, asked for at `asked_at` (Unix seconds) after `before` was read. Their effect is one transaction.
    ///
    /// # Errors
    /// As [`Table::stripe_event`].
    pub async fn catalogue_answered(
        &self,
        before: Option<&Catalogue>,
        answers: &[(CatalogueId, Answer<'_>)],
        asked_at: i64,
    ) -> Result<CatalogueAnswered, StoreError> {
        let mut catalogue = before.cloned().unwrap_or_default();
        let mut changes: Option<CatalogueWrites> = None;
        for (id, answer) in answers {
            match catalogue.refetched(id, *answer, asked_at, &Plans::built_in()) {
                Ok(writes) => {
                    // One transaction: one revision.
                    catalogue = Catalogue { rev: catalogue.rev, ..writes.catalogue.clone() };
                    changes = Some(writes);
                }
                Err(reason) => return Ok(CatalogueAnswered::Refused(reason.to_string())),
            }
        }
        let Some(changes) = changes.filter(|_| before != Some(&catalogue)) else { return Ok(CatalogueAnswered::Same) };
        let writes = self.catalogue_writes(&changes, before.map(|before| before.rev));
        match self.commit(writes, Instant::now() + self.retry_for).await {
            Ok(()) => Ok(CatalogueAnswered::Changed(amounts(&changes))),
            Err(StoreError::Conflict { .. }) => Ok(CatalogueAnswered::Moved),
            Err(error) => Err(error),
        }
    }

    /// What Stripe told, on the condition that it has the revision that was read, and the plans that follow.
    pub(super) fn catalogue_writes(&self, changes: &CatalogueWrites, read: Option<u64>) -> Vec<TransactWriteItem> {
        let plans = item::bodied(item::key_of(keys::CATALOG, keys::PLANS), &changes.plans);
        vec![put_if_at(self, told(&changes.catalogue), read), put(self, plans)]
    }
}

fn told(catalogue: &Catalogue) -> Item {
    let mut told = item::bodied(item::key_of(keys::CATALOG, keys::STRIPE), catalogue);
    told.insert(REV.to_owned(), item::number(catalogue.rev));
    item::marked(told, !catalogue.marked().is_empty())
}

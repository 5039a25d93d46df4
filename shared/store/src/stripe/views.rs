//! The mirror as its owner may see it. Each read says which revision it shows; a customer of somebody else is none.

use billing::{Item as Mirrored, Meta};
use domain::{Root, UserId};

use super::fill::mirrored;
use crate::calls::{Index, Range};
use crate::item;
use crate::keys;
use crate::reads::{Found, root_of};
use crate::{StoreError, Table};

/// A user's customer at Stripe.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerHead {
    /// The user's root.
    pub root: Root,
    /// The head; an empty one when no event came yet and nobody linked it.
    pub meta: Meta,
}

impl Table {
    /// Access pattern 11: a customer of the user, in one snapshot with the root; nothing when it is not the user's.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn own_customer(&self, user: &UserId, customer: &str) -> Result<Found<Option<CustomerHead>>, StoreError> {
        let keys = [item::key(user, keys::ROOT), item::key_of(keys::customer(customer), keys::META)];
        let read = self.transact_get(&keys).await?;
        let root = root_of(read.first())?.unwrap_or_default();
        let meta: Option<Meta> = read.get(1).and_then(Option::as_ref).map(item::body).transpose()?;
        let is_named = root.billing.customer.as_ref().is_some_and(|named| named.id == customer);
        let is_own = match meta.as_ref().and_then(|meta| meta.user.as_ref()) {
            Some(owner) => owner == user,
            None => is_named,
        };
        let found = Found::at(&root, ());
        let head = is_own.then(|| CustomerHead { meta: meta.unwrap_or_else(|| Meta::new(customer, None)), root });
        Ok(Found { rev: found.rev, deleted_at: found.deleted_at, settled: true, value: head })
    }

    /// Access pattern 12: a customer's newest invoices, at most `count`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_invoices(&self, customer: &str, count: usize) -> Result<Vec<Mirrored>, StoreError> {
        self.newest_of(customer, keys::INVOICES, count).await
    }

    /// Access pattern 13: a customer's payment methods, at most `count`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn payment_methods(&self, customer: &str, count: usize) -> Result<Vec<Mirrored>, StoreError> {
        self.newest_of(customer, keys::PAYMENT_METHODS, count).await
    }

    /// Access pattern 14: a customer's payment methods and its newest invoices in one query, at most `count` of both together.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn methods_and_invoices(&self, customer: &str, count: usize) -> Result<Vec<Mirrored>, StoreError> {
        // The keys of payment methods follow the head's, which follows those of the invoices.
        self.newest_of(customer, (keys::INVOICES.0, keys::PAYMENT_METHODS.1), count).await
    }

    async fn newest_of(&self, customer: &str, (from, until): (&str, &str), count: usize) -> Result<Vec<Mirrored>, StoreError> {
        let pk = keys::customer(customer);
        let limit = Some(count);
        mirrored(
            &self.query(Range { index: Index::Table, pk, from: from.to_owned(), until: until.to_owned(), descending: true, limit }).await?,
        )
    }
}

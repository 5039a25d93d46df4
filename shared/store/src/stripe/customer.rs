//! What is stored of a customer and its user: read for a decision, and written as it was decided.

use std::time::Instant;

use aws_sdk_dynamodb::types::TransactWriteItem;
use billing::guard::Stored;
use billing::mirror::Subscription;
use billing::{CustomerItem, CustomerWrites, Found, FoundUser, Item as Mirrored, Meta, Sources};
use domain::{Plans, Rev, Timestamp, UserId};
use futures::future::try_join;

use crate::calls::{Index, Range, pause};
use crate::draft::Draft;
use crate::item::{self, Item};
use crate::keys::{self, REV};
use crate::write_items::{put, put_if_at, put_new};
use crate::{StoreError, Table};

/// What a transaction writes, and whose views show it from which revision on.
pub(super) type CustomerTransaction = (Vec<TransactWriteItem>, Option<(UserId, Rev)>);

impl Table {
    /// What a decision about a customer's user rests on, read after the customer's head: the subscriptions, the user's state, and the draft
    /// of the transaction.
    pub(super) async fn user_of_customer<'a>(
        &'a self,
        customer: &str,
        user: &'a UserId,
        now: Timestamp,
    ) -> Result<(Vec<Stored<Subscription>>, FoundUser, Draft<'a>), StoreError> {
        let more = [keys::SOURCES.to_owned()];
        let begun = Draft::begin(self, user, now, &more);
        let (subscriptions, (draft, more)) = try_join(self.subscriptions(keys::customer(customer)), begun).await?;
        let sources: Option<Sources> = more.iter().flatten().next().map(item::body).transpose()?;
        let state = FoundUser { billing: draft.account.root.billing.clone(), sources };
        Ok((subscriptions, state, draft))
    }

    /// All subscriptions of a customer.
    async fn subscriptions(&self, pk: String) -> Result<Vec<Stored<Subscription>>, StoreError> {
        let (from, until) = keys::SUBSCRIPTIONS;
        let range = Range { index: Index::Table, pk, from: from.to_owned(), until: until.to_owned(), descending: false, limit: None };
        let mut subscriptions = Vec::new();
        for found in self.query(range).await? {
            if let Mirrored::Subscription(stored) = item::body(&found)? {
                subscriptions.push(stored);
            }
        }
        Ok(subscriptions)
    }

    /// A customer's head, on the condition that it has the revision that was read, the objects that changed, and the user's state.
    pub(super) async fn customer_writes(
        &self,
        changes: CustomerWrites,
        changed: &[Mirrored],
        read: Option<u64>,
        draft: Option<Draft<'_>>,
    ) -> Result<CustomerTransaction, StoreError> {
        let pk = || keys::customer(&changes.meta.customer);
        let mut items = vec![put_if_at(self, head(&changes.meta), read)];
        items.extend(changed.iter().map(|object| {
            let stored = item::bodied(item::key_of(pk(), &keys::mirrored(&object.id())), object);
            put(self, item::marked(stored, object.needs_refresh()))
        }));
        let Some((changes, mut draft)) = changes.user.zip(draft) else { return Ok((items, None)) };
        draft.put_other(keys::SOURCES.to_owned(), item::with_body(draft.user, keys::SOURCES, &changes.sources));
        draft.set_billing(changes.billing);
        let (rev, aggregates) = draft.finish().await?;
        items.extend(aggregates);
        Ok((items, Some((changes.user, rev))))
    }

    /// Stores whose a customer is, if nobody's yet. What events told of it before counts from then on.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn link_customer(&self, customer: &str, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
        let until = Instant::now() + self.retry_for;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_link(customer, user, now, until).await {
                Err(error) if error.is_transient() && Instant::now() < until => pause(attempt).await,
                result => return result,
            }
        }
    }

    async fn try_link(&self, customer: &str, user: &UserId, now: Timestamp, until: Instant) -> Result<(), StoreError> {
        let stored = self.get(item::key_of(keys::customer(customer), keys::META)).await?;
        let meta: Option<Meta> = stored.as_ref().map(item::body).transpose()?;
        let Some(meta) = meta else {
            let meta = Meta::new(customer, Some(user.clone()));
            return self.commit(vec![put_new(self, head(&meta))], until).await;
        };
        if meta.user.is_some() {
            return Ok(());
        }
        let (subscriptions, state, draft) = self.user_of_customer(customer, user, now).await?;
        let read = meta.rev;
        let found = Found { meta: Some(meta), subscriptions, user: state, ..Found::default() };
        let linked =
            CustomerWrites::link(&found, customer, user, &Plans::built_in()).map_err(|reason| StoreError::malformed(keys::META, reason))?;
        let (items, _) = self.customer_writes(linked, &[], Some(read), Some(draft)).await?;
        self.commit(items, until).await
    }

    /// Whether an event of Stripe has set the user's billing state.
    pub(crate) async fn has_stripe_state(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(self.get(item::key(user, keys::SOURCES)).await?.is_some())
    }
}

/// A customer's head as it is stored.
pub(super) fn head(meta: &Meta) -> Item {
    let mut head = item::bodied(item::key_of(keys::customer(&meta.customer), keys::META), meta);
    head.insert(REV.to_owned(), item::number(meta.rev));
    item::marked(head, meta.needs_refresh() || meta.needs_fill())
}

/// The keys of a customer's head and of one of its objects.
pub(super) fn keys_of(customer: &str, object: &CustomerItem) -> Vec<Item> {
    let mut keys = vec![item::key_of(keys::customer(customer), keys::META)];
    if let CustomerItem::Item(id) = object {
        keys.push(item::key_of(keys::customer(customer), &keys::mirrored(id)));
    }
    keys
}

//! Everything that Stripe shows of a customer, at once.

use std::collections::BTreeSet;
use std::time::Instant;

use billing::{FillWrites, FoundUser, Item as Mirrored, Known, Meta, Shown};
use domain::{Plans, Rev, Timestamp, UserId};

use crate::calls::{Index, Range};
use crate::item::{self, Item};
use crate::keys;
use crate::{StoreError, Table};

/// What Stripe's answers about a whole customer led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// So many objects differed; with a user whose views show it.
    Done {
        /// Objects that are stored in another form than before.
        changed: usize,
        /// Whose views show it, from which revision on.
        shown: Option<(UserId, Rev)>,
    },
    /// Something of the customer changed since Stripe was asked: ask again.
    Moved,
    /// The answers can never be stored: why.
    Refused(String),
}

impl Table {
    /// All that is stored of a customer: read before Stripe is asked for all that it has.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn known_mirror(&self, customer: &str) -> Result<Known, StoreError> {
        // The head goes first: whatever is read after it is protected by its revision.
        let meta: Option<Meta> =
            self.get(item::key_of(keys::customer(customer), keys::META)).await?.as_ref().map(item::body).transpose()?;
        let (from, until) = keys::MIRROR;
        let pk = keys::customer(customer);
        let range = Range { index: Index::Table, pk, from: from.to_owned(), until: until.to_owned(), descending: false, limit: None };
        let items = mirrored(&self.query(range).await?)?;
        Ok(Known { meta, items, user: FoundUser::default() })
    }

    /// The customers that the table knows: reads all of it, so it is for tools.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn customers(&self) -> Result<BTreeSet<String>, StoreError> {
        let (mut customers, mut start) = (BTreeSet::new(), None);
        loop {
            let (found, next) = self.scan_page(keys::META, start).await?;
            customers.extend(found.iter().filter_map(keys::customer_of));
            start = next;
            if start.is_none() {
                return Ok(customers);
            }
        }
    }

    /// Takes Stripe's answers about a customer, asked for at `asked_at` or later, after `known` was read.
    ///
    /// # Errors
    /// As [`Table::stripe_event`]. What was committed until then stays; the next fill does the rest.
    pub async fn fill_mirror(
        &self,
        id: &str,
        mut known: Known,
        shown: Shown<'_>,
        plans: &Plans,
        asked_at: Timestamp,
    ) -> Result<Filled, StoreError> {
        let user = known.user(shown);
        if let Some(user) = &user {
            known.user = self.user_of_customer(id, user, asked_at).await?.1;
        }
        let transactions = match known.fill(id, shown, asked_at.unix_seconds(), plans) {
            Ok(transactions) => transactions,
            Err(reason) => return Ok(Filled::Refused(reason.to_string())),
        };
        let mut read = known.meta.as_ref().map(|meta| meta.rev);
        let (mut changed, mut raised, mut expected) = (0, None, known.user);
        for FillWrites { customer, items } in transactions {
            let draft = match &user {
                Some(user) => {
                    let (_, state, draft) = self.user_of_customer(id, user, asked_at).await?;
                    if state != expected {
                        return Ok(Filled::Moved);
                    }
                    Some(draft)
                }
                None => None,
            };
            if let Some(user) = &customer.user {
                expected = FoundUser { billing: user.billing.clone(), sources: Some(user.sources.clone()) };
            }
            let rev = customer.meta.rev;
            let (writes, of_user) = self.customer_writes(customer, &items, read, draft).await?;
            match self.commit(writes, Instant::now() + self.retry_for).await {
                // The head moved, or the user's root did.
                Err(StoreError::Conflict { .. }) => return Ok(Filled::Moved),
                result => result?,
            }
            (read, raised) = (Some(rev), of_user.or(raised));
            changed += items.len();
        }
        Ok(Filled::Done { changed, shown: raised })
    }
}

/// The objects among a customer's items.
pub(super) fn mirrored(found: &[Item]) -> Result<Vec<Mirrored>, StoreError> {
    found.iter().filter(|found| item::sk(found) != keys::META).map(item::body).collect()
}

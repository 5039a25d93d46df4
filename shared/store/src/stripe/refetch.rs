//! Stripe's answers: what is read before Stripe is asked, and what its answer changes.
//!
//! Between the question and the commit anything may happen. The transaction has the condition that the customer's head is still the one that
//! was read before the question; if it moved, the answer may be older than what moved it, so Stripe has to be asked again.

use std::time::Instant;

use billing::{Answer, CustomerItem, Found, Item as Mirrored, Meta};
use domain::{Plans, Rev, Timestamp, UserId};
use serde_json::Value;

use super::customer::keys_of;
use crate::calls::pause;
use crate::item;
use crate::{StoreError, Table};

/// What is stored of an object before Stripe is asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Before {
    /// Revision of the customer's head; nothing when there is none.
    pub rev: Option<u64>,
    /// Whether the object is marked to be asked for.
    pub needs_refresh: bool,
    /// Whether everything of the customer is to be asked for.
    pub needs_fill: bool,
}

/// An object that Stripe was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Stripe's id of the customer.
    pub customer: &'a str,
    /// Which object of it.
    pub object: &'a CustomerItem,
    /// What was stored before.
    pub before: Before,
    /// When Stripe was asked, or just before.
    pub asked_at: Timestamp,
}

/// What Stripe's answer led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The mirror says something else than before; with a user whose views show it.
    Changed(Option<(UserId, Rev)>),
    /// The mirror said the same.
    Same,
    /// Something of the customer changed since Stripe was asked: ask again.
    Moved,
    /// The answer can never be stored: why.
    Refused(String),
}

impl Table {
    /// Reads what has to be known before Stripe is asked for an object of a customer.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn before(&self, customer: &str, object: &CustomerItem) -> Result<Before, StoreError> {
        let read = self.transact_get(&keys_of(customer, object)).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let meta: Option<Meta> = at(0).map(item::body).transpose()?;
        let item: Option<Mirrored> = at(1).map(item::body).transpose()?;
        let needs_refresh = match object {
            CustomerItem::Customer => meta.as_ref().is_some_and(Meta::needs_refresh),
            CustomerItem::Item(_) => item.is_some_and(|item| item.needs_refresh()),
        };
        let needs_fill = meta.as_ref().is_some_and(Meta::needs_fill);
        Ok(Before { rev: meta.map(|meta| meta.rev), needs_refresh, needs_fill })
    }

    /// Whether the mirror shows an object as Stripe lists it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn mirrors(&self, customer: &str, object: &CustomerItem, listed: &Value) -> Result<bool, StoreError> {
        let read = self.transact_get(&keys_of(customer, object)).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let found = Found { meta: at(0).map(item::body).transpose()?, item: at(1).map(item::body).transpose()?, ..Found::default() };
        Ok(object.is_shown_by(&found, listed))
    }

    /// Takes Stripe's answer.
    ///
    /// # Errors
    /// As [`Table::stripe_event`].
    pub async fn answered(&self, question: Question<'_>, answer: Answer<'_>, plans: &Plans) -> Result<Answered, StoreError> {
        let until = Instant::now() + self.retry_for;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_answer(question, answer, plans, until).await {
                Err(error) if error.is_transient() && Instant::now() < until => pause(attempt).await,
                result => return result,
            }
        }
    }

    async fn try_answer(&self, question: Question<'_>, answer: Answer<'_>, plans: &Plans, until: Instant) -> Result<Answered, StoreError> {
        let Question { customer, object, before, asked_at } = question;
        let read = self.transact_get(&keys_of(customer, object)).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let mut found = Found { meta: at(0).map(item::body).transpose()?, item: at(1).map(item::body).transpose()?, ..Found::default() };
        if found.meta.as_ref().map(|meta| meta.rev) != before.rev {
            return Ok(Answered::Moved);
        }
        let user = object.user(found.meta.as_ref(), answer);
        let mut draft = None;
        if let Some(user) = &user {
            let (subscriptions, state, begun) = self.user_of_customer(customer, user, asked_at).await?;
            (found.subscriptions, found.user, draft) = (subscriptions, state, Some(begun));
        }
        let changes = match object.refetched(customer, &found, answer, asked_at.unix_seconds(), plans) {
            Ok(Some(changes)) => changes,
            Ok(None) => return Ok(Answered::Same),
            Err(reason) => return Ok(Answered::Refused(reason.to_string())),
        };
        let changed: Vec<Mirrored> = changes.item.clone().into_iter().collect();
        let (items, shown) = self.customer_writes(changes, &changed, before.rev, draft).await?;
        self.commit(items, until).await?;
        Ok(Answered::Changed(shown))
    }
}

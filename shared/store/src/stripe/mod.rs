//! Stripe's events: what `billing` decides on is read here, and what it decides is one transaction.
//!
//! A customer's head is the condition of everything that is stored of the customer, the user's root of everything that is stored of the
//! user, and the event's marker of the event as a whole. The head is read first and tells whose the customer is.

mod catalogue;
mod customer;
mod delivery;
mod fill;
mod parked;
mod progress;
mod quarantine;
mod refetch;
mod views;

use std::time::Instant;

use billing::catalogue::Alarm as CatalogueAlarm;
use billing::{CatalogueWork, CatalogueWrites, CustomerWork, Decision, Event, Found, Malformed, Marker, Outcome, Quarantine, Work, Writes};
use domain::{Plans, Rev, Timestamp, UserId};

use crate::calls::pause;
use crate::draft::Draft;
use crate::item;
use crate::keys;
use crate::{StoreError, Table};
use delivery::{Delivery, Origin};

pub use catalogue::CatalogueAnswered;
pub use fill::Filled;
pub use progress::Progress;
pub use quarantine::Reprocessed;
pub use refetch::{Answered, Before, Question};
pub use views::CustomerHead;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What Stripe is told.
    pub outcome: Outcome,
    /// What Stripe is told in words.
    pub message: &'static str,
    /// Whose views show it, from which revision on.
    pub shown: Option<(UserId, Rev)>,
    /// Whether the plan catalogue changed.
    pub plans_changed: bool,
    /// What a person has to look at.
    pub alarms: Vec<Alarm>,
}

/// Something that a person has to look at. Nothing personal is in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What kind of thing.
    pub kind: AlarmKind,
    /// What it is.
    pub text: String,
}

/// Kinds of alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// An event is in quarantine.
    Quarantined,
    /// So it is, because it names another user than its customer's.
    LinkConflict,
    /// Another event came under the id of one that was handled.
    Altered,
    /// A price that can be bought has another amount than its plan.
    AmountDiffers,
}

impl Settled {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, message: outcome.message(), shown: None, plans_changed: false, alarms: Vec::new() }
    }
}

impl Table {
    /// Applies a verified event once, however often it is delivered. `live` is the deployment's mode, `plans` the present catalogue.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] or [`StoreError::Unavailable`] when that did not work out within the retry time: a redelivery can;
    /// [`StoreError::Malformed`] when a stored item does not decode.
    pub async fn stripe_event(&self, event: &Event, body: &[u8], live: bool, plans: &Plans, now: Timestamp) -> Result<Settled, StoreError> {
        self.deliver(&self.delivery(event, body, now, Origin::Webhook), live, plans).await
    }

    /// Applies an event from Stripe's list: the same, but that a later delivery in another shape is no alarm, as the list may have the shape of
    /// another version of Stripe's API than the webhook.
    ///
    /// # Errors
    /// As [`Table::stripe_event`].
    pub async fn listed_event(&self, event: &Event, body: &[u8], live: bool, plans: &Plans, now: Timestamp) -> Result<Settled, StoreError> {
        self.deliver(&self.delivery(event, body, now, Origin::List), live, plans).await
    }

    /// Whether an event was handled.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn knows_event(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.get(item::key_of(keys::event(id), keys::EVENT)).await?.is_some())
    }

    fn delivery<'a>(&self, event: &'a Event, body: &'a [u8], now: Timestamp, origin: Origin) -> Delivery<'a> {
        Delivery { event, body, now, until: Instant::now() + self.retry_for, origin }
    }

    async fn deliver(&self, delivery: &Delivery<'_>, live: bool, plans: &Plans) -> Result<Settled, StoreError> {
        let work = delivery.event.work(live);
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_event(delivery, &work, plans).await {
                Err(error) if error.is_transient() && Instant::now() < delivery.until => pause(attempt).await,
                settled => return settled,
            }
        }
    }

    async fn try_event(&self, delivery: &Delivery<'_>, work: &Result<Work, Malformed>, plans: &Plans) -> Result<Settled, StoreError> {
        match work {
            Ok(Work::Ignore(why)) => self.try_ignore(delivery, why).await,
            Ok(Work::Park(_)) => self.try_park(delivery).await,
            Ok(Work::Customer(work)) => self.try_customer(delivery, work, plans).await,
            Ok(Work::Catalogue(work)) => self.try_catalogue(delivery, work).await,
            Err(malformed) => self.try_quarantine(delivery, &Quarantine::from(*malformed)).await,
        }
    }

    async fn try_customer(&self, delivery: &Delivery<'_>, work: &CustomerWork, plans: &Plans) -> Result<Settled, StoreError> {
        let customer = || keys::customer(work.customer());
        let mut keys = vec![delivery.marker_key(), item::key_of(customer(), keys::META)];
        keys.extend(work.item().map(|id| item::key_of(customer(), &keys::mirrored(&id))));
        let read = self.transact_get(&keys).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let mut found = Found {
            marker: delivery.marker_found(at(0))?,
            meta: at(1).map(item::body).transpose()?,
            item: at(2).map(item::body).transpose()?,
            ..Found::default()
        };
        let user = work.user(found.meta.as_ref()).cloned();
        let mut draft = None;
        match &user {
            Some(user) if found.marker.is_none() => {
                let (subscriptions, state, begun) = self.user_of_customer(work.customer(), user, delivery.now).await?;
                (found.subscriptions, found.user, draft) = (subscriptions, state, Some(begun));
            }
            _ => {}
        }
        match work.decide(&found, plans) {
            Decision::Duplicate { altered } => {
                let shown = match user {
                    Some(user) => Some((user.clone(), self.rev(&user).await?)),
                    None => None,
                };
                Ok(Settled { shown, ..delivery.duplicate(altered) })
            }
            Decision::Write(writes) => self.write(delivery, *writes, found.meta.map(|meta| meta.rev), draft).await,
            Decision::Quarantine(reason) => self.try_quarantine(delivery, &reason).await,
        }
    }

    /// Commits what was decided on a customer's event. `draft` is that of the customer's user, if one is known.
    async fn write(
        &self,
        delivery: &Delivery<'_>,
        writes: Writes,
        read: Option<u64>,
        draft: Option<Draft<'_>>,
    ) -> Result<Settled, StoreError> {
        let mut items = delivery.marker_writes(self, &writes.marker);
        let mut settled = Settled::of(writes.outcome);
        if let Some(changes) = writes.customer {
            let changed: Vec<_> = changes.item.clone().into_iter().collect();
            let (more, shown) = self.customer_writes(changes, &changed, read, draft).await?;
            items.extend(more);
            settled.shown = shown;
        }
        self.commit(items, delivery.until).await?;
        Ok(settled)
    }

    async fn try_catalogue(&self, delivery: &Delivery<'_>, work: &CatalogueWork) -> Result<Settled, StoreError> {
        let read = self.transact_get(&[delivery.marker_key(), item::key_of(keys::CATALOG, keys::STRIPE)]).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let marker: Option<Marker> = delivery.marker_found(at(0))?;
        let stored = at(1).map(item::body).transpose()?;
        let writes = match work.decide(marker.as_ref(), stored.as_ref(), &Plans::built_in()) {
            Decision::Duplicate { altered } => return Ok(delivery.duplicate(altered)),
            Decision::Quarantine(reason) => return self.try_quarantine(delivery, &reason).await,
            Decision::Write(writes) => *writes,
        };
        let mut items = delivery.marker_writes(self, &writes.marker);
        let mut settled = Settled::of(writes.outcome);
        if let Some(changes) = writes.catalogue {
            settled.alarms = amounts(&changes);
            settled.plans_changed = true;
            items.extend(self.catalogue_writes(&changes, stored.map(|stored| stored.rev)));
        }
        self.commit(items, delivery.until).await?;
        Ok(settled)
    }

    /// Acknowledges an event that is not for us. It leaves nothing, unless it was in quarantine.
    async fn try_ignore(&self, delivery: &Delivery<'_>, why: &'static str) -> Result<Settled, StoreError> {
        if delivery.origin == Origin::Quarantine {
            self.commit(delivery.marker_writes(self, &delivery.marker_of(Outcome::Ignored)), delivery.until).await?;
        }
        Ok(Settled { message: why, ..Settled::of(Outcome::Ignored) })
    }
}

/// What is wrong with Stripe's prices.
fn amounts(changes: &CatalogueWrites) -> Vec<Alarm> {
    let said = |alarm: &CatalogueAlarm| match alarm {
        CatalogueAlarm::AmountDiffers { plan, price } => {
            Alarm { kind: AlarmKind::AmountDiffers, text: format!("price {price} has another amount than the plan {plan:?}") }
        }
    };
    changes.alarms.iter().map(said).collect()
}

//! Stripe's events: what `billing` decides on is read here, and what it decides is one transaction.
//!
//! A customer's head is the condition of everything that is stored of the customer, the user's root of everything that is stored of the
//! user, and the event's marker of the event as a whole. The head is read first and tells whose the customer is.

use std::time::Instant;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use billing::catalogue::{Alarm, Catalogue};
use billing::{
    CatalogueWork, CatalogueWrites, CustomerWork, CustomerWrites, Decision, Event, Found, FoundUser, Item as Mirrored, Marker, Meta,
    Outcome, Quarantine, Sources, Work, Writes,
};
use domain::{Plans, Rev, Timestamp, UserId};
use futures::future::try_join;
use serde_json::json;

use crate::calls::{Index, Range, pause};
use crate::draft::Draft;
use crate::item::{self, Item};
use crate::keys::{self, EXPIRES_AT, PACKED, REV};
use crate::write_items::{put, put_if_at, put_new};
use crate::{StoreError, Table};

/// How long it is known that an event was handled, in seconds: 90 days. Stripe repeats one for at most 30.
const MARKER_SECONDS: i64 = 90 * 24 * 3600;
/// Bytes of a body in one item: an item holds 400 KB, so a body of 1 MiB takes four.
const PART_BYTES: usize = 300_000;

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
    /// What a person has to look at; nothing personal is in it.
    pub alarms: Vec<String>,
}

impl Settled {
    fn of(outcome: Outcome) -> Self {
        Self { outcome, message: outcome.message(), shown: None, plans_changed: false, alarms: Vec::new() }
    }
}

/// A verified event and the bytes it came as.
struct Delivery<'a> {
    event: &'a Event,
    body: &'a [u8],
    now: Timestamp,
    until: Instant,
}

impl Table {
    /// Applies a verified event once, however often it is delivered. `live` is the deployment's mode, `plans` the present catalogue.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] or [`StoreError::Unavailable`] when that did not work out within the retry time: a redelivery can;
    /// [`StoreError::Malformed`] when a stored item does not decode.
    pub async fn stripe_event(&self, event: &Event, body: &[u8], live: bool, plans: &Plans, now: Timestamp) -> Result<Settled, StoreError> {
        let delivery = Delivery { event, body, now, until: Instant::now() + self.retry_for };
        let work = event.work(live);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let tried = match &work {
                Ok(Work::Ignore(why)) => Ok(Settled { message: why, ..Settled::of(Outcome::Ignored) }),
                Ok(Work::Park(_)) => self.try_park(&delivery).await,
                Ok(Work::Customer(work)) => self.try_customer(&delivery, work, plans).await,
                Ok(Work::Catalogue(work)) => self.try_catalogue(&delivery, work).await,
                Err(malformed) => self.try_quarantine(&delivery, &Quarantine::from(*malformed)).await,
            };
            match tried {
                Err(error) if error.is_transient() && Instant::now() < delivery.until => pause(attempt).await,
                settled => return settled,
            }
        }
    }

    async fn try_customer(&self, delivery: &Delivery<'_>, work: &CustomerWork, plans: &Plans) -> Result<Settled, StoreError> {
        let customer = || keys::customer(work.customer());
        let mut keys = vec![delivery.marker_key(), item::key_of(customer(), keys::META)];
        keys.extend(work.item().map(|id| item::key_of(customer(), &keys::mirrored(&id))));
        let read = self.transact_get(&keys).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let mut found = Found {
            marker: at(0).map(item::body).transpose()?,
            meta: at(1).map(item::body).transpose()?,
            item: at(2).map(item::body).transpose()?,
            ..Found::default()
        };
        let user = work.user(found.meta.as_ref()).cloned();
        let mut draft = None;
        match &user {
            Some(user) if found.marker.is_none() => {
                let more = [keys::SOURCES.to_owned()];
                let begun = Draft::begin(self, user, delivery.now, &more);
                let (subscriptions, (begun, more)) = try_join(self.subscriptions(customer()), begun).await?;
                found.subscriptions = subscriptions;
                let sources: Option<Sources> = more.iter().flatten().next().map(item::body).transpose()?;
                found.user = FoundUser { billing: begun.account.root.billing.clone(), sources };
                draft = Some(begun);
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
            Decision::Write(writes) => self.write(delivery, *writes, found.meta.as_ref(), draft).await,
            Decision::Quarantine(reason) => self.try_quarantine(delivery, &reason).await,
        }
    }

    /// All subscriptions of a customer.
    async fn subscriptions(&self, pk: String) -> Result<Vec<billing::guard::Stored<billing::mirror::Subscription>>, StoreError> {
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

    /// Commits what was decided on a customer's event. `draft` is that of the customer's user, if one is known.
    async fn write(
        &self,
        delivery: &Delivery<'_>,
        writes: Writes,
        read: Option<&Meta>,
        draft: Option<Draft<'_>>,
    ) -> Result<Settled, StoreError> {
        let mut items = vec![put_new(self, delivery.marker(&writes.marker))];
        let mut settled = Settled::of(writes.outcome);
        if let Some(CustomerWrites { meta, item, user }) = writes.customer {
            items.extend(self.mirror(&meta, item.as_ref(), read));
            if let Some((changes, mut draft)) = user.zip(draft) {
                draft.put_other(keys::SOURCES.to_owned(), item::with_body(draft.user, keys::SOURCES, &changes.sources));
                draft.set_billing(changes.billing);
                let (rev, aggregates) = draft.finish().await?;
                items.extend(aggregates);
                settled.shown = Some((changes.user, rev));
            }
        }
        self.commit(items, delivery.until).await?;
        Ok(settled)
    }

    /// A customer's head, on the condition that it did not move, and the item that changed.
    fn mirror(&self, meta: &Meta, changed: Option<&Mirrored>, read: Option<&Meta>) -> Vec<TransactWriteItem> {
        let key = |changed: &Mirrored| item::key_of(keys::customer(&meta.customer), &keys::mirrored(&changed.id()));
        let changed = changed.map(|changed| put(self, item::bodied(key(changed), changed)));
        std::iter::once(put_if_at(self, head(meta), read.map(|read| read.rev))).chain(changed).collect()
    }

    /// Stores whose a customer is, unless something is known of that customer already.
    pub(crate) async fn link_customer(&self, customer: &str, user: &UserId) -> Result<(), StoreError> {
        let meta = Meta::new(customer, Some(user.clone()));
        match self.commit(vec![put_new(self, head(&meta))], Instant::now() + self.retry_for).await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            result => result,
        }
    }

    /// Whether an event of Stripe has set the user's billing state.
    pub(crate) async fn has_stripe_state(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(self.get(item::key(user, keys::SOURCES)).await?.is_some())
    }

    async fn try_catalogue(&self, delivery: &Delivery<'_>, work: &CatalogueWork) -> Result<Settled, StoreError> {
        let read = self.transact_get(&[delivery.marker_key(), item::key_of(keys::CATALOG, keys::STRIPE)]).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let marker: Option<Marker> = at(0).map(item::body).transpose()?;
        let stored: Option<Catalogue> = at(1).map(item::body).transpose()?;
        let writes = match work.decide(marker.as_ref(), stored.as_ref(), &Plans::built_in()) {
            Decision::Duplicate { altered } => return Ok(delivery.duplicate(altered)),
            Decision::Quarantine(reason) => return self.try_quarantine(delivery, &reason).await,
            Decision::Write(writes) => *writes,
        };
        let mut items = vec![put_new(self, delivery.marker(&writes.marker))];
        let mut settled = Settled::of(writes.outcome);
        if let Some(CatalogueWrites { catalogue, plans, alarms }) = writes.catalogue {
            let mut told = item::bodied(item::key_of(keys::CATALOG, keys::STRIPE), &catalogue);
            told.insert(REV.to_owned(), item::number(catalogue.rev));
            items.push(put_if_at(self, told, stored.map(|stored| stored.rev)));
            items.push(put(self, item::bodied(item::key_of(keys::CATALOG, keys::PLANS), &plans)));
            settled.plans_changed = true;
            settled.alarms = alarms.iter().map(said).collect();
        }
        self.commit(items, delivery.until).await?;
        Ok(settled)
    }

    /// Keeps an event that only Stripe can complete.
    async fn try_park(&self, delivery: &Delivery<'_>) -> Result<Settled, StoreError> {
        let found = self.get(delivery.marker_key()).await?;
        let marker: Option<Marker> = found.as_ref().map(item::body).transpose()?;
        match delivery.event.park(marker.as_ref()) {
            Decision::Write(writes) => {
                let mut items = vec![put_new(self, delivery.marker(&writes.marker))];
                items.extend(delivery.parts().map(|part| put(self, part)));
                self.commit(items, delivery.until).await?;
                Ok(Settled::of(writes.outcome))
            }
            Decision::Duplicate { altered } => Ok(delivery.duplicate(altered)),
            Decision::Quarantine(reason) => self.try_quarantine(delivery, &reason).await,
        }
    }

    /// Keeps an event that no repetition can mend, for a person to look at.
    async fn try_quarantine(&self, delivery: &Delivery<'_>, reason: &Quarantine) -> Result<Settled, StoreError> {
        let event = delivery.event;
        let found = self.get(delivery.marker_key()).await?;
        if let Some(marker) = found.as_ref().map(item::body::<Marker>).transpose()? {
            return Ok(delivery.duplicate(marker.fingerprint != event.fingerprint));
        }
        let marker = Marker { event_type: event.event_type.clone(), fingerprint: event.fingerprint.clone(), outcome: Outcome::Parked };
        let note = json!({"eventType": event.event_type, "reason": reason.to_string(), "at": delivery.now});
        let mut items = vec![put_new(self, delivery.marker(&marker))];
        items.push(put(self, delivery.expiring(item::bodied(item::key_of(keys::QUARANTINE, &event.id), &note))));
        items.extend(delivery.parts().map(|part| put(self, part)));
        self.commit(items, delivery.until).await?;
        Ok(Settled { alarms: vec![reason.to_string()], ..Settled::of(Outcome::Parked) })
    }
}

impl Delivery<'_> {
    fn marker_key(&self) -> Item {
        item::key_of(keys::event(&self.event.id), keys::EVENT)
    }

    fn marker(&self, marker: &Marker) -> Item {
        self.expiring(item::bodied(self.marker_key(), marker))
    }

    /// The body, in as many items as hold it.
    fn parts(&self) -> impl Iterator<Item = Item> {
        self.body.chunks(PART_BYTES).enumerate().map(|(number, part)| {
            let mut item = item::key_of(keys::event(&self.event.id), &keys::event_body(number));
            item.insert(PACKED.to_owned(), AttributeValue::B(Blob::new(part)));
            self.expiring(item)
        })
    }

    fn expiring(&self, mut item: Item) -> Item {
        item.insert(EXPIRES_AT.to_owned(), item::number(self.now.unix_seconds() + MARKER_SECONDS));
        item
    }

    fn duplicate(&self, altered: bool) -> Settled {
        let alarm = altered.then(|| "another event came under the same id".to_owned());
        Settled { alarms: alarm.into_iter().collect(), ..Settled::of(Outcome::Duplicate) }
    }
}

/// A customer's head as it is stored.
fn head(meta: &Meta) -> Item {
    let mut head = item::bodied(item::key_of(keys::customer(&meta.customer), keys::META), meta);
    head.insert(REV.to_owned(), item::number(meta.rev));
    head
}

fn said(alarm: &Alarm) -> String {
    match alarm {
        Alarm::AmountDiffers { plan, price } => format!("price {price} has another amount than the plan {plan:?}"),
    }
}

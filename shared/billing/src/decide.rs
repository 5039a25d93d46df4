//! The decision on a customer's event: what one transaction has to write, or why nothing is.

use domain::{Billing, Plans, UserId};
use serde::{Deserialize, Serialize};

use crate::catalogue::CatalogueWrites;
use crate::event::{Event, Malformed};
use crate::guard::{Applied, Guarded, Stored, Version, apply};
use crate::mirror::{Item, Meta, Subscription};
use crate::sources::{Sources, user_of};
use crate::work::{Change, CustomerWork};

/// What became of an event, as Stripe is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It changed something, or what it says was so already.
    Applied,
    /// It was handled before.
    Duplicate,
    /// Something newer was applied before.
    Stale,
    /// It is not for us.
    Ignored,
    /// It is kept until somebody is known to be its customer's user.
    Unlinked,
    /// It is kept until it can be applied.
    Parked,
}

impl Outcome {
    /// The message of the answer; ignored events have their own.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Applied => "Webhook processed successfully",
            Self::Duplicate => "Event already processed",
            Self::Stale => "A newer event was applied before",
            Self::Ignored => "Event ignored",
            Self::Unlinked => "No user is known for this customer yet",
            Self::Parked => "Event kept until it can be applied",
        }
    }
}

/// What is left of a handled event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// `customer.subscription.updated`.
    pub event_type: String,
    /// [`Event::fingerprint`]; empty when the event came from Stripe's list, whose objects may have another shape than the webhook's.
    pub fingerprint: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl Marker {
    /// Whether an event under the same id carries something else. A marker without a fingerprint cannot tell.
    #[must_use]
    pub fn is_altered(&self, fingerprint: &str) -> bool {
        !self.fingerprint.is_empty() && self.fingerprint != fingerprint
    }
}

/// What was read for an event, all of it after or together with the customer's head.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The event's marker. Leave it out to run a quarantined event again.
    pub marker: Option<Marker>,
    /// The customer's head.
    pub meta: Option<Meta>,
    /// The item that [`CustomerWork::item`] names.
    pub item: Option<Item>,
    /// All subscriptions of the customer.
    pub subscriptions: Vec<Stored<Subscription>>,
    /// What is stored of [`CustomerWork::user`].
    pub user: FoundUser,
}

/// What was read of a user. The default is a user that nothing is stored about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundUser {
    /// The billing state in the root.
    pub billing: Billing,
    /// The sources, once an event of a customer of this user came.
    pub sources: Option<Sources>,
}

/// What to do about an event.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Handled before: acknowledge, and invalidate again. `altered` raises an alarm: the same id carried something else.
    Duplicate {
        /// Whether the event differs from the one that was handled.
        altered: bool,
    },
    /// Write all of it in one transaction, then acknowledge.
    Write(Box<Writes>),
    /// Keep the body for us to look at, with a marker (outcome `parked`), raise an alarm and acknowledge.
    Quarantine(Quarantine),
}

/// Why an event cannot be applied, now or by a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Quarantine {
    /// Its shape is impossible.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It names another user than the one that the customer is linked to.
    #[error("the customer is linked to another user")]
    LinkedToAnother,
    /// The user has more customers than anybody should have.
    #[error("the user has too many customers")]
    TooManyCustomers,
    /// There are more prices and products than a catalogue should have.
    #[error("the catalogue has too many prices and products")]
    CatalogueFull,
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Writes {
    /// What Stripe is told.
    pub outcome: Outcome,
    /// Put under the event's id if there is none; else the event is a duplicate.
    pub marker: Marker,
    /// Changes of a customer.
    pub customer: Option<CustomerWrites>,
    /// Changes of the catalogue.
    pub catalogue: Option<CatalogueWrites>,
}

/// Changes of a customer, on the condition that its head still has the revision that was read (or is still absent).
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerWrites {
    /// The head, its `rev` already raised by one.
    pub meta: Meta,
    /// The item that changed.
    pub item: Option<Item>,
    /// The user whose views change.
    pub user: Option<UserWrites>,
}

/// Changes of a user: also when the state is the old one, as the history is part of what the user sees. The root's rev rises.
#[derive(Debug, Clone, PartialEq)]
pub struct UserWrites {
    /// Whose.
    pub user: UserId,
    /// The new state for the root.
    pub billing: Billing,
    /// The new sources.
    pub sources: Sources,
}

impl CustomerWork {
    /// Decides on the event. Pure: after a conflict, read again and decide again.
    #[must_use]
    pub fn decide(&self, found: &Found, plans: &Plans) -> Decision {
        if let Some(marker) = &found.marker {
            return duplicate(marker, &self.fingerprint);
        }
        let changes = match self.changes(found, plans) {
            Ok(changes) => changes,
            Err(reason) => return Decision::Quarantine(reason),
        };
        let linked = user_of(found.meta.as_ref(), self.claim.as_ref()).is_some();
        let outcome = match (&changes, &self.change) {
            (None, change) if !matches!(change, Change::Link) => Outcome::Stale,
            _ if linked => Outcome::Applied,
            _ => Outcome::Unlinked,
        };
        write(&self.event_type, &self.fingerprint, outcome, changes, None)
    }

    /// What changes; none when nothing does.
    fn changes(&self, found: &Found, plans: &Plans) -> Result<Option<CustomerWrites>, Quarantine> {
        let linked = found.meta.as_ref().and_then(|meta| meta.user.as_ref());
        if linked.zip(self.claim.as_ref()).is_some_and(|(linked, claimed)| linked != claimed) {
            return Err(Quarantine::LinkedToAnother);
        }
        let mut meta = found.meta.clone().unwrap_or_else(|| Meta::new(&self.customer, None));
        let is_new_link = linked.is_none() && self.claim.is_some();
        if is_new_link {
            meta.user.clone_from(&self.claim);
        }
        let stored = found.item.as_ref();
        let item = match &self.change {
            Change::Subscription(value) => applied(stored.and_then(Item::subscription), value, &self.version).map(Item::Subscription),
            Change::Invoice(value) => applied(stored.and_then(Item::invoice), value, &self.version).map(Item::Invoice),
            Change::PaymentMethod(value) => applied(stored.and_then(Item::payment_method), value, &self.version).map(Item::PaymentMethod),
            Change::Customer(_) | Change::Link => None,
        };
        let object = match &self.change {
            Change::Customer(value) => applied(meta.object.as_ref(), value, &self.version),
            _ => None,
        };
        if item.is_none() && object.is_none() && !is_new_link {
            return Ok(None);
        }
        meta.object = object.or(meta.object);
        CustomerWrites::new(meta, item, found, plans).map(Some)
    }
}

impl CustomerWrites {
    /// Gives a customer that is nobody's yet to a user: what is stored of it counts from then on.
    ///
    /// # Errors
    /// [`Quarantine`] when the user has too many customers.
    pub fn link(found: &Found, customer: &str, user: &UserId, plans: &Plans) -> Result<Self, Quarantine> {
        let meta = found.meta.clone().unwrap_or_else(|| Meta::new(customer, None));
        Self::new(Meta { user: meta.user.or_else(|| Some(user.clone())), ..meta }, None, found, plans)
    }

    /// Completes a change of a customer's items by what follows from it: the head's revision and the user's state.
    pub(crate) fn new(mut meta: Meta, item: Option<Item>, found: &Found, plans: &Plans) -> Result<Self, Quarantine> {
        meta.rev += 1;
        let Some(user) = meta.user.clone() else {
            return Ok(Self { meta, item, user: None });
        };
        let changed = item.as_ref().and_then(Item::subscription);
        let others = found.subscriptions.iter().filter(|stored| changed.is_none_or(|changed| changed.value.id != stored.value.id));
        let subscriptions: Vec<_> = others.chain(changed).cloned().collect();
        let sources = found.user.sources.clone().unwrap_or_else(|| Sources::imported(found.user.billing.clone()));
        let sources = sources.with(&meta, &subscriptions, plans).ok_or(Quarantine::TooManyCustomers)?;
        Ok(Self { meta, item, user: Some(UserWrites { user, billing: sources.billing(), sources }) })
    }
}

impl Event {
    /// Decides on an event that is [`crate::Work::Park`]: the store keeps its body with the marker.
    #[must_use]
    pub fn park(&self, marker: Option<&Marker>) -> Decision {
        match marker {
            Some(marker) => duplicate(marker, &self.fingerprint),
            None => write(&self.event_type, &self.fingerprint, Outcome::Parked, None, None),
        }
    }
}

fn applied<T: Guarded>(current: Option<&Stored<T>>, value: &T, version: &Version) -> Option<Stored<T>> {
    match apply(current, value.clone(), version.clone()) {
        Applied::Changed(stored) => Some(stored),
        Applied::Stale => None,
    }
}

pub(crate) fn duplicate(marker: &Marker, fingerprint: &str) -> Decision {
    Decision::Duplicate { altered: marker.is_altered(fingerprint) }
}

pub(crate) fn write(
    event_type: &str,
    fingerprint: &str,
    outcome: Outcome,
    customer: Option<CustomerWrites>,
    catalogue: Option<CatalogueWrites>,
) -> Decision {
    let marker = Marker { event_type: event_type.to_owned(), fingerprint: fingerprint.to_owned(), outcome };
    Decision::Write(Box::new(Writes { outcome, marker, customer, catalogue }))
}

//! What an event is for, and what has to be read before it can be decided.

use domain::UserId;
use serde_json::Value;

use crate::catalogue::CatalogueWork;
use crate::event::{Event, Malformed, Related};
use crate::guard::{Rank, Version};
use crate::json;
use crate::kind::Kind;
use crate::mirror::{Customer, Invoice, ItemId, Meta, PaymentMethod, Subscription};
use crate::sources::user_of;

/// What an event is for.
#[derive(Debug, Clone)]
pub enum Work {
    /// Nothing: acknowledge, write nothing. The text says why.
    Ignore(&'static str),
    /// An object that only Stripe can show: keep the event's body with its marker (outcome `parked`).
    Park(Option<Related>),
    /// Something of a customer.
    Customer(Box<CustomerWork>),
    /// A product or price.
    Catalogue(Box<CatalogueWork>),
}

/// A change of a customer's mirror.
#[derive(Debug, Clone)]
pub struct CustomerWork {
    pub(crate) event_type: String,
    pub(crate) fingerprint: String,
    pub(crate) version: Version,
    pub(crate) customer: String,
    pub(crate) claim: Option<UserId>,
    pub(crate) change: Change,
}

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Subscription(Subscription),
    Invoice(Invoice),
    PaymentMethod(PaymentMethod),
    Customer(Customer),
    /// A checkout session changes nothing but whose the customer is.
    Link,
}

impl Event {
    /// Says what the event is for. `live` is the deployment's mode.
    ///
    /// # Errors
    /// [`Malformed`] when an event of a known type has an impossible shape: quarantine it.
    pub fn work(&self, live: bool) -> Result<Work, Malformed> {
        if self.is_connect {
            return Ok(Work::Ignore("Event of a connected account ignored"));
        }
        if !self.is_of_mode(live) {
            return Ok(Work::Ignore("Event of another mode ignored"));
        }
        if self.is_thin {
            return Ok(Work::Park(self.related.clone()));
        }
        let kind = Kind::of(&self.event_type);
        match kind {
            Kind::Other => return Ok(Work::Ignore("Event type ignored")),
            Kind::UpcomingInvoice => return Ok(Work::Ignore("Invoice preview ignored")),
            _ => {}
        }
        if !self.object.is_object() || json::text(&self.object, &["object"]).is_some_and(|object| object != kind.object()) {
            return Err(Malformed("another object than the type says"));
        }
        self.work_of(kind)
    }

    /// Whether it is of Stripe's mode `live`, or does not say.
    #[must_use]
    pub fn is_of_mode(&self, live: bool) -> bool {
        self.livemode.is_none_or(|livemode| livemode == live)
    }

    fn work_of(&self, kind: Kind) -> Result<Work, Malformed> {
        let object = &self.object;
        let change = match kind {
            Kind::Subscription(rank) => Change::Subscription(Subscription::from_object(object, rank)?),
            Kind::Invoice(rank) => Change::Invoice(Invoice::from_object(object, rank)?),
            Kind::PaymentMethod(rank) => Change::PaymentMethod(PaymentMethod::of_event(object, rank)?),
            Kind::Customer(rank) => Change::Customer(Customer::from_object(object, rank)),
            Kind::Checkout => Change::Link,
            Kind::Product(rank) => return CatalogueWork::product(self, self.version(rank)),
            Kind::Price(rank) => return CatalogueWork::price(self, self.version(rank)),
            Kind::UpcomingInvoice | Kind::Other => return Ok(Work::Ignore("Event type ignored")),
        };
        let (rank, customer) = match kind {
            Kind::Customer(rank) => (rank, json::id(object, &["id"])),
            Kind::PaymentMethod(rank @ Rank::Deleted) => (rank, json::id(object, &["customer"]).or_else(|| self.previous_customer.clone())),
            Kind::Subscription(rank) | Kind::Invoice(rank) | Kind::PaymentMethod(rank) => (rank, json::id(object, &["customer"])),
            _ => (Rank::Updated, json::id(object, &["customer"])),
        };
        let Some(customer) = customer else {
            return match change {
                Change::Subscription(_) => Err(Malformed("a subscription without a customer")),
                Change::Customer(_) => Err(Malformed("a customer without an id")),
                _ => Ok(Work::Ignore("Event of no customer ignored")),
            };
        };
        let claim = claim(object, &change);
        let (event_type, fingerprint) = (self.event_type.clone(), self.fingerprint.clone());
        Ok(Work::Customer(Box::new(CustomerWork { event_type, fingerprint, version: self.version(rank), customer, claim, change })))
    }

    fn version(&self, rank: Rank) -> Version {
        Version { created: self.created, rank, event: self.id.clone() }
    }
}

/// The user that an object names: set by us on customers, sessions and subscriptions. Another system's words are no user's.
fn claim(object: &Value, change: &Change) -> Option<UserId> {
    let session = match change {
        Change::Link => json::text(object, &["client_reference_id"]),
        Change::Invoice(_) | Change::PaymentMethod(_) => return None,
        Change::Subscription(_) | Change::Customer(_) => None,
    };
    [session, json::text(object, &["metadata", "userId"])].into_iter().flatten().find_map(|text| UserId::parse(text).ok())
}

impl CustomerWork {
    /// Stripe's id of the customer whose [`Meta`] and subscriptions have to be read.
    #[must_use]
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// The customer's item that has to be read too.
    #[must_use]
    pub fn item(&self) -> Option<ItemId> {
        match &self.change {
            Change::Subscription(subscription) => Some(ItemId::Subscription(subscription.id.clone())),
            Change::Invoice(invoice) => Some(invoice.item_id()),
            Change::PaymentMethod(method) => Some(ItemId::PaymentMethod(method.id.clone())),
            Change::Customer(_) | Change::Link => None,
        }
    }

    /// The user whose root and sources have to be read, given the customer's head; none while nobody is known.
    #[must_use]
    pub fn user<'a>(&'a self, meta: Option<&'a Meta>) -> Option<&'a UserId> {
        user_of(meta, self.claim.as_ref())
    }
}

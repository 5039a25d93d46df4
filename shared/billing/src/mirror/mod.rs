//! What Stripe told us, as it is stored under a customer: one item an object, none ever deleted.

mod customer;
mod invoice;
mod payment_method;
mod subscription;

use serde::{Deserialize, Serialize};

pub use customer::{Customer, Meta};
pub use invoice::Invoice;
pub use payment_method::{Card, PaymentMethod};
pub use subscription::{Subscription, SubscriptionItem};

use crate::guard::Stored;

/// Which item of a customer holds an object. The customer itself is in its [`Meta`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemId {
    /// A subscription, by id.
    Subscription(String),
    /// An invoice; its creation (Unix seconds, at most 12 digits) orders the history.
    Invoice {
        /// Unix seconds.
        created: i64,
        /// Stripe's id.
        id: String,
    },
    /// A payment method, by id.
    PaymentMethod(String),
}

/// An item of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Item {
    /// A subscription.
    Subscription(Stored<Subscription>),
    /// An invoice.
    Invoice(Stored<Invoice>),
    /// A payment method.
    PaymentMethod(Stored<PaymentMethod>),
}

impl Item {
    /// Where it lies.
    #[must_use]
    pub fn id(&self) -> ItemId {
        match self {
            Self::Subscription(stored) => ItemId::Subscription(stored.value.id.clone()),
            Self::Invoice(stored) => stored.value.item_id(),
            Self::PaymentMethod(stored) => ItemId::PaymentMethod(stored.value.id.clone()),
        }
    }

    /// Whether Stripe has to be asked for it.
    #[must_use]
    pub fn needs_refresh(&self) -> bool {
        match self {
            Self::Subscription(stored) => stored.needs_refresh,
            Self::Invoice(stored) => stored.needs_refresh,
            Self::PaymentMethod(stored) => stored.needs_refresh,
        }
    }

    pub(crate) fn subscription(&self) -> Option<&Stored<Subscription>> {
        match self {
            Self::Subscription(stored) => Some(stored),
            _ => None,
        }
    }

    pub(crate) fn invoice(&self) -> Option<&Stored<Invoice>> {
        match self {
            Self::Invoice(stored) => Some(stored),
            _ => None,
        }
    }

    pub(crate) fn payment_method(&self) -> Option<&Stored<PaymentMethod>> {
        match self {
            Self::PaymentMethod(stored) => Some(stored),
            _ => None,
        }
    }
}

//! A customer as it is stored: whose it is, and what Stripe calls it.

use domain::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::guard::{Guarded, Rank, Stored};
use crate::json;

/// A customer object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// E-mail address; forgotten with the customer.
    pub email: Option<String>,
    /// Name; forgotten with the customer.
    pub name: Option<String>,
    /// Unix seconds; 0 once it is deleted.
    pub created: i64,
    /// Whether Stripe deleted it, which ends its subscriptions.
    pub deleted: bool,
}

impl Customer {
    pub(crate) fn from_object(object: &Value, rank: Rank) -> Self {
        if rank == Rank::Deleted {
            return Self::gone();
        }
        Self {
            email: json::clipped(object, &["email"], 320),
            name: json::clipped(object, &["name"], 256),
            created: json::seconds(object, &["created"]).unwrap_or_default(),
            deleted: false,
        }
    }

    /// What is left of a deleted customer.
    pub(crate) fn gone() -> Self {
        Self { email: None, name: None, created: 0, deleted: true }
    }
}

impl Guarded for Customer {
    fn weight(&self) -> u8 {
        u8::from(self.deleted)
    }
}

/// The head of a customer's items. Every change of any of them raises `rev`, so it is the one condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Stripe's id.
    pub customer: String,
    /// Raised by one in every transaction that changes something of this customer.
    pub rev: u64,
    /// Whose it is. Set once, never replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The customer object, once one was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Stored<Customer>>,
    /// Unix second at which Stripe was asked for everything of this customer, once it was: before that, the mirror has what events told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<i64>,
}

impl Meta {
    /// A customer that nothing is known about but its user: what an import or the first checkout writes, if there is none yet.
    #[must_use]
    pub fn new(customer: impl Into<String>, user: Option<UserId>) -> Self {
        Self { customer: customer.into(), rev: 0, user, object: None, filled: None }
    }

    /// Whether Stripe has to be asked for the customer object.
    #[must_use]
    pub fn needs_refresh(&self) -> bool {
        self.object.as_ref().is_some_and(|object| object.needs_refresh)
    }

    /// Whether Stripe has to be asked for everything of this customer, as it never was.
    #[must_use]
    pub fn needs_fill(&self) -> bool {
        self.filled.is_none()
    }
}

//! A payment method as it is stored: what a customer recognises it by.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Malformed;
use crate::guard::{Guarded, Rank};
use crate::json;

/// A card, by its last digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// `visa`.
    pub brand: Option<String>,
    /// Four digits.
    pub last4: Option<String>,
    /// 1 to 12.
    pub exp_month: Option<i64>,
    /// Four digits.
    pub exp_year: Option<i64>,
}

/// A payment method in Stripe's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// Stripe's id.
    pub id: String,
    /// `card`, `sepa_debit` and so on.
    #[serde(rename = "type")]
    pub method: String,
    /// Present for cards.
    pub card: Option<Card>,
    /// Unix seconds.
    pub created: i64,
    /// Whether it still belongs to the customer.
    pub attached: bool,
}

impl PaymentMethod {
    pub(crate) fn from_object(object: &Value, attached: bool) -> Result<Self, Malformed> {
        Ok(Self {
            id: json::id(object, &["id"]).ok_or(Malformed("a payment method without an id"))?,
            method: json::clipped(object, &["type"], 64).unwrap_or_default(),
            card: json::at(object, &["card"]).map(|card| Card {
                brand: json::clipped(card, &["brand"], 32),
                last4: json::clipped(card, &["last4"], 4),
                exp_month: json::number(card, &["exp_month"]),
                exp_year: json::number(card, &["exp_year"]),
            }),
            created: json::seconds(object, &["created"]).unwrap_or_default(),
            attached,
        })
    }

    pub(crate) fn of_event(object: &Value, rank: Rank) -> Result<Self, Malformed> {
        Self::from_object(object, rank != Rank::Deleted)
    }
}

impl Guarded for PaymentMethod {
    fn weight(&self) -> u8 {
        0
    }
}

//! An invoice as it is stored: a line of the billing history.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ItemId;
use crate::event::Malformed;
use crate::guard::{Guarded, Rank};
use crate::json;

/// An invoice in Stripe's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Stripe's id.
    pub id: String,
    /// Stripe's word, also one that is unknown here.
    pub status: Option<String>,
    /// The number on the paper.
    pub number: Option<String>,
    /// Three letters, lower case.
    pub currency: String,
    /// Smallest units of the currency.
    pub amount_due: i64,
    /// Smallest units of the currency.
    pub amount_paid: i64,
    /// Smallest units of the currency.
    pub total: i64,
    /// Unix seconds.
    pub created: i64,
    /// The subscription that it is for.
    pub subscription: Option<String>,
    /// Price of its first line that has one.
    pub price: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Stripe's page.
    pub hosted_invoice_url: Option<String>,
    /// Stripe's document.
    pub invoice_pdf: Option<String>,
    /// Whether the draft was thrown away: the history does not show it.
    pub deleted: bool,
}

impl Invoice {
    pub(crate) fn from_object(object: &Value, rank: Rank) -> Result<Self, Malformed> {
        let amount = |field| json::number(object, &[field]).unwrap_or_default();
        Ok(Self {
            id: json::id(object, &["id"]).ok_or(Malformed("an invoice without an id"))?,
            status: json::clipped(object, &["status"], 64).map(|status| status.to_ascii_lowercase()),
            number: json::clipped(object, &["number"], 64),
            currency: json::clipped(object, &["currency"], 8).unwrap_or_default().to_ascii_lowercase(),
            amount_due: amount("amount_due"),
            amount_paid: amount("amount_paid"),
            total: amount("total"),
            created: json::seconds(object, &["created"]).unwrap_or_default(),
            subscription: subscription(object),
            price: json::list(object, &["lines", "data"]).find_map(line_price),
            description: json::clipped(object, &["description"], 500),
            hosted_invoice_url: json::link(object, &["hosted_invoice_url"]),
            invoice_pdf: json::link(object, &["invoice_pdf"]),
            deleted: rank == Rank::Deleted,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn item_id(&self) -> ItemId {
        ItemId::Invoice { created: self.created, id: self.id.clone() }
    }
}

impl Guarded for Invoice {
    /// Invoices only move forward: draft, thrown away, open, uncollectible, void, paid. A new word is somewhere between draft and end.
    fn weight(&self) -> u8 {
        match self.status.as_deref() {
            Some("paid") => 5,
            Some("void") => 4,
            Some("uncollectible") => 3,
            Some("draft") | None => u8::from(self.deleted),
            Some(_) => 2,
        }
    }

    /// `paid`, `payment_succeeded` and `updated` of one payment share a second and show the same: no reason to ask Stripe.
    fn agrees_with(&self, other: &Self) -> bool {
        self == other
    }
}

fn subscription(object: &Value) -> Option<String> {
    json::id(object, &["subscription"]).or_else(|| json::id(object, &["parent", "subscription_details", "subscription"])).or_else(|| {
        json::list(object, &["lines", "data"]).find_map(|line| {
            json::id(line, &["parent", "subscription_item_details", "subscription"]).or_else(|| json::id(line, &["subscription"]))
        })
    })
}

fn line_price(line: &Value) -> Option<String> {
    json::id(line, &["pricing", "price_details", "price"]).or_else(|| json::id(line, &["price"])).or_else(|| json::id(line, &["plan"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_subscription_is_found_wherever_stripe_put_it() {
        for object in [
            json!({"id": "in_1", "subscription": "sub_1"}),
            json!({"id": "in_1", "subscription": {"id": "sub_1"}}),
            json!({"id": "in_1", "subscription": null, "parent": {"subscription_details": {"subscription": "sub_1"}}}),
            json!({"id": "in_1", "lines": {"data": [{}, {"parent": {"subscription_item_details": {"subscription": "sub_1"}}}]}}),
        ] {
            assert_eq!(Invoice::from_object(&object, Rank::Updated).unwrap().subscription.as_deref(), Some("sub_1"), "{object}");
        }
        assert_eq!(Invoice::from_object(&json!({"id": "in_1"}), Rank::Updated).unwrap().subscription, None);
    }

    #[test]
    fn the_price_of_a_line_is_found_in_every_shape() {
        for line in [json!({"pricing": {"price_details": {"price": "p"}}}), json!({"price": {"id": "p"}}), json!({"plan": {"id": "p"}})] {
            let object = json!({"id": "in_1", "lines": {"data": [line]}});
            assert_eq!(Invoice::from_object(&object, Rank::Updated).unwrap().price.as_deref(), Some("p"), "{object}");
        }
    }

    #[test]
    fn states_of_an_invoice_only_move_forward() {
        let weight = |status: Option<&str>, rank| Invoice::from_object(&json!({"id": "in_1", "status": status}), rank).unwrap().weight();
        let order = [Some("draft"), Some("open"), Some("uncollectible"), Some("void"), Some("paid")];
        assert!(order.map(|status| weight(status, Rank::Updated)).is_sorted_by(|a, b| a < b));
        assert!(weight(Some("draft"), Rank::Deleted) > weight(Some("draft"), Rank::Updated));
        assert_eq!(weight(Some("paid"), Rank::Deleted), weight(Some("paid"), Rank::Updated), "paid never goes back");
        assert_eq!(weight(Some("invented"), Rank::Updated), weight(Some("open"), Rank::Updated));
    }
}

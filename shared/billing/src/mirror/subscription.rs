//! A subscription as it is stored: the same for objects before and since 2025-03-31.

use domain::{PlanId, Plans, SubscriptionStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Malformed;
use crate::guard::{Guarded, Rank};
use crate::json;

/// Items kept of one subscription; Stripe allows 20.
const ITEMS_MAX: usize = 20;
/// Bytes of a status, which is an open string.
const STATUS_BYTES_MAX: usize = 64;

/// What a subscription is for, and until when it is paid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionItem {
    /// Price id.
    pub price: Option<String>,
    /// Unix seconds. Where the subscription has a period of its own, it is that.
    pub period_start: Option<i64>,
    /// Unix seconds.
    pub period_end: Option<i64>,
}

/// A subscription in Stripe's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Stripe's id.
    pub id: String,
    /// Stripe's word, also one that is unknown here.
    pub status: String,
    /// Its items; one without a price when it has none.
    pub items: Vec<SubscriptionItem>,
    /// Unix seconds at which it is set to end.
    pub cancel_at: Option<i64>,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// Unix seconds.
    pub created: i64,
}

impl Subscription {
    pub(crate) fn from_object(object: &Value, rank: Rank) -> Result<Self, Malformed> {
        let status = match (rank, json::clipped(object, &["status"], STATUS_BYTES_MAX)) {
            (Rank::Deleted, _) => "canceled".to_owned(),
            (_, Some(status)) => status.to_ascii_lowercase(),
            (_, None) => return Err(Malformed("a subscription without a status")),
        };
        let own = period(object);
        let mut items: Vec<_> = json::list(object, &["items", "data"]).take(ITEMS_MAX).map(|item| to_item(item, own)).collect();
        if items.is_empty() {
            let (period_start, period_end) = own;
            items.push(SubscriptionItem { price: json::id(object, &["plan"]), period_start, period_end });
        }
        Ok(Self {
            id: json::id(object, &["id"]).ok_or(Malformed("a subscription without an id"))?,
            status,
            items,
            cancel_at: json::seconds(object, &["cancel_at"]),
            cancel_at_period_end: json::flag(object, &["cancel_at_period_end"]),
            created: json::seconds(object, &["created"]).unwrap_or_default(),
        })
    }

    /// The price that names the plan, with the period paid: that of the item whose price is in the catalogue, else the first price
    /// and the shortest period.
    #[must_use]
    pub fn paid(&self, plans: &Plans) -> SubscriptionItem {
        let is_plan = |item: &&SubscriptionItem| item.price.as_deref().is_some_and(|price| plans.of_price(price).id != PlanId::Free);
        let found = self.items.iter().find(is_plan).cloned().unwrap_or_default();
        SubscriptionItem {
            price: found.price.or_else(|| self.items.iter().find_map(|item| item.price.clone())),
            period_start: found.period_start.or_else(|| self.items.iter().filter_map(|item| item.period_start).min()),
            period_end: found.period_end.or_else(|| self.items.iter().filter_map(|item| item.period_end).min()),
        }
    }

    /// Unix second at which it ends: the one set, else the end of the period when it ends with that.
    #[must_use]
    pub fn cancels_at(&self, plans: &Plans) -> Option<i64> {
        self.cancel_at.or_else(|| if self.cancel_at_period_end { self.paid(plans).period_end } else { None })
    }

    /// The row that the views read. Its id is derived from Stripe's, as there is no row.
    #[must_use]
    pub fn row(&self, plans: &Plans) -> domain::Subscription {
        let at = |seconds: i64| Timestamp::from_ms(seconds.saturating_mul(1000));
        let paid = self.paid(plans);
        let start = paid.period_start.unwrap_or(self.created);
        let end = paid.period_end.unwrap_or(start);
        let created_at = at(self.created);
        domain::Subscription {
            id: domain::derive_uuid(created_at, &[b"subscription", self.id.as_bytes()]).to_string(),
            stripe_subscription_id: Some(self.id.clone()),
            status: SubscriptionStatus::from_word(&self.status),
            price_id: paid.price.unwrap_or_default(),
            current_period_start: at(start),
            current_period_end: at(end),
            // Since 2025-09-30 the portal sets only the moment, also when that is the period's end.
            cancel_at_period_end: self.cancels_at(plans).is_some_and(|ends| ends <= end),
            cancels_at: self.cancels_at(plans).map(at),
            created_at,
        }
    }
}

impl Guarded for Subscription {
    fn weight(&self) -> u8 {
        u8::from(matches!(self.status.as_str(), "canceled" | "incomplete_expired"))
    }
}

fn period(object: &Value) -> (Option<i64>, Option<i64>) {
    (json::seconds(object, &["current_period_start"]), json::seconds(object, &["current_period_end"]))
}

fn to_item(item: &Value, own: (Option<i64>, Option<i64>)) -> SubscriptionItem {
    let (start, end) = period(item);
    SubscriptionItem {
        price: json::id(item, &["price"]).or_else(|| json::id(item, &["plan"])),
        period_start: own.0.or(start),
        period_end: own.1.or(end),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Subscription {
        Subscription::from_object(&object, Rank::Updated).unwrap()
    }

    #[test]
    fn the_item_of_the_plan_names_price_and_period() {
        let plans = Plans::built_in();
        let add_on = json!({"price": {"id": "price_seats"}, "current_period_start": 5, "current_period_end": 50});
        let plan = json!({"price": {"id": "price_starter_monthly"}, "current_period_start": 10, "current_period_end": 100});
        let both = read(json!({"id": "sub_1", "status": "active", "items": {"data": [add_on, plan]}})).paid(&plans);
        assert_eq!(both, SubscriptionItem { price: Some("price_starter_monthly".into()), period_start: Some(10), period_end: Some(100) });
        let other = json!({"plan": "price_other", "current_period_start": 7, "current_period_end": 40});
        let none = read(json!({"id": "sub_1", "status": "active", "items": {"data": [add_on, other]}})).paid(&plans);
        assert_eq!(none, SubscriptionItem { price: Some("price_seats".into()), period_start: Some(5), period_end: Some(40) });
    }

    #[test]
    fn the_end_that_the_portal_sets_counts_as_the_end_of_the_period() {
        let plans = Plans::built_in();
        let with = |cancel_at: Option<i64>, flag: bool| {
            let object = json!({"id": "sub_1", "status": "active", "current_period_start": 10, "current_period_end": 100,
                "cancel_at": cancel_at, "cancel_at_period_end": flag});
            let subscription = read(object);
            (subscription.cancels_at(&plans), subscription.row(&plans).cancel_at_period_end)
        };
        assert_eq!(with(None, false), (None, false));
        assert_eq!(with(None, true), (Some(100), true));
        assert_eq!(with(Some(100), false), (Some(100), true));
        assert_eq!(with(Some(700), false), (Some(700), false), "it goes on after this period");
    }

    #[test]
    fn an_unknown_status_is_kept_and_grants_nothing() {
        let subscription = read(json!({"id": "sub_1", "status": "Suspended"}));
        assert_eq!(subscription.status, "suspended");
        assert!(!subscription.row(&Plans::built_in()).status.grants_plan());
        assert!(Subscription::from_object(&json!({"id": "sub_1"}), Rank::Updated).is_err());
        assert_eq!(Subscription::from_object(&json!({"id": "sub_1"}), Rank::Deleted).unwrap().status, "canceled");
    }
}

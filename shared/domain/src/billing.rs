//! A user's billing state as the views read it: the customer, and the subscription that counts.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Stripe's word for where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// The first payment is open. Also shown for a word that is unknown here (D15).
    Incomplete,
    /// The first payment was never made.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// Paid.
    Active,
    /// The last payment failed; Stripe retries.
    PastDue,
    /// Ended.
    Canceled,
    /// Payments failed for good.
    Unpaid,
    /// Paused.
    Paused,
}

impl SubscriptionStatus {
    /// Reads Stripe's word in either letter case; an unknown one is `incomplete` (D15).
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "incomplete_expired" => Self::IncompleteExpired,
            "trialing" => Self::Trialing,
            "active" => Self::Active,
            "past_due" => Self::PastDue,
            "canceled" => Self::Canceled,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            _ => Self::Incomplete,
        }
    }

    /// Whether the plan is granted (D15).
    #[must_use]
    pub fn grants_plan(self) -> bool {
        matches!(self, Self::Active | Self::Trialing | Self::PastDue)
    }

    /// Whether the user counts as subscribed (D15).
    #[must_use]
    pub fn is_subscribed(self) -> bool {
        self.grants_plan() || matches!(self, Self::Unpaid | Self::Paused)
    }

    /// Order in which one of several subscriptions is chosen, best first.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Active | Self::Trialing => 0,
            Self::PastDue => 1,
            Self::Unpaid => 2,
            Self::Paused => 3,
            Self::Incomplete => 4,
            Self::Canceled | Self::IncompleteExpired => 5,
        }
    }
}

/// One subscription row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Row id, a UUID.
    pub id: String,
    /// Stripe's id; a row without one reads as not subscribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_subscription_id: Option<String>,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Stripe price id, or a plan id.
    pub price_id: String,
    /// Start of the paid period.
    pub current_period_start: Timestamp,
    /// End of the paid period.
    pub current_period_end: Timestamp,
    /// Whether it ends there.
    pub cancel_at_period_end: bool,
    /// When it ends if nobody changes that; the end of the period or another moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancels_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The user's customer at Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Stripe's id.
    pub id: String,
    /// E-mail address there.
    #[serde(default)]
    pub email: Option<String>,
    /// Name there.
    #[serde(default)]
    pub name: Option<String>,
}

/// Billing state of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    /// The customer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// The subscription that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Subscription>,
}

impl Billing {
    /// Chooses the subscription that counts: best status first, then the newest, then the greater id.
    #[must_use]
    pub fn choose(candidates: impl IntoIterator<Item = Subscription>) -> Option<Subscription> {
        candidates.into_iter().min_by(|a, b| (a.status.rank(), b.created_at, &b.id).cmp(&(b.status.rank(), a.created_at, &a.id)))
    }

    /// The subscription if it is one at Stripe that counts as subscribed.
    #[must_use]
    pub fn subscribed(&self) -> Option<(&Subscription, &str)> {
        let subscription = self.subscription.as_ref()?;
        let stripe_id = subscription.stripe_subscription_id.as_deref()?;
        subscription.status.is_subscribed().then_some((subscription, stripe_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(id: &str, status: SubscriptionStatus, created_ms: i64) -> Subscription {
        let at = Timestamp::from_ms(created_ms);
        Subscription {
            id: id.into(),
            stripe_subscription_id: None,
            status,
            price_id: "starter".into(),
            current_period_start: at,
            current_period_end: at,
            cancel_at_period_end: false,
            cancels_at: None,
            created_at: at,
        }
    }

    #[test]
    fn the_paying_subscription_counts_even_when_a_newer_one_ended() {
        let active = subscription("a", SubscriptionStatus::Active, 1);
        let ended = subscription("b", SubscriptionStatus::Canceled, 2);
        let newer = subscription("c", SubscriptionStatus::Trialing, 3);
        let id = |list: Vec<Subscription>| Billing::choose(list).map(|s| s.id);
        assert_eq!(id(vec![active.clone(), ended.clone()]).as_deref(), Some("a"));
        assert_eq!(id(vec![newer.clone(), active, ended]).as_deref(), Some("c"));
        assert_eq!(id(vec![]), None);
    }

    #[test]
    fn unknown_statuses_are_incomplete_and_grant_nothing() {
        assert_eq!(SubscriptionStatus::from_word("ACTIVE"), SubscriptionStatus::Active);
        let unknown = SubscriptionStatus::from_word("suspended");
        assert_eq!(unknown, SubscriptionStatus::Incomplete);
        assert!(!unknown.grants_plan() && !unknown.is_subscribed());
        assert!(!SubscriptionStatus::Unpaid.grants_plan() && SubscriptionStatus::Unpaid.is_subscribed());
    }
}

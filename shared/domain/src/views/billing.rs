//! `GET /api/billing/customer` (contract section 12, decisions D4, D7, D15).

use serde::Serialize;

use crate::{Customer, PlanId, Plans, Root, SubscriptionStatus};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PlanPart {
    id: PlanId,
    name: String,
    amount: u64,
    currency: &'static str,
    interval: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SubscriptionPart {
    id: String,
    status: SubscriptionStatus,
    current_period_end: i64,
    current_period_start: i64,
    cancel_at_period_end: bool,
    plan: PlanPart,
}

/// The fields that sit next to `success`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum BillingCustomer {
    /// No subscription that counts.
    #[serde(rename_all = "camelCase")]
    None {
        /// False.
        has_subscription: bool,
        /// `free`.
        plan: PlanId,
        /// `inactive`.
        status: &'static str,
    },
    /// A subscription at Stripe.
    #[serde(rename_all = "camelCase")]
    #[expect(private_interfaces, reason = "only its JSON is used")]
    Subscribed {
        /// True.
        has_subscription: bool,
        /// The plan that it grants.
        plan: PlanId,
        /// Stripe's word.
        status: SubscriptionStatus,
        /// Stripe's id.
        subscription_id: String,
        /// Unix seconds.
        current_period_end: i64,
        /// Whether it ends there.
        cancel_at_period_end: bool,
        /// The customer; e-mail and name are null when unknown.
        customer: Customer,
        /// The subscription in Stripe's field names.
        subscription: Box<SubscriptionPart>,
    },
}

/// The caller's billing state, from the root's copy of it.
#[must_use]
pub fn billing_customer(root: &Root, plans: &Plans) -> BillingCustomer {
    let (Some((row, stripe_id)), Some(customer)) = (root.billing.subscribed(), &root.billing.customer) else {
        return BillingCustomer::None { has_subscription: false, plan: PlanId::Free, status: "inactive" };
    };
    let plan = plans.granted(&root.billing);
    let (start, end) = (row.current_period_start.unix_seconds(), row.current_period_end.unix_seconds());
    BillingCustomer::Subscribed {
        has_subscription: true,
        plan: plan.id,
        status: row.status,
        subscription_id: stripe_id.to_owned(),
        current_period_end: end,
        cancel_at_period_end: row.cancel_at_period_end,
        customer: customer.clone(),
        subscription: Box::new(SubscriptionPart {
            id: stripe_id.to_owned(),
            status: row.status,
            current_period_end: end,
            current_period_start: start,
            cancel_at_period_end: row.cancel_at_period_end,
            plan: PlanPart { id: plan.id, name: plan.customer_name.clone(), amount: plan.price, currency: "usd", interval: "month" },
        }),
    }
}

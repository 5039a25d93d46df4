//! The dashboard (contract sections 4 and 6, decisions D2, D6, D15, D19).

use serde::Serialize;
use serde_json::Number;

use super::plan_list::{PlanLimits, PlanView};
use super::usage::{UsageCore, core};
use crate::plans::UNLIMITED;
use crate::{Billing, Plan, PlanId, Plans, Root, SubscriptionStatus, Timestamp, UserId, ratio2};

/// Days of the synthetic free subscription (D19).
const FREE_PERIOD_DAYS: i64 = 365;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    total_contacts: u64,
    total_jobs: u64,
    successful_extractions: u64,
    failed_extractions: u64,
    average_contacts_per_job: Number,
    uploads_used: u64,
    uploads_limit: i64,
    plan_name: String,
    plan_id: PlanId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Actions {
    can_upload: bool,
    can_upgrade: bool,
    can_manage_billing: Option<bool>,
    can_view_contacts: bool,
}

/// `GET /api/dashboard/summary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DashboardSummary {
    usage: UsageCore,
    metrics: Metrics,
    actions: Actions,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionView<'a> {
    id: String,
    plan_id: PlanId,
    status: SubscriptionStatus,
    current_period_start: Timestamp,
    current_period_end: Timestamp,
    cancel_at_period_end: bool,
    plan: PlanView<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Status {
    Stripe(SubscriptionStatus),
    Inactive(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BillingView<'a> {
    has_subscription: bool,
    plan: PlanId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_period_end: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_at_period_end: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PlanInfo<'a> {
    id: PlanId,
    name: &'a str,
    price: u64,
    interval: &'static str,
    features: &'a [String],
    limits: PlanLimits<'a>,
}

/// `GET /api/dashboard/data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DashboardData<'a> {
    #[serde(flatten)]
    summary: DashboardSummary,
    subscription: SubscriptionView<'a>,
    billing: Option<BillingView<'a>>,
    plan_info: PlanInfo<'a>,
}

/// Usage, metrics and actions.
#[must_use]
pub fn summary(root: &Root, plans: &Plans, now: Timestamp) -> DashboardSummary {
    let plan = plans.granted(&root.billing);
    let usage = core(root, plan, now);
    DashboardSummary {
        metrics: Metrics {
            total_contacts: root.contacts.all,
            total_jobs: root.jobs.all,
            successful_extractions: root.jobs.successful,
            failed_extractions: root.jobs.failed,
            average_contacts_per_job: ratio2(root.contacts.all, root.jobs.all),
            uploads_used: usage.uploads_used,
            uploads_limit: usage.uploads_limit,
            plan_name: usage.plan_name.clone(),
            plan_id: usage.plan_id,
        },
        actions: Actions {
            can_upload: usage.can_upload,
            can_upgrade: can_upgrade(plan, usage.uploads_used),
            can_manage_billing: root.billing.customer.as_ref().map(|_| root.billing.subscribed().is_some()),
            can_view_contacts: root.contacts.all > 0,
        },
        usage,
    }
}

/// Everything that the dashboard page shows.
#[must_use]
pub fn dashboard<'a>(user: &UserId, root: &'a Root, plans: &'a Plans, now: Timestamp) -> DashboardData<'a> {
    let plan = plans.granted(&root.billing);
    DashboardData {
        summary: summary(root, plans, now),
        subscription: subscription(user, &root.billing, plans, now),
        billing: billing(&root.billing, plan),
        plan_info: PlanInfo {
            id: plan.id,
            name: &plan.name,
            price: plan.price,
            interval: "month",
            features: &plan.plan_features,
            limits: plan.into(),
        },
    }
}

/// Free plan, or 80 % of the uploads used; never when unlimited (D6).
fn can_upgrade(plan: &Plan, uploads_used: u64) -> bool {
    if plan.uploads_per_month == UNLIMITED {
        return false;
    }
    plan.id == PlanId::Free || i128::from(uploads_used) * 10 >= i128::from(plan.uploads_per_month) * 8
}

/// The stored subscription, else the synthetic free one from today on (D19).
fn subscription<'a>(user: &UserId, billing: &Billing, plans: &'a Plans, now: Timestamp) -> SubscriptionView<'a> {
    let Some(row) = &billing.subscription else {
        let start = now.start_of_day();
        return SubscriptionView {
            id: format!("sub_free_{user}"),
            plan_id: PlanId::Free,
            status: SubscriptionStatus::Active,
            current_period_start: start,
            current_period_end: start.plus_days(FREE_PERIOD_DAYS),
            cancel_at_period_end: false,
            plan: PlanView::new(plans.free(), true),
        };
    };
    let plan = plans.of_price(&row.price_id);
    SubscriptionView {
        id: row.id.clone(),
        plan_id: plan.id,
        status: row.status,
        current_period_start: row.current_period_start,
        current_period_end: row.current_period_end,
        cancel_at_period_end: row.cancel_at_period_end,
        plan: PlanView::new(plan, true),
    }
}

/// Null without a Stripe customer.
fn billing<'a>(billing: &'a Billing, granted: &Plan) -> Option<BillingView<'a>> {
    billing.customer.as_ref()?;
    Some(match billing.subscribed() {
        Some((row, stripe_id)) => BillingView {
            has_subscription: true,
            plan: granted.id,
            status: Status::Stripe(row.status),
            subscription_id: Some(stripe_id),
            current_period_end: Some(row.current_period_end.unix_seconds()),
            cancel_at_period_end: Some(row.cancel_at_period_end),
        },
        None => BillingView {
            has_subscription: false,
            plan: PlanId::Free,
            status: Status::Inactive("inactive"),
            subscription_id: None,
            current_period_end: None,
            cancel_at_period_end: None,
        },
    })
}

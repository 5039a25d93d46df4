//! A plan as lists and the dashboard show it.

use serde::Serialize;

use crate::{Plan, PlanId, Plans};

/// The limits of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanLimits<'a> {
    uploads_per_month: i64,
    max_contacts: i64,
    ai_processing_minutes: i64,
    #[serde(rename = "storageGB")]
    storage_gb: u64,
    api_calls_per_month: i64,
    support_level: &'a str,
}

impl<'a> From<&'a Plan> for PlanLimits<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            uploads_per_month: plan.uploads_per_month,
            max_contacts: plan.max_contacts,
            ai_processing_minutes: plan.ai_processing_minutes,
            storage_gb: plan.storage_gb,
            api_calls_per_month: plan.api_calls_per_month,
            support_level: &plan.support_level,
        }
    }
}

/// One plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView<'a> {
    id: PlanId,
    name: &'a str,
    price: u64,
    interval: &'static str,
    stripe_price_id: Option<&'a str>,
    #[serde(flatten)]
    limits: PlanLimits<'a>,
    is_popular: bool,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<&'a [String]>,
}

impl<'a> PlanView<'a> {
    pub(super) fn new(plan: &'a Plan, with_features: bool) -> Self {
        Self {
            id: plan.id,
            name: &plan.name,
            price: plan.price,
            interval: "month",
            stripe_price_id: plan.stripe_price_id.as_deref(),
            limits: plan.into(),
            is_popular: plan.is_popular,
            description: &plan.description,
            features: with_features.then_some(plan.list_features.as_slice()),
        }
    }
}

/// `GET /api/billing/plans`: the offered plans in order, without features.
#[must_use]
pub fn plan_list(plans: &Plans) -> Vec<PlanView<'_>> {
    plans.listed().map(|plan| PlanView::new(plan, false)).collect()
}

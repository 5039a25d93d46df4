//! The plan catalogue: data in `plans.json` (and in the table's `PLANS` item), never numbers in code (D4).

use serde::{Deserialize, Serialize};

use crate::Billing;

/// Limit that means unlimited.
pub const UNLIMITED: i64 = -1;
const BUILT_IN: &str = include_str!("plans.json");

/// A plan's simple name, as clients know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanId {
    /// Without a subscription.
    Free,
    /// For crews.
    Starter,
    /// For production offices.
    Professional,
    /// By contract; never listed.
    Enterprise,
}

/// One plan of the catalogue. Limits of -1 mean unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Simple name.
    pub id: PlanId,
    /// Whether the public plan list shows it.
    pub listed: bool,
    /// `Starter`: the name in plan lists.
    pub name: String,
    /// `Starter Plan`: the name in usage and billing.
    pub customer_name: String,
    /// US cents a month.
    pub price: u64,
    /// Stripe's current price id.
    pub stripe_price_id: Option<String>,
    /// Former price ids that still mean this plan.
    #[serde(default)]
    pub stripe_price_ids: Vec<String>,
    /// Uploads a month.
    pub uploads_per_month: i64,
    /// Contacts before a warning.
    pub max_contacts: i64,
    /// Minutes of AI processing a month.
    pub ai_processing_minutes: i64,
    /// Gigabytes.
    #[serde(rename = "storageGB")]
    pub storage_gb: u64,
    /// API calls a month.
    pub api_calls_per_month: i64,
    /// Words for the support level.
    pub support_level: String,
    /// Whether plan lists highlight it.
    pub is_popular: bool,
    /// One sentence.
    pub description: String,
    /// Display text of plan lists.
    pub list_features: Vec<String>,
    /// Display text of the dashboard's plan panel.
    pub plan_features: Vec<String>,
}

/// Why a catalogue was refused.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    /// Not the expected JSON.
    #[error("the plan catalogue does not decode")]
    Malformed(#[from] serde_json::Error),
    /// The free plan is what everything falls back to.
    #[error("the plan catalogue has no free plan")]
    NoFreePlan,
}

/// The catalogue, in the order of plan lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Plans(Vec<Plan>);

impl Plans {
    /// The catalogue compiled into the program: the last resort of every reader.
    #[must_use]
    pub fn built_in() -> Self {
        Self::from_json(BUILT_IN).expect("plans.json is checked by a test")
    }

    /// Reads a catalogue as it is stored.
    ///
    /// # Errors
    /// [`PlansError`] when it does not decode or lacks the free plan.
    pub fn from_json(text: &str) -> Result<Self, PlansError> {
        let plans: Vec<Plan> = serde_json::from_str(text)?;
        if !plans.iter().any(|plan| plan.id == PlanId::Free) {
            return Err(PlansError::NoFreePlan);
        }
        Ok(Self(plans))
    }

    /// The plans that are offered, in order.
    pub fn listed(&self) -> impl Iterator<Item = &Plan> {
        self.0.iter().filter(|plan| plan.listed)
    }

    /// The free plan.
    #[must_use]
    pub fn free(&self) -> &Plan {
        self.0.iter().find(|plan| plan.id == PlanId::Free).expect("checked when it was read")
    }

    /// The plan of a stored price id or plan id; an unknown one is the free plan (contract section 3).
    #[must_use]
    pub fn of_price(&self, price_id: &str) -> &Plan {
        let means = |plan: &&Plan| {
            plan.stripe_price_id.as_deref() == Some(price_id)
                || plan.stripe_price_ids.iter().any(|id| id == price_id)
                || serde_json::to_value(plan.id).is_ok_and(|id| id == price_id)
        };
        self.0.iter().find(means).unwrap_or_else(|| self.free())
    }

    /// The plan whose limits the user has: that of a granting subscription, else the free one (D15).
    #[must_use]
    pub fn granted(&self, billing: &Billing) -> &Plan {
        match &billing.subscription {
            Some(subscription) if subscription.status.grants_plan() => self.of_price(&subscription.price_id),
            _ => self.free(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_price_ids_mean_their_plan() {
        let plans = Plans::built_in();
        for (price, id) in [
            ("price_starter_monthly", PlanId::Starter),
            ("starter", PlanId::Starter),
            ("price_demo_pro", PlanId::Professional),
            ("enterprise", PlanId::Enterprise),
            ("price_of_long_ago", PlanId::Free),
            ("", PlanId::Free),
        ] {
            assert_eq!(plans.of_price(price).id, id, "{price}");
        }
    }

    #[test]
    fn the_list_has_the_contracts_prices_in_order() {
        let plans = Plans::built_in();
        let list: Vec<_> = plans.listed().map(|plan| (plan.name.as_str(), plan.price)).collect();
        assert_eq!(list, [("Free", 0), ("Starter", 2900), ("Professional", 9900)]);
        assert_eq!(plans.free().stripe_price_id, None);
    }

    #[test]
    fn a_catalogue_without_a_free_plan_is_refused() {
        assert!(matches!(Plans::from_json("[]"), Err(PlansError::NoFreePlan)));
        assert!(matches!(Plans::from_json("{"), Err(PlansError::Malformed(_))));
    }
}

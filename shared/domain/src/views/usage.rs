//! Usage of the month, its warnings and the upload gate (contract section 5).

use serde::Serialize;

use crate::plans::UNLIMITED;
use crate::{Plan, PlanId, Plans, Root, Timestamp};

/// The part of the usage that the dashboard shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageCore {
    /// Uploads of this UTC month.
    pub uploads_used: u64,
    /// Uploads that the plan allows; -1 is unlimited.
    pub uploads_limit: i64,
    /// Whether one more is allowed.
    pub can_upload: bool,
    /// Why not; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// All contacts.
    pub total_contacts: u64,
    /// All jobs.
    pub total_jobs: u64,
    /// The plan whose limits apply.
    pub plan_id: PlanId,
    /// Its name.
    pub plan_name: String,
}

/// `GET /api/usage/current`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageInfo {
    /// The common part.
    #[serde(flatten)]
    pub core: UsageCore,
    /// Same as `uploadsUsed`.
    pub uploads_this_month: u64,
    /// Same as `planId`.
    pub current_plan: PlanId,
}

/// A warning about a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// `warning` or `error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Text that clients show.
    pub message: String,
    /// Always `upgrade`.
    pub action: &'static str,
}

/// `GET /api/usage/limits` and `GET /api/dashboard/warnings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageLimits {
    /// The upload warning first.
    pub warnings: Vec<Warning>,
    /// Whether one more upload is allowed.
    pub can_upload: bool,
    /// The usage behind the warnings.
    pub usage: UsageInfo,
}

pub(super) fn core(root: &Root, plan: &Plan, now: Timestamp) -> UsageCore {
    let uploads_used = root.usage_at(now).jobs_processed;
    let limit = plan.uploads_per_month;
    let can_upload = limit == UNLIMITED || below(uploads_used, limit);
    UsageCore {
        uploads_used,
        uploads_limit: limit,
        can_upload,
        reason: (!can_upload).then(|| format!("You have reached your {limit} upload limit for this month")),
        total_contacts: root.contacts.all,
        total_jobs: root.jobs.all,
        plan_id: plan.id,
        plan_name: plan.customer_name.clone(),
    }
}

/// Usage of the month that contains `now`.
#[must_use]
pub fn usage(root: &Root, plans: &Plans, now: Timestamp) -> UsageInfo {
    let core = core(root, plans.granted(&root.billing), now);
    UsageInfo { uploads_this_month: core.uploads_used, current_plan: core.plan_id, core }
}

/// Whether one more upload is allowed.
#[must_use]
pub fn can_upload(root: &Root, plans: &Plans, now: Timestamp) -> bool {
    core(root, plans.granted(&root.billing), now).can_upload
}

/// Usage with its warnings.
#[must_use]
pub fn limits(root: &Root, plans: &Plans, now: Timestamp) -> UsageLimits {
    let usage = usage(root, plans, now);
    let plan = plans.granted(&root.billing);
    let (used, limit) = (usage.core.uploads_used, plan.uploads_per_month);
    let mut warnings = Vec::new();
    if limit > 0 {
        if !below(used, limit) {
            warnings.push(warning("error", format!("You've reached your upload limit of {limit} for this month.")));
        } else if u128::from(used) * 10 >= u128::from(limit.unsigned_abs()) * 9 {
            warnings.push(warning("warning", format!("You've used {used}/{limit} uploads this month. Consider upgrading your plan.")));
        }
    }
    let max = plan.max_contacts;
    if max > 0 && !below(usage.core.total_contacts, max) {
        warnings.push(warning("warning", format!("You've reached your contact limit of {max}. Consider upgrading your plan.")));
    }
    UsageLimits { warnings, can_upload: usage.core.can_upload, usage }
}

fn warning(kind: &'static str, message: String) -> Warning {
    Warning { kind, message, action: "upgrade" }
}

fn below(used: u64, limit: i64) -> bool {
    i128::from(used) < i128::from(limit)
}

//! What endpoints show: pure functions of the root (or the stats), the plans and the time.
//!
//! Every view serialises to the `data` of its endpoint, or, where the contract says so, to fields beside `success`.

mod activity;
mod billing;
mod contacts;
mod dashboard;
mod metrics;
mod plan_list;
mod stats;
mod usage;

#[cfg(test)]
mod tests;

pub use activity::{ActivityItem, activity};
pub use billing::{BillingCustomer, billing_customer};
pub use contacts::{
    ContactDetail, ContactPage, ContactView, JobListItem, JobRef, PageStats, Pagination, contact_detail, contact_view, job_list_item,
};
pub use dashboard::{DashboardData, DashboardSummary, dashboard, summary};
pub use metrics::{PerformanceMetrics, metrics};
pub use plan_list::{PlanView, plan_list};
pub use stats::{ContactStats, contact_stats, job_stats};
pub use usage::{UsageCore, UsageInfo, UsageLimits, can_upload, limits, usage};

/// Days of the activity feed and of "recent" contacts.
pub const WINDOW_DAYS: i64 = 30;

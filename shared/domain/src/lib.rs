//! Types and rules of Callsheets: from a user's stored aggregates to what an endpoint shows.
//!
//! No I/O, no async, no clock: the time is an argument everywhere. A transaction changes entities through
//! [`Account`], which keeps the root and the stats equal to a recount of the rows.

mod account;
mod billing;
mod contact;
mod contact_change;
mod ids;
mod job;
mod number;
mod plans;
mod root;
mod stats;
mod time;
mod usage;
pub mod views;

pub use account::{Account, Gaps};
pub use billing::{Billing, Customer, Subscription, SubscriptionStatus};
pub use contact::{Contact, ContactFlags, ContactInput, Counts};
pub use contact_change::{ContactChange, InvalidField};
pub use ids::{ContactId, InvalidId, JobId, ProductionId, Rev, UserId, derive_uuid};
pub use job::{Job, JobStatus, Production};
pub use number::{percent1, ratio2};
pub use plans::{Plan, PlanId, Plans, PlansError, UNLIMITED};
pub use root::{ContactCounts, FEED_LEN, FeedJob, FeedName, JobCounts, JobKey, Root};
pub use stats::{GroupKey, Groups, Hours, Stats};
pub use time::{HOUR_MS, InvalidTimestamp, Month, Timestamp};
pub use usage::Usage;

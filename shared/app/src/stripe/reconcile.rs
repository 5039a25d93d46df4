//! Looking for what Stripe told and nobody heard: the events that were not delivered, and the subscriptions as Stripe shows them.
//!
//! Each job goes page by page, stores how far it came, and ends when the time is up; the next run goes on there. All of it is idempotent, so
//! two runs at once do no harm.

use std::time::{Duration, Instant};

use billing::{CustomerItem, Event, Outcome};
use domain::Timestamp;
use futures::future::try_join_all;
use serde::Serialize;
use serde_json::Value;
use store::Progress;
use stripe_client::{List, Page, StripeError};
use web::BoxError;

use super::alarms::Watched;
use super::refetch::RefetchError;
use crate::App;

/// Days that Stripe keeps events.
const EVENT_DAYS: i64 = 30;
/// Days after which an ended subscription is not looked at any more: a run missed for two days loses nothing.
const ENDED_DAYS: i64 = 3;
/// Subscriptions that are looked at together.
const CONCURRENCY: usize = 5;
/// Time that one page may take: a run does not begin one later than this before its end.
const PAGE_TIME: Duration = Duration::from_secs(20);

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Events that Stripe could not deliver, of 30 days: hourly.
    Events,
    /// Subscriptions that have not ended, or have lately: daily.
    Subscriptions,
}

/// What a run found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Objects that were looked at.
    pub seen: u64,
    /// Objects of which the table knew less than Stripe: now it knows.
    pub mended: u64,
    /// Whether the list's end was reached; if not, the next run goes on.
    pub complete: bool,
}

impl Job {
    /// A job by its name in the schedule's event.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "events" => Some(Self::Events),
            "subscriptions" => Some(Self::Subscriptions),
            _ => None,
        }
    }

    /// Its name, also in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Subscriptions => "subscriptions",
        }
    }

    fn list(self, now: Timestamp) -> List<'static> {
        match self {
            Self::Events => List::Events { since: now.minus_days(EVENT_DAYS).unix_seconds(), undelivered: true },
            Self::Subscriptions => List::Subscriptions,
        }
    }
}

impl App {
    /// Does a job until its end, or until the time is up.
    ///
    /// # Errors
    /// When Stripe or the table fails. What was done is done; the next run goes on where this one failed.
    pub async fn reconcile(&self, job: Job, until: Instant) -> Result<Found, BoxError> {
        let mut found = Found::default();
        let mut after = self.table.progress(job.name()).await?.after;
        loop {
            let page = match self.page(job, after.as_deref(), until).await? {
                Some(page) => page,
                // The place is no longer in the list: from its beginning.
                None if after.is_some() => {
                    after = None;
                    continue;
                }
                None => Page { objects: Vec::new(), next: None },
            };
            let mended = match job {
                Job::Events => self.apply_missed(&page.objects).await?,
                Job::Subscriptions => self.mend_drift(&page.objects).await?,
            };
            found.seen += page.objects.len() as u64;
            found.mended += mended;
            found.complete = page.next.is_none();
            after = page.next;
            self.table.set_progress(job.name(), &Progress { after: after.clone() }).await?;
            if found.complete || Instant::now() + PAGE_TIME > until {
                tracing::info!(job = job.name(), seen = found.seen, mended = found.mended, complete = found.complete, "reconciled");
                return Ok(found);
            }
        }
    }

    async fn page(&self, job: Job, after: Option<&str>, until: Instant) -> Result<Option<Page>, BoxError> {
        match self.stripe().map_err(BoxError::from)?.page(job.list(self.clock.now()), after, until).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if error == StripeError::NotFound || error.is_missing("starting_after") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Applies the events that nobody has seen, as the webhook would have: how many.
    async fn apply_missed(&self, events: &[Value]) -> Result<u64, BoxError> {
        let mut missed = 0;
        for value in events {
            let body = serde_json::to_vec(value)?;
            let Ok(event) = Event::parse(&body) else {
                tracing::error!("Stripe lists an event without an id");
                continue;
            };
            if self.table.knows_event(&event.id).await? {
                continue;
            }
            let now = self.clock.now();
            let plans = self.plans(now).await;
            let settled = match self.table.listed_event(&event, &body, self.stripe_live, &plans, now).await {
                Ok(settled) => settled,
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    tracing::error!(event_id = event.id, error = %error, "a listed event cannot be applied");
                    self.count(Watched::AnswerRejected);
                    continue;
                }
            };
            self.note(&event, &settled);
            self.show(&settled).await;
            missed += u64::from(settled.outcome != Outcome::Ignored);
        }
        Ok(missed)
    }

    /// Compares subscriptions with the mirror, and takes those over that it shows otherwise: how many.
    async fn mend_drift(&self, subscriptions: &[Value]) -> Result<u64, BoxError> {
        let oldest_end = self.clock.now().minus_days(ENDED_DAYS).unix_seconds();
        let looked_at: Vec<&Value> = subscriptions.iter().filter(|subscription| !has_ended_before(subscription, oldest_end)).collect();
        let mut sum = 0;
        for together in looked_at.chunks(CONCURRENCY) {
            let mended = try_join_all(together.iter().map(|subscription| self.mend(subscription))).await?;
            sum += mended.into_iter().map(u64::from).sum::<u64>();
        }
        Ok(sum)
    }

    async fn mend(&self, listed: &Value) -> Result<bool, RefetchError> {
        let Some((customer, object)) = CustomerItem::of(listed) else { return Ok(false) };
        if self.table.mirrors(&customer, &object, listed).await? {
            return Ok(false);
        }
        // The list may be older than what an event told since: what counts is what Stripe shows after the mirror was read.
        let subscription = listed["id"].as_str();
        match self.refetch(&customer, &object).await {
            Ok(true) => {
                tracing::warn!(subscription, "the mirror showed a subscription otherwise than Stripe");
                self.count(Watched::Drift);
                Ok(true)
            }
            Err(RefetchError::Never(reason)) => {
                tracing::error!(subscription, reason, "a listed subscription cannot be stored");
                self.count(Watched::AnswerRejected);
                Ok(false)
            }
            result => result,
        }
    }
}

/// Whether a subscription ended for good before a moment.
fn has_ended_before(subscription: &Value, unix_seconds: i64) -> bool {
    let has_ended = matches!(subscription["status"].as_str(), Some("canceled" | "incomplete_expired"));
    let times = ["ended_at", "canceled_at", "created"];
    let ended_at = times.iter().find_map(|time| subscription[*time].as_i64()).unwrap_or(i64::MAX);
    has_ended && ended_at < unix_seconds
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_ended_long_ago_is_left_out() {
        for (subscription, left_out) in [
            (json!({"status": "active", "created": 1}), false),
            (json!({"status": "canceled", "ended_at": 99}), true),
            (json!({"status": "canceled", "ended_at": null, "canceled_at": 100}), false),
            (json!({"status": "incomplete_expired", "created": 5}), true),
            (json!({"status": "canceled"}), false),
        ] {
            assert_eq!(has_ended_before(&subscription, 100), left_out, "{subscription}");
        }
    }

    #[test]
    fn jobs_have_names() {
        for job in [Job::Events, Job::Subscriptions] {
            assert_eq!(Job::of_name(job.name()), Some(job));
        }
        assert_eq!(Job::of_name("everything"), None);
    }
}

//! The schedule: applies the events that Stripe could not deliver (hourly), and compares the subscriptions with Stripe's (daily).

use std::time::Instant;

use app::{App, BoxError, Job};
use serde_json::{Value, json};

/// Does the job that the schedule's event names, `{"job": "events"}` or `{"job": "subscriptions"}`, until the time is up. Returns what it found.
///
/// # Errors
/// When the event names no job, or Stripe or the table fails: the next run goes on where this one ended.
pub async fn handle(app: &App, event: Value, until: Instant) -> Result<Value, BoxError> {
    let job = event["job"].as_str().and_then(Job::of_name).ok_or("the event names no job: events or subscriptions")?;
    let found = app.reconcile(job, until).await?;
    Ok(json!({"job": job.name(), "seen": found.seen, "mended": found.mended, "complete": found.complete}))
}

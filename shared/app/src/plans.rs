//! The plan catalogue: loaded in init, kept in process for a minute and in the cache for an hour, never a reason to fail.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cache::{Ask, Entry, Loaded, Scope, View};
use domain::{Plans, Timestamp, views};
use web::{ApiError, Response};

use crate::cached::outage;
use crate::errors::of_store;
use crate::{App, body};

/// How long the catalogue in process counts as fresh.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// How long it does in the cache.
const SHARED_FRESH: Duration = Duration::from_secs(3_600);
/// Time that loading it may take. Past that the last known catalogue serves.
const LOAD_BUDGET: Duration = Duration::from_millis(300);
/// Nobody waits for it but Stripe.
const PURGE_BUDGET: Duration = Duration::from_secs(2);
const VIEW: View<'static> = View { name: "catalogue", page: false, fresh_for: SHARED_FRESH, stale_if_error: true };

/// The newest catalogue known here, and when it was read.
#[derive(Debug)]
pub(crate) struct PlansCell(Mutex<(Arc<Plans>, Option<Timestamp>)>);

impl PlansCell {
    /// Starts with the compiled-in catalogue, which counts as never read.
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Arc::new(Plans::built_in()), None)))
    }

    /// The catalogue, and whether it should be read again.
    fn get(&self, now: Timestamp) -> (Arc<Plans>, bool) {
        let due = self.age(now).is_none();
        (Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner).0), due)
    }

    /// Counts the catalogue as due again.
    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = None;
    }

    /// How long the catalogue has been in process; nothing when it has to be read again.
    fn age(&self, now: Timestamp) -> Option<Duration> {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner).1?;
        let age = Duration::from_millis(u64::try_from(now.ms() - read.ms()).ok()?);
        (age < FRESH_FOR).then_some(age)
    }

    /// Stores what was read; `None` keeps the last good one for another minute.
    fn set(&self, plans: Option<Plans>, now: Timestamp) -> Arc<Plans> {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plans) = plans {
            cell.0 = Arc::new(plans);
        }
        cell.1 = Some(now);
        Arc::clone(&cell.0)
    }
}

impl App {
    /// The catalogue as known here, read again once a minute.
    pub(crate) async fn plans(&self, now: Timestamp) -> Arc<Plans> {
        let (plans, due) = self.plans.get(now);
        if !due {
            return plans;
        }
        let read = tokio::time::timeout(LOAD_BUDGET, Box::pin(self.read_plans(now))).await;
        let read = read.map_err(|_| "no answer in time".to_owned()).and_then(|read| read.map_err(|error| error.to_string()));
        if let Err(error) = &read {
            tracing::warn!(error, "the plan catalogue cannot be read: the last known one serves");
        }
        self.plans.set(read.ok().flatten(), now)
    }

    /// Makes a changed catalogue known, here at once and elsewhere within a minute: whether the cache acknowledged it.
    pub(crate) async fn plans_changed(&self) -> bool {
        let acknowledged = Box::pin(self.cache.purge_shared(PURGE_BUDGET)).await.is_ok();
        self.plans.forget();
        acknowledged
    }

    /// Reads the catalogue in init.
    pub(crate) async fn load_plans(&self) {
        self.plans(self.clock.now()).await;
    }

    /// The stored catalogue, from the cache or the table; nothing until one was stored.
    async fn read_plans(&self, now: Timestamp) -> Result<Option<Plans>, ApiError> {
        let ask = Ask { scope: Scope::Shared, view: VIEW, min_rev: None, etags: &[], now_ms: now.ms() };
        let load = || async {
            let stored = self.table.plans().await.map_err(of_store)?;
            let json = stored.map(|plans| serde_json::to_vec(&plans).expect("a catalogue has string keys and finite numbers"));
            let entry = Entry {
                rev: 0,
                status: 200,
                body: json.unwrap_or_default().into(),
                gzip: false,
                etag: String::new(),
                extra: String::new(),
            };
            Ok(Loaded { entry, cacheable: true })
        };
        let answer = Box::pin(self.cache.read(ask, outage, load)).await?;
        read_json(&answer.entry.body)
    }

    /// The public plan list, with where the catalogue came from.
    pub async fn plan_list(&self) -> Response {
        let now = self.clock.now();
        let kept = self.plans.age(now);
        let plans = self.plans(now).await;
        let response = Response::json(200, body::plans(&views::plan_list(&plans)));
        match kept {
            Some(age) => response.cache_status(format!("callsheets; hit; ttl={}", (FRESH_FOR - age).as_secs())).age(age.as_secs()),
            None => response.cache_status(format!("callsheets; fwd=miss; ttl={}; stored", FRESH_FOR.as_secs())),
        }
    }
}

fn read_json(json: &Bytes) -> Result<Option<Plans>, ApiError> {
    if json.is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(json).map_err(|error| ApiError::Internal(error.into()))?;
    Plans::from_json(text).map(Some).map_err(|error| ApiError::Internal(error.into()))
}

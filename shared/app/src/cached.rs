//! Reads through the cache: what a view is called, how long it is fresh, and what its answer says about where it came from.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use cache::{Answer, Ask, Entry, Outcome, Scope, Toll, Trouble};
use domain::{ContactId, JobId, Rev, UserId};
use web::{ApiError, Caller, Request, Response, StoredBody, strong_etag, weak_etag};

use crate::{App, limits};

/// Time that a write's own invalidation may take.
const BUMP_BUDGET: Duration = Duration::from_millis(20);
/// Time that the stream's invalidation may take.
const SURE_BUMP_BUDGET: Duration = Duration::from_secs(2);
/// Bodies above this many bytes are stored compressed.
const GZIP_ABOVE_BYTES: usize = 1_200;

/// What a missing contact and a missing job are called in an answer.
pub(crate) const CONTACT: &str = "Contact";
pub(crate) const JOB: &str = "Job";
/// What a missing customer is called.
pub(crate) const CUSTOMER: &str = "Customer";

const DASHBOARD_FRESH: Duration = Duration::from_secs(300);
const STATS_FRESH: Duration = Duration::from_secs(180);
const PAGE_FRESH: Duration = Duration::from_secs(120);
const BILLING_FRESH: Duration = Duration::from_secs(300);

/// A cached answer of one user: its name within the user's entries and how long it is fresh.
#[derive(Debug, Clone)]
pub(crate) struct View {
    name: Cow<'static, str>,
    fresh_for: Duration,
    page: bool,
    stale_if_error: bool,
}

impl View {
    fn as_cache(&self) -> cache::View<'_> {
        cache::View { name: &self.name, page: self.page, fresh_for: self.fresh_for, stale_if_error: self.stale_if_error }
    }

    fn new(name: impl Into<Cow<'static, str>>, fresh_for: Duration) -> Self {
        Self { name: name.into(), fresh_for, page: false, stale_if_error: false }
    }

    /// A view of the root.
    pub(crate) fn dashboard(name: &'static str) -> Self {
        Self::new(name, DASHBOARD_FRESH)
    }

    /// The billing state: shown stale while the table fails.
    pub(crate) fn billing(name: &'static str) -> Self {
        Self { stale_if_error: true, ..Self::new(name, BILLING_FRESH) }
    }

    /// Something of one of the user's customers at Stripe: shown stale while the table fails.
    pub(crate) fn of_customer(name: &'static str, customer: &str) -> Self {
        Self { stale_if_error: true, page: true, ..Self::new(format!("{name}:{customer}"), BILLING_FRESH) }
    }

    /// A view of the stats.
    pub(crate) fn stats(name: &'static str) -> Self {
        Self::new(name, STATS_FRESH)
    }

    /// The stats of one job.
    pub(crate) fn job_stats(job: JobId) -> Self {
        Self { page: true, ..Self::new(format!("job-stats:{job}"), STATS_FRESH) }
    }

    /// One contact.
    pub(crate) fn contact(id: ContactId) -> Self {
        Self::page(format!("contact:{id}"))
    }

    /// A page of a list.
    pub(crate) fn page(name: String) -> Self {
        Self { page: true, ..Self::new(name, PAGE_FRESH) }
    }
}

/// What a load gave.
#[derive(Debug)]
pub(crate) struct Loaded {
    rev: Rev,
    found: Result<Bytes, &'static str>,
    etag: Option<String>,
    next_cursor: Option<String>,
    cacheable: bool,
}

impl Loaded {
    /// A body that shows a revision.
    pub(crate) fn new(rev: Rev, body: Bytes) -> Self {
        Self { rev, found: Ok(body), etag: None, next_cursor: None, cacheable: true }
    }

    /// Nothing: at this revision the caller has no such thing.
    pub(crate) fn missing(rev: Rev, entity: &'static str) -> Self {
        Self { found: Err(entity), ..Self::new(rev, Bytes::new()) }
    }

    /// A body that is not one committed state is shown, but not kept.
    pub(crate) fn cacheable(self, cacheable: bool) -> Self {
        Self { cacheable, ..self }
    }

    /// A contact's version as its strong `ETag`.
    pub(crate) fn strong_etag(self, cv: u64) -> Self {
        Self { etag: Some(strong_etag(cv)), ..self }
    }

    /// Where the list goes on: `X-Next-Cursor`.
    pub(crate) fn next_cursor(self, next_cursor: Option<String>) -> Self {
        Self { next_cursor, ..self }
    }

    fn into_entry(self) -> cache::Loaded {
        let rev = self.rev.0;
        let entry = match self.found {
            Err(entity) => Entry { rev, status: 404, body: Bytes::new(), gzip: false, etag: String::new(), extra: entity.to_owned() },
            Ok(body) => {
                let etag = self.etag.unwrap_or_else(|| weak_etag(&body));
                let gzip = body.len() > GZIP_ABOVE_BYTES;
                let body = if gzip { web::gzip(&body) } else { body };
                Entry { rev, status: 200, body, gzip, etag, extra: self.next_cursor.unwrap_or_default() }
            }
        };
        cache::Loaded { entry, cacheable: self.cacheable }
    }
}

fn ask<'a>(user: &'a UserId, view: &'a View, request: &Request, etags: &'a [String]) -> Ask<'a> {
    Ask {
        scope: Scope::User(user.as_str()),
        view: view.as_cache(),
        min_rev: request.min_rev().map(|rev| rev.0),
        etags,
        now_ms: request.now().ms(),
    }
}

/// A copy of an error that means that the table cannot be reached; other errors let no stale copy out.
pub(crate) fn outage(error: &ApiError) -> Option<ApiError> {
    match error {
        ApiError::Unavailable { retry_after_s, source } => {
            Some(ApiError::Unavailable { retry_after_s: *retry_after_s, source: source.to_string().into() })
        }
        _ => None,
    }
}

/// The response of an answer, with where it came from.
fn shown(answer: Answer) -> Result<Response, ApiError> {
    let status = cache_status(&answer);
    let Answer { entry, age, outcome, .. } = answer;
    if entry.status == 404 {
        return Err(ApiError::NotFound([JOB, CUSTOMER].into_iter().find(|entity| *entity == entry.extra).unwrap_or(CONTACT)));
    }
    let mut response = Response::stored(StoredBody { bytes: entry.body, gzip: entry.gzip, etag: entry.etag }).rev(Rev(entry.rev));
    response = response.cache_status(status);
    if matches!(outcome, Outcome::Hit | Outcome::SoftStale | Outcome::StaleOnError) {
        response = response.age(age.as_secs());
    }
    if outcome == Outcome::StaleOnError {
        response = response.marked_stale();
    }
    Ok(if entry.extra.is_empty() { response } else { response.header("x-next-cursor", entry.extra) })
}

/// `Cache-Status` (RFC 9211) of an answer.
pub(crate) fn cache_status(answer: &Answer) -> String {
    let ttl = answer.ttl.as_secs();
    let stored = if answer.stored { "; stored" } else { "" };
    match answer.outcome {
        Outcome::Hit => format!("callsheets; hit; ttl={ttl}"),
        Outcome::SoftStale => "callsheets; hit; ttl=0; detail=refreshing".to_owned(),
        Outcome::StaleOnError => "callsheets; hit; ttl=0; detail=stale".to_owned(),
        Outcome::Miss => format!("callsheets; fwd=miss; ttl={ttl}{stored}"),
        Outcome::Joined => format!("callsheets; fwd=miss; collapsed; ttl={ttl}"),
        Outcome::Bypass(Trouble::Off) => "callsheets; fwd=bypass; detail=off".to_owned(),
        Outcome::Bypass(_) => "callsheets; fwd=bypass; detail=trouble".to_owned(),
    }
}

impl App {
    /// Answers from the caller's entry, or loads it. What the request counts in is counted on the way.
    pub(crate) async fn cached<F, Fut>(&self, request: &Request, view: View, load: F) -> Result<Response, ApiError>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<Loaded, ApiError>> + Send,
    {
        let user = &Caller::of(request)?.user;
        let etags = request.validators();
        let load = || async { Ok(load().await?.into_entry()) };
        let counters = limits::counters(request.charges().open());
        let admit = |counted| request.charges().settle(limits::said(counted));
        let toll = (!counters.is_empty()).then_some(Toll { counters: &counters, admit: &admit });
        let answer = Box::pin(self.cache.read_tolled(toll, ask(user, &view, request, &etags), outage, load)).await?;
        if answer.outcome == Outcome::Hit {
            self.audit(user, Rev(answer.entry.rev), request.now()).await;
        }
        shown(answer)
    }

    /// Puts a view into the cache unless somebody is doing so.
    pub(crate) async fn warmed<F, Fut>(&self, request: &Request, view: View, load: F) -> Result<(), ApiError>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Loaded, ApiError>> + Send,
    {
        let user = &Caller::of(request)?.user;
        let load = || async { Ok::<_, ApiError>(load().await?.into_entry()) };
        Box::pin(self.cache.warm(ask(user, &view, request, &[]), load)).await.map(drop)
    }

    /// Tells the cache of a committed revision, as fast as the write's answer needs it.
    pub(crate) async fn bump(&self, user: &UserId, rev: Rev) {
        if Box::pin(self.cache.bump(user.as_str(), rev.0, BUMP_BUDGET)).await.is_err() {
            tracing::warn!("the cache did not acknowledge an invalidation: the stream will repeat it");
        }
    }

    /// Tells the cache of a committed revision: whether it acknowledged it.
    pub(crate) async fn bump_surely(&self, user: &UserId, rev: Rev) -> bool {
        Box::pin(self.cache.bump(user.as_str(), rev.0, SURE_BUMP_BUDGET)).await.is_ok()
    }

    /// Makes the cache forget a user: whether it acknowledged it.
    pub(crate) async fn purge(&self, user: &UserId) -> bool {
        Box::pin(self.cache.purge(user.as_str(), SURE_BUMP_BUDGET)).await.is_ok()
    }
}

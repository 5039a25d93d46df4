//! What all endpoints share: from the route to the last header.
//!
//! Order: request id, route, preflight, limits of the address, size and type of the body, token, limits of the user, handler under its
//! deadline, error, answer. Size, type and token are looked at before the limits are counted, because that needs no I/O and tells whose
//! limits there are; but an address that is beyond its limit gets 429 whatever else is wrong.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::Timestamp;
use http::header::{self, HeaderMap, HeaderValue};
use lambda_http::Body;
use uuid::Uuid;

use crate::auth::{AuthConfig, KeySet, Verifier};
use crate::cors::Origins;
use crate::encoding::takes_gzip;
use crate::endpoints::{Auth, BodyKind, CachePolicy, Endpoint, Lookup, lookup};
use crate::error::chain;
use crate::finish::Finish;
use crate::json::{JSON_BYTES_MAX, is_json};
use crate::limits::{self, Charges, Counters, Verdict};
use crate::request::validators;
use crate::{ApiError, Caller, ConfigError, Request, Response};

/// Bytes of a body that is not JSON: Lambda's event holds no more as base64.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a signed body: far more than any sender's events have.
const SIGNED_BYTES_MAX: usize = 1_048_576;
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Settings of the edge.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// How tokens are verified.
    pub auth: AuthConfig,
    /// `ALLOWED_ORIGINS`: origins separated by commas, exact or with `*.` for one label; default none.
    /// `STAGE`: outside `production` every localhost port is allowed too; unset means production.
    origins: Origins,
    /// `RATE_LIMITS`: `on` (default) or `off`.
    limits: bool,
}

impl EdgeConfig {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let limits = match lookup("RATE_LIMITS").as_deref() {
            None | Some("" | "on") => true,
            Some("off") => false,
            Some(_) => return Err(ConfigError { variable: "RATE_LIMITS", problem: "is neither on nor off" }),
        };
        Ok(Self { auth: AuthConfig::from_lookup(lookup)?, origins: Origins::from_lookup(lookup)?, limits })
    }
}

impl EdgeConfig {
    /// The settings of a function that no client calls: it needs none, and knows nobody's secret.
    #[must_use]
    pub fn of_nobody() -> Self {
        Self { auth: AuthConfig::Nobody, origins: Origins::default(), limits: false }
    }
}

/// The edge, ready to answer. Built once in init.
#[derive(Debug)]
pub struct Edge {
    verifier: Verifier,
    pub(crate) origins: Origins,
    limits: bool,
}

impl Edge {
    /// Prepares keys and origins.
    #[must_use]
    pub fn new(config: EdgeConfig) -> Self {
        Self { verifier: Verifier::new(&config.auth), origins: config.origins, limits: config.limits }
    }
}

impl Edge {
    /// Whether tokens are verified by keys that come by [`Edge::set_keys`].
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        self.verifier.needs_keys()
    }

    /// Whether the request's token names a key that is not known here.
    #[must_use]
    pub fn misses_key(&self, request: &lambda_http::Request) -> bool {
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.verifier.misses_key(authorization)
    }

    /// Whether a page of this origin may call.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.allow(origin)
    }

    /// Whether tokens can be verified.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.verifier.has_keys()
    }

    /// Replaces the keys of the identity provider. Nothing when they could not be read: the last good ones stay.
    pub fn set_keys(&self, read: Option<KeySet>) {
        self.verifier.set_keys(read);
    }
}

/// What the answer depends on beside the handler's result, taken before the request is consumed.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) started: Instant,
    pub(crate) request_id: String,
    pub(crate) origin: Option<HeaderValue>,
    pub(crate) if_none_match: Vec<String>,
    pub(crate) takes_gzip: bool,
    pub(crate) is_head: bool,
    pub(crate) is_read: bool,
}

impl Ask {
    fn of(request: &lambda_http::Request, started: Instant) -> Self {
        let headers = request.headers();
        let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
        let is_head = request.method() == http::Method::HEAD;
        Self {
            started,
            request_id: request_id(headers),
            origin: headers.get(header::ORIGIN).cloned(),
            if_none_match: validators(headers),
            takes_gzip: takes_gzip(&texts(header::ACCEPT_ENCODING).join(",")),
            is_head,
            is_read: is_head || request.method() == http::Method::GET,
        }
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let usable = |id: &&str| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    given.filter(usable).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

/// What a request meets beside itself.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The moment of the request.
    pub now: Timestamp,
    /// The time that the handler has: past it the answer is 503 and the handler is dropped.
    pub deadline: Option<Duration>,
    /// Where requests are counted, if they are.
    pub counters: Option<&'a dyn Counters>,
}

/// What an answer was about, among its extensions: for whoever writes metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The endpoint's function; nothing when the request reached none.
    pub function: Option<&'static str>,
    /// What became of its limits.
    pub limits: Verdict,
}

/// What the part before the last headers came to.
struct Outcome {
    result: Result<Response, ApiError>,
    endpoint: Option<&'static Endpoint>,
    cookie: Option<String>,
    charges: Arc<Charges>,
}

/// Answers a request: `handler` gets it only when its route, body and token are in order and its limits not reached.
pub async fn handle<F, Fut>(edge: &Edge, request: lambda_http::Request, given: Given<'_>, handler: F) -> lambda_http::Response<Body>
where
    F: FnOnce(Request) -> Fut,
    Fut: Future<Output = Result<Response, ApiError>>,
{
    let ask = Ask::of(&request, Instant::now());
    let finish = Finish { edge, ask: &ask };
    if is_preflight(&request) {
        return finish.preflight();
    }
    let Outcome { result, endpoint, cookie, charges } = run(edge, request, given, handler).await;
    let function = endpoint.map(|endpoint| endpoint.function);
    let policy = endpoint.map_or(CachePolicy::NoStore, |endpoint| endpoint.cache);
    let mut answer = match result.and_then(|response| finish.response(response, policy, cookie)) {
        Ok(answer) => answer,
        Err(error) => {
            log(&error, &ask.request_id, function.unwrap_or_default());
            finish.error(&error)
        }
    };
    charges.show(answer.headers_mut());
    answer.extensions_mut().insert(Served { function, limits: charges.verdict() });
    answer
}

impl std::fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("now", &self.now).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Whether a browser asks if it may ask. It counts in no window, as in the old product: the request that follows does.
fn is_preflight(request: &lambda_http::Request) -> bool {
    let headers = request.headers();
    let asks = headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    request.method() == http::Method::OPTIONS && asks
}

async fn run<F, Fut>(edge: &Edge, request: lambda_http::Request, given: Given<'_>, handler: F) -> Outcome
where
    F: FnOnce(Request) -> Fut,
    Fut: Future<Output = Result<Response, ApiError>>,
{
    let address = limits::address(&request);
    let request = Request::new(request, given.now);
    let (endpoint, checked) = match lookup(request.method(), request.path()) {
        Lookup::Found { endpoint, params } => {
            (Some(endpoint), check(edge, endpoint, &request).map(|caller| (endpoint, params, caller)).map_err(Err))
        }
        Lookup::WrongMethod { allow } if request.method() == http::Method::OPTIONS.as_str() => {
            (None, Err(Ok(Response::json(204, Bytes::new()).header("allow", allow))))
        }
        Lookup::WrongMethod { allow } => (None, Err(Err(ApiError::MethodNotAllowed { allow }))),
        Lookup::Unknown => (None, Err(Err(ApiError::PathNotFound))),
    };
    let user = checked.as_ref().ok().and_then(|(.., caller)| caller.as_ref()).map(|caller| caller.user.clone());
    let counters = given.counters.filter(|_| edge.limits);
    let charges = match counters {
        Some(_) => Charges::of(endpoint, request.path(), &address, user.as_ref()),
        None => Charges::default(),
    };
    let tab = Tab { charges: Arc::new(charges), counters };
    let deadline = given.deadline.map(|time| Instant::now() + time);
    let over_https = request.over_https();
    let result = match checked {
        Err(answer) => tab.after(endpoint, answer).await,
        Ok((endpoint, params, caller)) => match tab.before(endpoint).await {
            Err(error) => Err(error),
            Ok(()) => {
                let request = request.with_params(params).with_charges(Arc::clone(&tab.charges)).with_deadline(deadline);
                let request = caller.into_iter().fold(request, Request::with_caller);
                let result = within(given.deadline, handler(request)).await;
                tab.after(Some(endpoint), result).await
            }
        },
    };
    let raised = result.as_ref().ok().filter(|response| response.raised).and_then(|response| response.rev);
    let cookie = raised.zip(user).map(|(rev, user)| crate::response::rev_cookie(rev, &user, over_https));
    Outcome { result, endpoint, cookie, charges: tab.charges }
}

/// A request's windows, and where they are counted.
struct Tab<'a> {
    charges: Arc<Charges>,
    counters: Option<&'a dyn Counters>,
}

impl Tab<'_> {
    /// Counts the request, if that has not been done.
    async fn count(&self) -> Result<(), ApiError> {
        match (self.counters, self.charges.open()) {
            (None, _) | (_, []) => Ok(()),
            (Some(counters), open) => self.charges.settle(counters.count(open).await),
        }
    }

    /// What is counted before the handler runs: everything that does not count on the way, or only afterwards.
    async fn before(&self, endpoint: &Endpoint) -> Result<(), ApiError> {
        if limits::counts_on_the_way(endpoint) || limits::is_signed(Some(endpoint)) { Ok(()) } else { self.count().await }
    }

    /// What is counted when the result is known: all that was not yet; of signed events only those that were refused.
    async fn after(&self, endpoint: Option<&Endpoint>, result: Result<Response, ApiError>) -> Result<Response, ApiError> {
        let refused = || result.as_ref().is_err_and(|error| error.status() < 500);
        if !limits::is_signed(endpoint) || refused() {
            self.count().await?;
        }
        result
    }
}

/// Looks at body and token: whose request it is.
fn check(edge: &Edge, endpoint: &Endpoint, request: &Request) -> Result<Option<Caller>, ApiError> {
    check_body(endpoint, request)?;
    match endpoint.auth {
        Auth::Public => Ok(None),
        Auth::Bearer => Ok(Some(edge.verifier.caller(request.header("authorization"), request.now())?)),
    }
}

/// Refuses a body by its size and type. An empty one is left to the handler, which says what it misses.
fn check_body(endpoint: &Endpoint, request: &Request) -> Result<(), ApiError> {
    let (limit, typed) = match endpoint.body {
        BodyKind::None => (BODY_BYTES_MAX, false),
        BodyKind::Json => (JSON_BYTES_MAX, true),
        BodyKind::Signed => (SIGNED_BYTES_MAX, false),
    };
    if request.body().len() > limit {
        return Err(ApiError::TooLarge);
    }
    if typed && !request.body().is_empty() && !is_json(request.header("content-type").unwrap_or_default()) {
        return Err(ApiError::UnsupportedType);
    }
    Ok(())
}

async fn within<Fut>(deadline: Option<Duration>, work: Fut) -> Result<Response, ApiError>
where
    Fut: Future<Output = Result<Response, ApiError>>,
{
    match deadline {
        None => work.await,
        Some(deadline) => match tokio::time::timeout(deadline, work).await {
            Ok(result) => result,
            Err(elapsed) => Err(ApiError::Unavailable { retry_after_s: 1, source: elapsed.into() }),
        },
    }
}

/// The one place where an error is logged. Texts of 4xx stay out: they may repeat what the client sent.
fn log(error: &ApiError, request_id: &str, function: &str) {
    let status = error.status();
    if status >= 500 {
        tracing::error!(request_id, function, status, error = %chain(error), "request failed");
    } else {
        tracing::info!(request_id, function, status, "request refused");
    }
}

/// The envelope of an error as bytes.
pub(crate) fn envelope(error: &ApiError) -> Bytes {
    error.body().to_string().into()
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;

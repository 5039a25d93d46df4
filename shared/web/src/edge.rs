//! What all endpoints share: from the route to the last header.
//!
//! Order: request id, route, preflight, size and type of the body, token, handler under its deadline, error, answer.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::Timestamp;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use lambda_http::Body;
use uuid::Uuid;

use crate::auth::{AuthConfig, KeySet, Refusal, Verifier};
use crate::cors::Origins;
use crate::encoding::takes_gzip;
use crate::endpoints::{Auth, BodyKind, CachePolicy, Endpoint, Lookup, lookup};
use crate::error::chain;
use crate::finish::Finish;
use crate::json::{JSON_BYTES_MAX, is_json};
use crate::request::validators;
use crate::{ApiError, ConfigError, Request, Response};

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
}

impl EdgeConfig {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self { auth: AuthConfig::from_lookup(lookup)?, origins: Origins::from_lookup(lookup)? })
    }
}

/// The edge, ready to answer. Built once in init.
#[derive(Debug)]
pub struct Edge {
    verifier: Verifier,
    pub(crate) origins: Origins,
}

impl Edge {
    /// Prepares keys and origins.
    #[must_use]
    pub fn new(config: EdgeConfig) -> Self {
        Self { verifier: Verifier::new(&config.auth), origins: config.origins }
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
    pub fn misses_key(&self, request: &lambda_http::Request, now: Timestamp) -> bool {
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.needs_keys() && self.verifier.caller(authorization, now) == Err(Refusal::UnknownKey)
    }

    /// Replaces the keys of the identity provider.
    pub fn set_keys(&self, keys: KeySet) {
        self.verifier.set_keys(keys);
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

/// What the part before the last headers came to.
struct Outcome {
    result: Result<Response, ApiError>,
    endpoint: Option<&'static Endpoint>,
    cookie: Option<String>,
}

impl From<ApiError> for Outcome {
    fn from(error: ApiError) -> Self {
        Self { result: Err(error), endpoint: None, cookie: None }
    }
}

/// Answers a request: `handler` gets it only when its route, body and token are in order.
///
/// `deadline` is the time that the handler has; past it the answer is 503 and the handler is dropped.
pub async fn handle<F, Fut>(
    edge: &Edge,
    request: lambda_http::Request,
    now: Timestamp,
    deadline: Option<Duration>,
    handler: F,
) -> lambda_http::Response<Body>
where
    F: FnOnce(Request) -> Fut,
    Fut: Future<Output = Result<Response, ApiError>>,
{
    let ask = Ask::of(&request, Instant::now());
    let finish = Finish { edge, ask: &ask };
    if request.method() == http::Method::OPTIONS
        && let Some(answer) = options(&finish, &request)
    {
        return answer;
    }
    let Outcome { result, endpoint, cookie } = run(edge, request, now, deadline, handler).await;
    let function = endpoint.map_or("", |endpoint| endpoint.function);
    let policy = endpoint.map_or(CachePolicy::NoStore, |endpoint| endpoint.cache);
    match result.and_then(|response| finish.response(response, policy, cookie)) {
        Ok(answer) => answer,
        Err(error) => {
            log(&error, &ask.request_id, function);
            finish.error(&error)
        }
    }
}

/// Answers `OPTIONS`: a preflight anywhere, else `Allow` where the path exists.
fn options(finish: &Finish<'_>, request: &lambda_http::Request) -> Option<lambda_http::Response<Body>> {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return Some(finish.preflight());
    }
    match lookup("OPTIONS", request.uri().path()) {
        Lookup::WrongMethod { allow } => Some(finish.empty(StatusCode::NO_CONTENT, &[("allow", &allow)])),
        Lookup::Found { .. } | Lookup::Unknown => None,
    }
}

async fn run<F, Fut>(edge: &Edge, request: lambda_http::Request, now: Timestamp, deadline: Option<Duration>, handler: F) -> Outcome
where
    F: FnOnce(Request) -> Fut,
    Fut: Future<Output = Result<Response, ApiError>>,
{
    let request = Request::new(request, now);
    let (endpoint, params) = match lookup(request.method(), request.path()) {
        Lookup::Found { endpoint, params } => (endpoint, params),
        Lookup::WrongMethod { allow } => return ApiError::MethodNotAllowed { allow }.into(),
        Lookup::Unknown => return ApiError::PathNotFound.into(),
    };
    let checked = check_body(endpoint, &request).and_then(|()| match endpoint.auth {
        Auth::Public => Ok(None),
        Auth::Bearer => edge.verifier.caller(request.header("authorization"), now).map(Some).map_err(ApiError::from),
    });
    let caller = match checked {
        Ok(caller) => caller,
        Err(error) => return Outcome { endpoint: Some(endpoint), ..error.into() },
    };
    let over_https = request.over_https();
    let user = caller.as_ref().map(|caller| caller.user.clone());
    let request = request.with_params(params);
    let request = match caller {
        Some(caller) => request.with_caller(caller),
        None => request,
    };
    let result = within(deadline, handler(request)).await;
    let raised = result.as_ref().ok().filter(|response| response.raised).and_then(|response| response.rev);
    let cookie = raised.zip(user).map(|(rev, user)| crate::response::rev_cookie(rev, &user, over_https));
    Outcome { result, endpoint: Some(endpoint), cookie }
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

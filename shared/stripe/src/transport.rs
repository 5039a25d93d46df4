//! One attempt: a request out, an answer in. Connections are kept, so that only the first call of an environment pays for TLS.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod, VERSION};

use crate::{Config, StripeError};

/// Bytes of an answer. A page of 100 invoices with their lines has about one million.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);
/// Stripe closes idle connections after a minute; a Lambda can be frozen for longer at any time.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest wait that an answer may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Stripe's answer to one attempt.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// None when it is no JSON.
    pub(crate) body: Option<Value>,
    /// `Idempotent-Replayed`: the key was used before.
    pub(crate) replayed: bool,
    /// `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// `Stripe-Should-Retry`: what Stripe itself says about a repetition.
    pub(crate) should_retry: Option<bool>,
    /// `Request-Id`.
    pub(crate) request: Option<String>,
}

/// The way to Stripe.
#[derive(Debug)]
pub(crate) struct Transport {
    client: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    headers: HeaderMap,
    attempts: AtomicU64,
}

impl Transport {
    pub(crate) fn new(config: &Config) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_root_certificates(rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let client =
            HyperClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_TIME_MAX).pool_timer(TokioTimer::new()).build(connector);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, config.authorization());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("callsheets"));
        let version = HeaderValue::from_str(VERSION.as_str()).expect("a date and a word");
        headers.insert("stripe-version", version);
        Self { client, url: config.url.clone(), headers, attempts: AtomicU64::new(0) }
    }

    /// Attempts so far.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Sends a request once. Boxed: the body of an `async fn` is compiled in every crate that awaits it, and with it all of the client.
    pub(crate) fn send<'a>(
        &'a self,
        request: &'a RequestBuilder,
        key: Option<&'a str>,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, StripeError>> + Send + 'a>> {
        Box::pin(self.exchange(request, key))
    }

    async fn exchange(&self, request: &RequestBuilder, key: Option<&str>) -> Result<Answer, StripeError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let answer = self
            .client
            .request(self.request(request, key)?)
            .await
            .map_err(|error| StripeError::unavailable(if error.is_connect() { "no connection" } else { "the connection broke" }))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| StripeError::unavailable("the answer broke off"))?;
        let word = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Answer {
            status: parts.status.as_u16(),
            body: serde_json::from_slice(&body.to_bytes()).ok(),
            replayed: word("idempotent-replayed") == Some("true"),
            retry_after: word(RETRY_AFTER.as_str()).and_then(seconds),
            should_retry: word("stripe-should-retry").and_then(|word| word.parse().ok()),
            request: word("request-id").map(str::to_owned),
        })
    }

    fn request(&self, request: &RequestBuilder, key: Option<&str>) -> Result<Request<Full<Bytes>>, StripeError> {
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let method = match request.method {
            StripeMethod::Get => http::Method::GET,
            StripeMethod::Post => http::Method::POST,
            StripeMethod::Delete => http::Method::DELETE,
        };
        let body = request.body.clone().unwrap_or_default();
        let mut built = Request::builder().method(method).uri(format!("{}/v1{}{query}", self.url, request.path));
        if let Some(headers) = built.headers_mut() {
            headers.extend(self.headers.clone());
        }
        if request.body.is_some() {
            built = built.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(key) = key {
            built = built.header("idempotency-key", key);
        }
        built.body(Full::from(body)).map_err(|_| StripeError::unavailable("the request cannot be written"))
    }
}

/// `Retry-After` in whole seconds, which is the form that Stripe uses.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs).map(|wait| wait.min(RETRY_AFTER_MAX))
}

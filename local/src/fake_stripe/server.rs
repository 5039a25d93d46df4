//! The fake's HTTP: the API with its faults, the pages and the commands behind them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::api::{Asked, error};
use super::shape::Shape;
use super::{Shared, page};

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longer than any client waits.
const HANG: Duration = Duration::from_secs(600);

/// What a request to the API meets instead of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error of this status, nothing done.
    Status(u16),
    /// Too many requests.
    RateLimited {
        /// Seconds that the answer asks to wait; it need not.
        retry_after_s: Option<u64>,
    },
    /// No answer, nothing done.
    Hang,
    /// A page of somebody else's, with status 200.
    Garbage,
    /// The connection is closed before anything is done.
    Closed,
    /// It is done, and the connection is closed before the answer.
    AnswerLost,
}

pub(super) type Answer = Response<Full<Bytes>>;

/// Serves. While connections are refused there is no listener, and those that are open break.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut refusing = shared.refusing.subscribe();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if *refusing.borrow_and_update() {
            listener = None;
            connections.shutdown().await;
            if refusing.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => match TcpListener::bind(shared.address).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(error = %error, "the fake Stripe cannot listen");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        tokio::select! {
            changed = refusing.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
            accepted = open.accept() => if let Ok((stream, _)) = accepted {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                connections.spawn(async move {
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        }
        listener = Some(open);
    }
}

/// An error closes the connection.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "Too large"));
    };
    let body = body.to_bytes();
    match parts.uri.path().strip_prefix("/v1/") {
        Some(path) => api(&shared, &parts, path, &String::from_utf8_lossy(&body)).await,
        None => Ok(page::answer(&shared, &parts, &body)),
    }
}

async fn api(shared: &Shared, parts: &http::request::Parts, path: &str, body: &str) -> io::Result<Answer> {
    let word = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (shape, query) = Shape::of_query(parts.uri.query().unwrap_or_default());
    let asked = Asked { method: parts.method.as_str(), path, query: &query, body, key: word("idempotency-key") };
    let fault = {
        let mut account = shared.account();
        *account.requests.entry(asked.counted()).or_default() += 1;
        account.faults.pop_front()
    };
    match fault {
        Some(Fault::Status(status)) => return Ok(json(error(status, "api_error", None, None))),
        Some(Fault::RateLimited { retry_after_s }) => return Ok(rate_limited(retry_after_s)),
        Some(Fault::Garbage) => return Ok(text(StatusCode::OK, "<html>It works!</html>")),
        Some(Fault::Closed) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Fault::Hang) => tokio::time::sleep(HANG).await,
        Some(Fault::AnswerLost) | None => {}
    }
    let is_key = |key: &str| ["Bearer sk_test_", "Bearer rk_test_"].iter().any(|start| key.starts_with(start));
    if !word(AUTHORIZATION.as_str()).is_some_and(is_key) {
        return Ok(json(error(401, "invalid_request_error", None, None)));
    }
    let (answered, replayed) = shared.account().shaped(shape, |account| account.answer(&asked));
    shared.dispatch();
    if fault == Some(Fault::AnswerLost) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let mut answer = json(answered);
    if replayed {
        answer.headers_mut().insert("idempotent-replayed", http::HeaderValue::from_static("true"));
    }
    Ok(answer)
}

fn rate_limited(retry_after_s: Option<u64>) -> Answer {
    let mut answer = json(error(429, "invalid_request_error", Some("rate_limit"), None));
    if let Some(seconds) = retry_after_s {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    answer
}

/// An answer of the API.
pub(super) fn json((status, body): (u16, Value)) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer.headers_mut().insert("request-id", http::HeaderValue::from_static("req_fake"));
    answer
}

/// A page.
pub(super) fn text(status: StatusCode, html: &str) -> Answer {
    let mut answer = Response::new(Full::from(html.to_owned()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

//! The last step of every answer: validators, compression and the headers that all answers have.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response as HttpResponse, StatusCode};
use lambda_http::Body;

use bytes::Bytes;

use crate::edge::{Ask, Edge, envelope};
use crate::encoding::{GZIP_ABOVE_BYTES, gzip, inflate};
use crate::endpoints::CachePolicy;
use crate::response::weak_etag;
use crate::{ApiError, Response};

// Statics, because a header that is made from a text is checked byte by byte each time.
static SECURITY: [(HeaderName, HeaderValue); 6] = [
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-site")),
    (header::VARY, HeaderValue::from_static("Origin, Accept-Encoding")),
];
/// Headers of an answer, and some more: a map that grows is built anew.
const HEADERS: usize = 32;
const JSON: &str = "application/json; charset=utf-8";
/// Bytes of a body that travels as text.
const TEXT_BYTES_MAX: usize = 1_000_000;

/// Turns results into HTTP answers.
pub(crate) struct Finish<'a> {
    pub(crate) edge: &'a Edge,
    pub(crate) ask: &'a Ask,
}

impl Finish<'_> {
    /// A handler's response: 304, or its body in the coding that the client takes.
    pub(crate) fn response(&self, response: Response, policy: CachePolicy, cookie: Option<String>) -> Result<HttpResponse<Body>, ApiError> {
        let Response { status, body, gzip: packed, etag, rev, raised: _, compressed, headers: extra } = response;
        let status = StatusCode::from_u16(status).map_err(|error| ApiError::Internal(error.into()))?;
        let mut headers = HeaderMap::with_capacity(HEADERS);
        let etag = match etag {
            Some(etag) => Some(etag),
            None if status == StatusCode::OK && self.ask.is_read && policy != CachePolicy::NoStore => {
                Some(weak_etag(&plain(&body, packed)?))
            }
            None => None,
        };
        set(&mut headers, "cache-control", if status.is_success() { cache_control(policy) } else { "no-store" });
        if let Some(etag) = &etag {
            set(&mut headers, "etag", etag);
        }
        if let Some(rev) = rev {
            set(&mut headers, "x-rev", &rev.to_string());
        }
        if let Some(cookie) = &cookie {
            set(&mut headers, "set-cookie", cookie);
        }
        for (name, value) in &extra {
            set(&mut headers, name, value);
        }
        let current = status == StatusCode::OK && self.ask.is_read && etag.as_deref().is_some_and(|etag| self.holds(etag));
        if current {
            return Ok(self.last(StatusCode::NOT_MODIFIED, headers, Body::Empty));
        }
        let (body, coded) = if compressed { (body, false) } else { self.coded(body, packed)? };
        if coded {
            set(&mut headers, "content-encoding", "gzip");
        }
        if !headers.contains_key(header::CONTENT_TYPE) && !body.is_empty() {
            set(&mut headers, "content-type", JSON);
        }
        Ok(self.last(status, headers, if coded { Body::Binary(body.into()) } else { text(body) }))
    }

    /// An error in its envelope.
    pub(crate) fn error(&self, error: &ApiError) -> HttpResponse<Body> {
        let mut headers = HeaderMap::new();
        set(&mut headers, "content-type", JSON);
        set(&mut headers, "cache-control", "no-store");
        for (name, value) in error.headers() {
            set(&mut headers, name, &value);
        }
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.last(status, headers, text(envelope(error)))
    }

    /// The answer to a preflight request.
    pub(crate) fn preflight(&self) -> HttpResponse<Body> {
        let mut answer = self.empty(StatusCode::NO_CONTENT, &[]);
        self.edge.origins.preflight(self.ask.origin.as_ref(), answer.headers_mut());
        answer
    }

    /// An answer without a body.
    pub(crate) fn empty(&self, status: StatusCode, extra: &[(&'static str, &str)]) -> HttpResponse<Body> {
        let mut headers = HeaderMap::new();
        set(&mut headers, "cache-control", "no-store");
        for (name, value) in extra {
            set(&mut headers, name, value);
        }
        self.last(status, headers, Body::Empty)
    }

    /// Whether the client already holds this version; the comparison is weak (RFC 9110, 13.1.2).
    fn holds(&self, etag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        self.ask.if_none_match.iter().any(|tag| tag == "*" || opaque(tag) == opaque(etag))
    }

    /// The body as it travels, and whether that is gzip. A body that was stored packed is unpacked only for those who must.
    fn coded(&self, body: Bytes, packed: bool) -> Result<(Bytes, bool), ApiError> {
        Ok(match (packed, self.ask.takes_gzip) {
            (true, true) => (body, true),
            (true, false) => (plain(&body, true)?, false),
            (false, true) if body.len() > GZIP_ABOVE_BYTES => (gzip(&body), true),
            (false, _) => (body, false),
        })
    }

    fn last(&self, status: StatusCode, mut headers: HeaderMap, body: Body) -> HttpResponse<Body> {
        secure(&mut headers);
        set(&mut headers, "x-request-id", &self.ask.request_id);
        let total = format!("total;dur={:.1}", self.ask.started.elapsed().as_secs_f64() * 1000.0);
        let timing = match headers.get("server-timing").and_then(|parts| parts.to_str().ok()) {
            Some(parts) => format!("{parts}, {total}"),
            None => total,
        };
        set(&mut headers, "server-timing", &timing);
        self.edge.origins.answer(self.ask.origin.as_ref(), &mut headers);
        let mut answer = HttpResponse::new(if self.ask.is_head { Body::Empty } else { body });
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        answer
    }
}

/// Adds the headers that every answer has whatever was asked.
pub fn secure(headers: &mut HeaderMap) {
    for (name, value) in &SECURITY {
        headers.insert(name, value.clone());
    }
}

fn plain(body: &Bytes, packed: bool) -> Result<Bytes, ApiError> {
    if packed { inflate(body).map_err(|error| ApiError::Internal(error.into())) } else { Ok(body.clone()) }
}

fn cache_control(policy: CachePolicy) -> &'static str {
    match policy {
        CachePolicy::Private => "private, no-cache",
        CachePolicy::Plans => "public, max-age=300, stale-while-revalidate=3600",
        CachePolicy::NoStore => "no-store",
    }
}

/// Text where it is text: an answer as base64 costs a third more. But escapes can make a text six times as long, and Lambda's answer holds
/// 6 MB: a long body always takes the way whose length is known.
fn text(body: Bytes) -> Body {
    if body.len() > TEXT_BYTES_MAX {
        return Body::Binary(body.into());
    }
    match String::from_utf8(body.into()) {
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    }
}

/// Sets a header. A value that no header can hold is left out, and said so in the log.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            headers.insert(HeaderName::from_static(name), value);
        }
        Err(_) => tracing::warn!(name, "header left out: its value has a character that no header can have"),
    }
}

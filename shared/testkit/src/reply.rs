//! An answer, and what a test expects of it. Every expectation returns the answer again, so that they can be chained.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply(Arc<Parts>);

/// Its parts.
#[derive(Debug)]
pub struct Parts {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it travels.
    pub body: Bytes,
    /// The body as JSON, decompressed; null when it is none.
    pub json: Value,
    asked: String,
}

impl Deref for Reply {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Reply {
    /// The answer to what was asked.
    #[must_use]
    pub fn new(asked: String, response: http::Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&plain(&parts.headers, &body)).unwrap_or_default();
        Self(Arc::new(Parts { status: parts.status.as_u16(), headers: parts.headers, body, json, asked }))
    }

    /// The body as text, decompressed.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&plain(&self.headers, &self.body)).into_owned()
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Expects a status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, String::from_utf8_lossy(&self.body));
        self.clone()
    }

    /// Expects a value at a JSON pointer; the empty one is the whole body.
    #[track_caller]
    pub fn expect_json(&self, pointer: &str, expected: impl Into<Value>) -> Self {
        let expected = expected.into();
        match self.json.pointer(pointer) {
            Some(found) => assert_eq!(*found, expected, "{} at {pointer}", self.asked),
            None => panic!("{} has nothing at {pointer}: {}", self.asked, self.json),
        }
        self.clone()
    }

    /// Expects no key at a JSON pointer: `null` is one.
    #[track_caller]
    pub fn expect_absent(&self, pointer: &str) -> Self {
        assert_eq!(self.json.pointer(pointer), None, "{} at {pointer}", self.asked);
        self.clone()
    }

    /// Expects a header.
    #[track_caller]
    pub fn expect_header(&self, name: &str, expected: &str) -> Self {
        assert_eq!(self.header(name), Some(expected), "{}: header {name}", self.asked);
        self.clone()
    }
}

fn plain<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
    if headers.get("content-encoding").is_none_or(|coding| coding != "gzip") {
        return Cow::Borrowed(body);
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain).expect("a gzip body");
    Cow::Owned(plain)
}

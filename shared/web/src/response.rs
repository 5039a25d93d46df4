//! What a handler returns; the edge adds what every answer has.

use std::array;

use bytes::Bytes;
use domain::{Rev, UserId};
use sha2::{Digest, Sha256};

use crate::encoding::inflate;

/// The mark of a body that may be out of date.
const STALE: &str = r#""stale":true"#;

/// A body as a cache keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBody {
    /// The JSON, perhaps compressed.
    pub bytes: Bytes,
    /// Whether `bytes` is gzip.
    pub gzip: bool,
    /// The `ETag` of the JSON, with quotes.
    pub etag: String,
}

/// Status, JSON body and what the body shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) gzip: bool,
    pub(crate) etag: Option<String>,
    pub(crate) rev: Option<Rev>,
    pub(crate) raised: bool,
    pub(crate) compressed: bool,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Response {
    /// A finished JSON body. The edge computes a weak `ETag` for reads unless one is set.
    #[must_use]
    pub fn json(status: u16, body: Bytes) -> Self {
        Self { status, body, gzip: false, etag: None, rev: None, raised: false, compressed: false, headers: Vec::new() }
    }

    /// A file that is shown under its own type. One that is `compressed` by itself is not compressed again.
    #[must_use]
    pub fn file(body: Bytes, content_type: &'static str, disposition: impl Into<String>, compressed: bool) -> Self {
        let file = Self { compressed, ..Self::json(200, body) };
        file.header("content-type", content_type).header("content-disposition", disposition)
    }

    /// `303`: what was asked for lies at another address.
    #[must_use]
    pub fn see_other(location: impl Into<String>) -> Self {
        Self::json(303, Bytes::new()).header("location", location)
    }

    /// A body that was stored, with status 200.
    #[must_use]
    pub fn stored(body: StoredBody) -> Self {
        let StoredBody { bytes, gzip, etag } = body;
        Self { gzip, etag: Some(etag), ..Self::json(200, bytes) }
    }

    /// Sets the `ETag`, quotes included.
    #[must_use]
    pub fn etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// Sets the strong `ETag` of a contact's version (D25).
    #[must_use]
    pub fn strong_etag(self, cv: u64) -> Self {
        self.etag(strong_etag(cv))
    }

    /// Says which revision the body shows: `X-Rev`.
    #[must_use]
    pub fn rev(mut self, rev: Rev) -> Self {
        self.rev = Some(rev);
        self
    }

    /// Says which revision this change made: `X-Rev`, and the cookie `rev` for browsers.
    #[must_use]
    pub fn raised_rev(mut self, rev: Rev) -> Self {
        self.raised = true;
        self.rev(rev)
    }

    /// Sets `Cache-Status` (RFC 9211).
    #[must_use]
    pub fn cache_status(self, value: impl Into<String>) -> Self {
        self.header("cache-status", value)
    }

    /// Sets `Age`, in seconds.
    #[must_use]
    pub fn age(self, seconds: u64) -> Self {
        self.header("age", seconds.to_string())
    }

    /// Adds a header; its name is lower case. It replaces one that the edge would set.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `"stale": true` to the body: it shows what was known before its source failed.
    #[must_use]
    pub fn marked_stale(mut self) -> Self {
        let plain = if self.gzip { inflate(&self.body).unwrap_or_default() } else { self.body.clone() };
        // Our own bodies are objects with at least one key; within a text the quotes of the mark would be escaped.
        let is_marked = std::str::from_utf8(&plain).is_ok_and(|text| text.contains(STALE));
        if let Some(rest) = plain.strip_prefix(b"{").filter(|_| !is_marked) {
            self.body = [b"{", STALE.as_bytes(), b",", rest].concat().into();
            (self.gzip, self.etag) = (false, Some(weak_etag(&self.body)));
        }
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body; gzip when it was stored so.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// `W/"<16 hex>"`: a hash of the uncompressed body.
#[must_use]
pub fn weak_etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("W/\"{:016x}\"", u64::from_be_bytes(array::from_fn(|at| digest[at])))
}

/// `"<cv>"`: the version of a contact (D25).
#[must_use]
pub fn strong_etag(cv: u64) -> String {
    format!("\"{cv}\"")
}

/// Eight hex digits that tell one user's cookie from another's.
pub(crate) fn user_mark(user: &UserId) -> String {
    let digest = Sha256::digest(user.as_str());
    format!("{:08x}", u32::from_be_bytes(array::from_fn(|at| digest[at])))
}

/// The `Set-Cookie` value that carries `rev` for browsers.
pub(crate) fn rev_cookie(rev: Rev, user: &UserId, over_https: bool) -> String {
    let site = if over_https { "Secure; SameSite=None" } else { "SameSite=Lax" };
    format!("rev={rev}.{}; Path=/; HttpOnly; {site}", user_mark(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_secure_wherever_it_can_be() {
        let user = UserId::parse("u1").unwrap();
        let mark = user_mark(&user);
        assert_eq!(mark.len(), 8);
        assert_eq!(rev_cookie(Rev(7), &user, true), format!("rev=7.{mark}; Path=/; HttpOnly; Secure; SameSite=None"));
        assert_eq!(rev_cookie(Rev(7), &user, false), format!("rev=7.{mark}; Path=/; HttpOnly; SameSite=Lax"));
    }

    #[test]
    fn etags_depend_on_the_body_alone() {
        assert_eq!(weak_etag(b"{}"), weak_etag(b"{}"));
        assert_ne!(weak_etag(b"{}"), weak_etag(b"[]"));
        assert_eq!((weak_etag(b"{}").len(), strong_etag(7)), (20, "\"7\"".to_owned()));
    }

    #[test]
    fn a_stale_body_says_so_compressed_or_not() {
        let body = Bytes::from_static(br#"{"success":true}"#);
        for (bytes, gzip) in [(body.clone(), false), (crate::gzip(&body), true)] {
            let stored = Response::stored(StoredBody { bytes, gzip, etag: weak_etag(&body) }).marked_stale();
            assert_eq!((stored.body.as_ref(), stored.gzip), (br#"{"stale":true,"success":true}"#.as_slice(), false));
            assert_ne!(stored.etag, Some(weak_etag(&body)), "the fresh body is another one");
            assert_eq!(stored.clone().marked_stale(), stored, "one mark is enough");
        }
    }
}

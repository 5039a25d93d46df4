//! A request as a handler sees it: routed, its caller known.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domain::{Rev, Timestamp, UserId};
use http::HeaderMap;
use lambda_http::Body;
use percent_encoding::percent_decode;

use crate::limits::Charges;
use crate::response::user_mark;
use crate::{ApiError, IfMatch};

/// Who calls, from a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose data is served.
    pub user: UserId,
    /// As the identity provider names it.
    pub email: Option<String>,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `401` `Access token required` when the endpoint is public.
    pub fn of(request: &Request) -> Result<&Self, ApiError> {
        request.caller.as_ref().ok_or(ApiError::TokenRequired)
    }
}

/// A request: path, query, headers, body, moment and caller.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    now: Timestamp,
    params: Vec<(&'static str, String)>,
    caller: Option<Caller>,
    charges: Arc<Charges>,
    over_https: bool,
    deadline: Option<Instant>,
}

impl Request {
    /// Takes over what the Lambda runtime, or a local server, received.
    #[must_use]
    pub fn new(request: lambda_http::Request, now: Timestamp) -> Self {
        let (parts, body) = request.into_parts();
        let scheme = parts.headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).or(parts.uri.scheme_str());
        Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(pairs).unwrap_or_default(),
            over_https: scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
            headers: parts.headers,
            body: into_bytes(body),
            now,
            params: Vec::new(),
            caller: None,
            charges: Arc::default(),
            deadline: None,
        }
    }

    /// Adds until when there is time for it.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Until when there is time; nothing when nobody stops the handler.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Adds what the route's template named.
    #[must_use]
    pub fn with_params(mut self, params: Vec<(&'static str, String)>) -> Self {
        self.params = params;
        self
    }

    /// Adds the windows that it counts in.
    pub(crate) fn with_charges(mut self, charges: Arc<Charges>) -> Self {
        self.charges = charges;
        self
    }

    /// The windows that it counts in: whoever asks the cache for it counts it on the way.
    #[must_use]
    pub fn charges(&self) -> &Charges {
        &self.charges
    }

    /// Adds who calls.
    #[must_use]
    pub fn with_caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// The path as sent, without the query string.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The method, upper case.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The moment of the request.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The first value of a header, when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The entity tags of `If-None-Match`, as sent.
    #[must_use]
    pub fn validators(&self) -> Vec<String> {
        validators(&self.headers)
    }

    /// The versions that `If-Match` accepts; nothing when it was not sent.
    #[must_use]
    pub fn if_match(&self) -> Option<IfMatch> {
        IfMatch::of(&self.headers)
    }

    /// The body as sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The least revision that the answer must show: the highest of `X-Rev` and the caller's own cookie `rev`.
    ///
    /// What cannot be read, and a cookie left by another user of the same browser, asks for nothing.
    #[must_use]
    pub fn min_rev(&self) -> Option<Rev> {
        let header = self.header("x-rev").and_then(revision);
        let cookie = self.caller.as_ref().and_then(|caller| self.rev_cookie(&caller.user));
        header.max(cookie)
    }

    fn rev_cookie(&self, user: &UserId) -> Option<Rev> {
        let mark = user_mark(user);
        let texts = self.headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
        let values = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().strip_prefix("rev="));
        values.filter_map(|value| value.split_once('.')).filter(|(_, found)| *found == mark).filter_map(|(rev, _)| revision(rev)).max()
    }

    pub(crate) fn over_https(&self) -> bool {
        self.over_https
    }
}

/// The entity tags of `If-None-Match`.
pub(crate) fn validators(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(http::header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
}

fn revision(text: &str) -> Option<Rev> {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().map(Rev)
}

fn into_bytes(body: Body) -> Bytes {
    match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        _ => Bytes::new(),
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced: Cow<'_, [u8]> = match text.contains('+') {
            true => text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect(),
            false => text.as_bytes().into(),
        };
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    let split =
        |pair: &str| pair.split_once('=').map_or_else(|| (decode(pair), String::new()), |(name, value)| (decode(name), decode(value)));
    query.split('&').filter(|pair| !pair.is_empty()).map(split).collect()
}

/// The first value of a query parameter, percent-decoded; `Some("")` when it is there without one.
#[must_use]
pub fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// A query parameter that narrows to one id; absent, empty and `all` mean no narrowing.
///
/// # Errors
/// `400` for any other text that is no id.
pub fn id_filter<T: FromStr>(request: &Request, name: &str) -> Result<Option<T>, ApiError> {
    match query(request, name) {
        None | Some("" | "all") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| ApiError::BadRequest(format!("Invalid {name} format. Must be a valid UUID."))),
    }
}

/// An id in the path.
///
/// # Errors
/// `404` when it is none: nothing has such an id.
pub fn path_id<T: FromStr>(request: &Request, param: &str, entity: &'static str) -> Result<T, ApiError> {
    let text = request.params.iter().find(|(name, _)| *name == param).map(|(_, value)| value.as_str());
    text.and_then(|text| text.parse().ok()).ok_or(ApiError::NotFound(entity))
}

#[cfg(test)]
mod tests {
    use domain::ContactId;

    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut builder = http::Request::builder().uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Request::new(builder.body(Body::Empty).unwrap(), Timestamp::from_ms(0))
    }

    #[test]
    fn query_values_are_decoded_and_the_first_wins() {
        let request = request("/x?a=1%202+3&a=9&b&c=%C3%A9&d=%ff", &[]);
        assert_eq!(query(&request, "a"), Some("1 2 3"));
        assert_eq!((query(&request, "b"), query(&request, "z")), (Some(""), None));
        assert_eq!((query(&request, "c"), query(&request, "d")), (Some("é"), Some("\u{fffd}")));
    }

    #[test]
    fn filters_take_ids_and_the_word_all() {
        let id = "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01";
        for uri in ["/x", "/x?jobId=", "/x?jobId=all"] {
            assert_eq!(id_filter::<ContactId>(&request(uri, &[]), "jobId").unwrap(), None);
        }
        assert_eq!(id_filter::<ContactId>(&request(&format!("/x?jobId={id}"), &[]), "jobId").unwrap().unwrap().to_string(), id);
        assert_eq!(id_filter::<ContactId>(&request("/x?jobId=1", &[]), "jobId").unwrap_err().status(), 400);
    }

    #[test]
    fn a_path_that_is_no_id_is_not_found() {
        let request = request("/x", &[]).with_params(vec![("id", "stats".to_owned())]);
        assert_eq!(path_id::<ContactId>(&request, "id", "Contact").unwrap_err().to_string(), "Contact not found");
    }

    #[test]
    fn the_highest_revision_that_is_the_callers_own_counts() {
        let user = UserId::parse("u1").unwrap();
        let caller = Caller { user: user.clone(), email: None };
        let cookie = format!("a=b; rev=12.{}; rev=99.00000000", user_mark(&user));
        let ask = |headers: &[(&str, &str)]| request("/x", headers).with_caller(caller.clone()).min_rev();
        assert_eq!(ask(&[("cookie", &cookie)]), Some(Rev(12)));
        assert_eq!(ask(&[("cookie", &cookie), ("x-rev", "15")]), Some(Rev(15)));
        assert_eq!(ask(&[("cookie", &cookie), ("x-rev", "-1")]), Some(Rev(12)));
        assert_eq!(ask(&[("x-rev", "99999999999999999999999")]), None);
        assert_eq!(request("/x", &[("cookie", &cookie)]).min_rev(), None);
    }
}

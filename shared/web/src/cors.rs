//! Which web pages may call, and with what.

use http::HeaderMap;
use http::header::{self, HeaderValue};

use crate::ConfigError;

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
/// Contract section 13, the conditional headers and `X-Rev` of the contract, and the key of a wish that is sent twice.
const REQUEST_HEADERS: &str = "Content-Type, Authorization, X-Requested-With, Accept, Origin, Cache-Control, Pragma, Expires, X-Timestamp, \
     If-None-Match, If-Match, X-Rev, X-Request-Id, Idempotency-Key";
/// A static, because a header that is made from a text is checked byte by byte each time.
static RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "X-Request-Id, X-Rev, ETag, Cache-Status, Age, Server-Timing, RateLimit-Limit, RateLimit-Remaining, \
     RateLimit-Reset, Retry-After, WWW-Authenticate, X-Next-Cursor, Location, Content-Disposition, Allow",
);

/// Allowed origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    exact: Vec<String>,
    /// What stands before and after the one label that may be anything.
    patterns: Vec<(String, String)>,
    localhost: bool,
}

impl Origins {
    /// Reads `ALLOWED_ORIGINS` and `STAGE`.
    pub(crate) fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let bad = |problem| ConfigError { variable: "ALLOWED_ORIGINS", problem };
        // A forgotten STAGE is taken for production: the stricter choice.
        let stage = lookup("STAGE").unwrap_or_default().to_ascii_lowercase();
        let mut origins = Self { localhost: !matches!(stage.as_str(), "" | "production" | "prod"), ..Self::default() };
        let text = lookup("ALLOWED_ORIGINS").unwrap_or_default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let host = entry.strip_prefix("https://").or_else(|| entry.strip_prefix("http://"));
            let host = host.ok_or(bad("each origin starts with https:// or http://"))?;
            if host.is_empty() || host.contains('/') {
                return Err(bad("an origin is a scheme and a host, without a path"));
            }
            match entry.split_once("*.") {
                Some((scheme, rest)) if scheme.ends_with("://") && !rest.is_empty() && !rest.contains('*') => {
                    origins.patterns.push((scheme.to_ascii_lowercase(), format!(".{}", rest.to_ascii_lowercase())));
                }
                None if !entry.contains('*') => origins.exact.push(entry.to_ascii_lowercase()),
                _ => return Err(bad("a pattern has one *. before its host")),
            }
        }
        Ok(origins)
    }

    pub(crate) fn allow(&self, origin: &str) -> bool {
        let label = |(scheme, host): &(String, String)| {
            let label = origin.strip_prefix(scheme.as_str()).and_then(|rest| rest.strip_suffix(host.as_str()));
            label.is_some_and(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        };
        self.exact.iter().any(|exact| exact == origin) || self.patterns.iter().any(label) || self.localhost && is_localhost(origin)
    }

    /// Adds what the browser needs to hand an answer to the page.
    pub(crate) fn answer(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if let Some(origin) = origin.filter(|origin| origin.to_str().is_ok_and(|text| self.allow(text))) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS.clone());
        }
    }

    /// Adds what a preflight asks for, when its origin is allowed.
    pub(crate) fn preflight(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        self.answer(origin, headers);
        headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
    }
}

fn is_localhost(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let host = host.map(|host| host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))));
    host.is_some_and(|(name, port)| name == "localhost" && port.is_none_or(|port| port.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &str, stage: &str) -> Result<Origins, ConfigError> {
        Origins::from_lookup(&|name| Some(if name == "STAGE" { stage } else { list }.to_owned()))
    }

    #[test]
    fn exact_origins_and_one_label_are_allowed() {
        let origins = origins("https://app.example, https://*.preview.example", "production").unwrap();
        for yes in ["https://app.example", "https://a-1.preview.example"] {
            assert!(origins.allow(yes), "{yes}");
        }
        for no in [
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil",
            "https://preview.example",
            "https://.preview.example",
            "https://a.b.preview.example",
            "https://evil/x.preview.example",
            "https://evilpreview.example",
            "http://localhost:3000",
            "null",
            "",
        ] {
            assert!(!origins.allow(no), "{no}");
        }
    }

    #[test]
    fn any_localhost_port_is_allowed_outside_production() {
        let development = origins("", "dev").unwrap();
        for yes in ["http://localhost", "http://localhost:5173", "https://localhost:3000"] {
            assert!(development.allow(yes), "{yes}");
        }
        for no in ["http://localhost.evil", "http://localhost:x", "http://localhost:1@evil", "http://evil/localhost"] {
            assert!(!development.allow(no), "{no}");
        }
        assert!(!origins("", "").unwrap().allow("http://localhost"));
    }

    #[test]
    fn a_bad_origin_names_its_variable() {
        for bad in ["app.example", "https://", "https://a/b", "https://*", "https://a.*.b", "https://*.*.b", "*"] {
            assert_eq!(origins(bad, "dev").unwrap_err().variable, "ALLOWED_ORIGINS", "{bad}");
        }
    }
}

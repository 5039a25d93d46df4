//! What can go wrong with a request, as the client sees it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::limits::{Rule, seconds};

/// A cause of any type, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A setting that is missing or unusable. The text names the variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong with its value; never the value itself.
    pub problem: &'static str,
}

/// A refusal or failure. Its `Display` is the text that the client gets (D8); causes stay in the log.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: a bad parameter or body.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no `Authorization: Bearer` header.
    #[error("Access token required")]
    TokenRequired,
    /// 401: a token that is forged, expired or names no valid user.
    #[error("Invalid or expired token")]
    TokenInvalid,
    /// 401: the account was deleted (D14).
    #[error("User not found")]
    UserNotFound,
    /// 403: known, but not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// 404: the caller has no such thing; another user's looks the same (D7).
    #[error("{0} not found")]
    NotFound(&'static str),
    /// 404: the caller has nothing of what was asked for.
    #[error("{0}")]
    NothingFound(String),
    /// 404: no endpoint has this path.
    #[error("Not found")]
    PathNotFound,
    /// 405: the path has other methods.
    #[error("Method not allowed")]
    MethodNotAllowed {
        /// Value of the `Allow` header.
        allow: String,
    },
    /// 408: the request took too long.
    #[error("Request timeout")]
    Timeout,
    /// 409: contradicts the present state.
    #[error("{0}")]
    Conflict(String),
    /// 412: `If-Match` names a version that is no longer current (D25).
    #[error("Contact was changed meanwhile")]
    Stale,
    /// 413: the body is too large.
    #[error("Request body too large")]
    TooLarge,
    /// 415: the body's type is not accepted.
    #[error("Unsupported content type")]
    UnsupportedType,
    /// 422: understood, but cannot be done.
    #[error("{0}")]
    Unprocessable(String),
    /// 429: too many requests in the window.
    #[error("{}", rule.text)]
    RateLimited {
        /// The limit.
        rule: &'static Rule,
        /// Time until the window ends.
        left: Duration,
    },
    /// 503: a source fails; the same request may succeed later.
    #[error("Service unavailable")]
    Unavailable {
        /// Seconds to wait before a repeat.
        retry_after_s: u64,
        /// The cause, for the log.
        source: BoxError,
    },
    /// 500: a fault of ours.
    #[error("Internal server error")]
    Internal(#[source] BoxError),
}

impl ApiError {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::TokenRequired | Self::TokenInvalid | Self::UserNotFound => 401,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) | Self::NothingFound(_) | Self::PathNotFound => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::Timeout => 408,
            Self::Conflict(_) => 409,
            Self::Stale => 412,
            Self::TooLarge => 413,
            Self::UnsupportedType => 415,
            Self::Unprocessable(_) => 422,
            Self::RateLimited { .. } => 429,
            Self::Internal(_) => 500,
            Self::Unavailable { .. } => 503,
        }
    }

    /// The body: the envelope, with the extras of a rate limit.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"success": false, "error": self.to_string()});
        if let Self::RateLimited { rule, left } = self {
            body[rule.code_key] = json!("RATE_LIMIT_EXCEEDED");
            body["retryAfter"] = json!(seconds(*left).max(1));
            body["limit"] = json!(rule.limit);
            body["window"] = json!(u64::try_from(rule.window.as_millis()).unwrap_or(u64::MAX));
        }
        body
    }

    /// Headers of this error beside those of every answer.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::MethodNotAllowed { allow } => vec![("allow", allow.clone())],
            Self::TokenRequired => vec![("www-authenticate", "Bearer".to_owned())],
            Self::TokenInvalid | Self::UserNotFound => vec![("www-authenticate", "Bearer error=\"invalid_token\"".to_owned())],
            Self::Unavailable { retry_after_s, .. } => vec![("retry-after", (*retry_after_s).max(1).to_string())],
            Self::RateLimited { left, .. } => vec![("retry-after", seconds(*left).max(1).to_string())],
            _ => Vec::new(),
        }
    }
}

/// An error and what caused it, in one line for the log.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stay_in_the_log() {
        let error = ApiError::Unavailable { retry_after_s: 0, source: "table arn:secret".into() };
        assert_eq!(error.body(), json!({"success": false, "error": "Service unavailable"}));
        assert_eq!(error.headers(), vec![("retry-after", "1".to_owned())]);
        assert_eq!(chain(&error), "Service unavailable: table arn:secret");
    }

    #[test]
    fn clients_match_on_these_texts() {
        assert_eq!(ApiError::NotFound("Contact").to_string(), "Contact not found");
        assert_eq!(ApiError::PathNotFound.to_string(), "Not found");
    }
}

//! A failed call, sorted by what the caller can do about it.

use std::time::Duration;

/// A failed call. Stripe's messages are left out: they can repeat what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StripeError {
    /// Stripe has no such object. A canceled subscription counts as none for whoever wants to cancel it.
    #[error("Stripe has no such object")]
    NotFound,
    /// The parameters, or the state of the object, do not allow it. Repeating cannot help.
    #[error("Stripe refused with status {status}, code {code:?}, parameter {param:?}, request {request:?}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stripe's word for the reason, such as `resource_missing`.
        code: Option<String>,
        /// The parameter that it is about.
        param: Option<String>,
        /// Stripe's id of the request, for its dashboard.
        request: Option<String>,
    },
    /// Too many requests, or another one with the same key is running. The same call may succeed later.
    #[error("Stripe is busy (status {status})")]
    Busy {
        /// HTTP status.
        status: u16,
        /// Time that Stripe asked to wait.
        retry_after: Option<Duration>,
    },
    /// No answer, no connection, an error of Stripe's, or it is left alone after such. The same call may succeed later.
    #[error("Stripe is unavailable: {reason}")]
    Unavailable {
        /// Which of these.
        reason: &'static str,
        /// Time after which it makes sense to ask again.
        retry_after: Option<Duration>,
    },
    /// The key is not accepted, or not for this. A person has to look at it.
    #[error("Stripe does not accept the key (status {status}, request {request:?})")]
    KeyRejected {
        /// HTTP status.
        status: u16,
        /// Stripe's id of the request, for its dashboard.
        request: Option<String>,
    },
}

impl StripeError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. })
    }

    /// Time to wait before the same call, if one is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether Stripe says that the object which this parameter names is not there.
    #[must_use]
    pub fn is_missing(&self, parameter: &str) -> bool {
        matches!(self, Self::Refused { code: Some(code), param: Some(param), .. } if code == "resource_missing" && param == parameter)
    }

    pub(crate) fn unavailable(reason: &'static str) -> Self {
        Self::Unavailable { reason, retry_after: None }
    }
}

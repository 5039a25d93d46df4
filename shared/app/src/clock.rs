//! The one place that asks for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// Wall clock of the process: the system's, or one that stands still until it is set (`--now`, tests).
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's.
    System,
    /// Milliseconds since 1970.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn frozen(now: Timestamp) -> Self {
        Self::Set(Arc::new(AtomicI64::new(now.ms())))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Set(ms) => Timestamp::from_ms(ms.load(Ordering::SeqCst)),
        }
    }

    /// Sets a frozen clock; the system's stays as it is.
    pub fn set(&self, now: Timestamp) {
        if let Self::Set(ms) = self {
            ms.store(now.ms(), Ordering::SeqCst);
        }
    }
}

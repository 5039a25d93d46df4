//! The auditor: behind one of so many hits it reads the revision from the table, and says so when the cache must not have answered.
//!
//! A hit may be older than the table while its invalidation is on the way: the write's own takes milliseconds, the stream's seconds. What was
//! committed longer ago than that and is still not heard of was lost. Nothing runs after a Lambda has answered, so the look comes before the
//! answer, within its budget.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{Rev, Timestamp, UserId};
use store::Head;
use web::ConfigError;

use crate::App;
use crate::metrics::{AUDIT_CHECKED, AUDIT_VIOLATION};

/// Time that the look may take.
const BUDGET: Duration = Duration::from_millis(50);
/// How long an invalidation may take, that of the stream included.
const LAG_MS_MAX: i64 = 10_000;
const ONE_IN: u64 = 1_000;

/// Which hits are looked behind.
#[derive(Debug)]
pub struct Auditor {
    /// `AUDIT_ONE_IN`: one of so many hits; 0 for none; default 1000.
    one_in: u64,
    hits: AtomicU64,
}

impl Auditor {
    /// Looks behind one of `one_in` hits; never if that is 0.
    #[must_use]
    pub fn one_in(one_in: u64) -> Self {
        // Processes that live for few hits look too, if they begin anywhere.
        let begin = if one_in == 0 { 0 } else { RandomState::new().hash_one(one_in) % one_in };
        Self { one_in, hits: AtomicU64::new(begin) }
    }

    /// Reads the setting through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no number.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "AUDIT_ONE_IN";
        match lookup(VARIABLE).filter(|text| !text.is_empty()) {
            None => Ok(Self::one_in(ONE_IN)),
            Some(text) => text.parse().map(Self::one_in).map_err(|_| ConfigError { variable: VARIABLE, problem: "is no number" }),
        }
    }

    /// Whether this hit is one to look behind.
    fn is_due(&self) -> bool {
        self.one_in > 0 && self.hits.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in)
    }
}

impl App {
    /// Looks behind a hit, if it is its turn.
    pub(crate) async fn audit(&self, user: &UserId, served: Rev, now: Timestamp) {
        if !self.auditor.is_due() {
            return;
        }
        // A table that does not answer in time says nothing about the cache.
        let Ok(Ok(head)) = tokio::time::timeout(BUDGET, Box::pin(self.table.head(user))).await else { return };
        self.metrics.note(AUDIT_CHECKED, 1.0);
        if let Some(reason) = violation(served, head, now) {
            self.metrics.note(AUDIT_VIOLATION, 1.0);
            tracing::error!(served = served.0, committed = head.rev.0, reason, "the cache served what it must not");
        }
    }
}

/// Why the cache must not have served a revision at a moment, if so.
fn violation(served: Rev, head: Head, now: Timestamp) -> Option<&'static str> {
    if served > head.rev {
        return Some("a revision that is not committed");
    }
    let lost = |at: Timestamp| now.ms().saturating_sub(at.ms()) > LAG_MS_MAX;
    (served < head.rev && head.at.is_some_and(lost)).then_some("a revision that was outdated for longer than an invalidation takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_invalidation_should_have_reached_is_a_violation() {
        let now = Timestamp::from_ms(1_772_700_000_000);
        let head = |rev, ago_ms: Option<i64>| Head { rev: Rev(rev), at: ago_ms.map(|ago| Timestamp::from_ms(now.ms() - ago)) };
        for (served, head, violated) in [
            (5, head(5, Some(0)), false),
            (5, head(5, Some(99_999)), false),
            (5, head(6, Some(10_000)), false),
            (5, head(6, Some(10_001)), true),
            (5, head(6, Some(-5)), false),
            (5, head(6, None), false),
            (6, head(5, Some(0)), true),
            (6, head(5, None), true),
        ] {
            assert_eq!(violation(Rev(served), head, now).is_some(), violated, "{served} {head:?}");
        }
    }

    #[test]
    fn one_of_so_many_is_due() {
        for (one_in, due) in [(0, 0), (1, 300), (3, 100), (100, 3)] {
            let auditor = Auditor::one_in(one_in);
            assert_eq!((0..300).filter(|_| auditor.is_due()).count(), due, "{one_in}");
        }
        assert_eq!(Auditor::from_lookup(&|_| Some("x".to_owned())).unwrap_err().to_string(), "AUDIT_ONE_IN: is no number");
        assert_eq!(Auditor::from_lookup(&|_| None).unwrap().one_in, 1_000);
    }
}

//! A circuit breaker: a cache that fails again and again is left alone for a while, so that requests do not wait for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Errors within [`WITHIN`] that open the breaker.
const ERRORS_MAX: usize = 3;
const WITHIN: Duration = Duration::from_secs(10);
/// How long it stays open before one call may try.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    errors: VecDeque<Instant>,
    open_until: Option<Instant>,
    probing: bool,
}

/// Leave to make one call. Dropped without a verdict, because the caller went away, it lets another one try.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    /// Leave to call now, or none.
    pub(super) fn admit(&self, now: Instant) -> Option<Admission<'_>> {
        let mut state = self.lock();
        let probe = match state.open_until {
            None => false,
            Some(until) if now < until || state.probing => return None,
            Some(_) => true,
        };
        state.probing = probe;
        Some(Admission { breaker: self, probe })
    }

    /// Whether nobody gets leave now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.lock().open_until.is_some_and(|until| now < until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// Notes how the call went.
    pub(super) fn verdict(self, healthy: bool, now: Instant) {
        let mut state = self.breaker.lock();
        if healthy {
            if self.probe {
                *state = State::default();
            }
            return;
        }
        state.errors.push_back(now);
        while state.errors.front().is_some_and(|first| now.duration_since(*first) >= WITHIN) || state.errors.len() > ERRORS_MAX {
            state.errors.pop_front();
        }
        if self.probe || state.errors.len() >= ERRORS_MAX {
            state.open_until = Some(now + OPEN_FOR);
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(breaker: &Breaker, healthy: bool, now: Instant) -> bool {
        breaker.admit(now).map(|admission| admission.verdict(healthy, now)).is_some()
    }

    #[test]
    fn three_errors_within_ten_seconds_leave_the_cache_alone_for_five() {
        let breaker = Breaker::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for ms in [0, 1_000, 11_500, 12_000] {
            assert!(call(&breaker, false, at(ms)), "{ms}");
        }
        assert!(call(&breaker, false, at(12_500)));
        assert!(!call(&breaker, true, at(12_501)) && !call(&breaker, true, at(17_499)));
        assert!(call(&breaker, true, at(17_500)) && call(&breaker, true, at(17_501)));
    }

    #[test]
    fn one_call_tries_and_its_failure_opens_again() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..3 {
            call(&breaker, false, now);
        }
        let later = now + OPEN_FOR;
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_none());
        probe.verdict(false, later);
        assert!(breaker.admit(later + OPEN_FOR / 2).is_none());
        drop(breaker.admit(later + OPEN_FOR).unwrap());
        assert!(breaker.admit(later + OPEN_FOR).is_some(), "a probe that went away lets another try");
    }
}

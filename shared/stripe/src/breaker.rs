//! A circuit breaker: a Stripe that fails again and again is left alone for a while, so that requests do not wait for it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed attempts in a row that open the breaker.
const FAILURES_MAX: u32 = 3;
/// How long it stays open before one attempt may try.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

/// Leave to make one attempt. Dropped without a verdict, because the caller went away, it lets another one try.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    /// Leave to try now, or how long to wait.
    pub(crate) fn admit(&self, now: Instant) -> Result<Admission<'_>, Duration> {
        let mut state = self.lock();
        let probe = match state.open_until {
            None => false,
            Some(until) if now < until => return Err(until - now),
            Some(_) if state.probing => return Err(OPEN_FOR),
            Some(_) => true,
        };
        state.probing = probe;
        Ok(Admission { breaker: self, probe })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// Notes how the attempt went.
    pub(crate) fn verdict(self, healthy: bool, now: Instant) {
        let mut state = self.breaker.lock();
        if healthy {
            // What was admitted before it opened says nothing about now.
            if self.probe || state.open_until.is_none() {
                *state = State::default();
            }
            return;
        }
        state.failures += 1;
        if self.probe || state.failures >= FAILURES_MAX {
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

    fn attempt(breaker: &Breaker, healthy: bool, now: Instant) -> bool {
        breaker.admit(now).map(|admission| admission.verdict(healthy, now)).is_ok()
    }

    #[test]
    fn three_failures_in_a_row_leave_stripe_alone_for_five_seconds() {
        let breaker = Breaker::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for healthy in [false, false, true, false, false] {
            assert!(attempt(&breaker, healthy, start), "a success between starts the count again");
        }
        assert!(attempt(&breaker, false, start));
        assert_eq!(breaker.admit(at(1_000)).unwrap_err(), Duration::from_secs(4));
        assert!(!attempt(&breaker, true, at(4_999)));
        assert!(attempt(&breaker, true, at(5_000)) && attempt(&breaker, true, at(5_000)));
    }

    #[test]
    fn one_attempt_tries_and_its_failure_opens_again() {
        let breaker = Breaker::default();
        let now = Instant::now();
        let slow = breaker.admit(now).unwrap();
        for _ in 0..3 {
            attempt(&breaker, false, now);
        }
        slow.verdict(true, now);
        assert!(breaker.admit(now).is_err(), "an attempt of before does not close it");
        let later = now + OPEN_FOR;
        let probe = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err());
        probe.verdict(false, later);
        assert!(breaker.admit(later + OPEN_FOR / 2).is_err());
        drop(breaker.admit(later + OPEN_FOR).unwrap());
        assert!(breaker.admit(later + OPEN_FOR).is_ok(), "a probe that went away lets another try");
    }
}

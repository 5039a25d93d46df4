//! Which of two events of one object wins: a total order, so that every order of arrival ends in the same object.
//!
//! The stored object is the greatest of its events by (weight of the state, second, rank), then by event id. Two events that
//! differ only by id cannot be told apart in time: the object is marked `needs_refresh`, and what Stripe shows settles it.
//! The mark depends only on the events of the greatest place, so it is the same for every order and repetition too.

use serde::{Deserialize, Serialize};

/// Seconds by which our clock may be ahead of Stripe's when it dates a fetch.
const CLOCK_SKEW_SECONDS: i64 = 5;

/// Order of events within one second: Stripe's numbers 0, 1 and 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// The object came to be.
    Created,
    /// It changed.
    Updated,
    /// It is gone.
    Deleted,
}

/// Which event an object was last taken from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Unix second of the event.
    pub created: i64,
    /// Order within the second.
    pub rank: Rank,
    /// Event id; empty when the object was fetched.
    pub event: String,
}

impl Version {
    /// The version of an object that was asked for at `asked_at` (Unix seconds, taken before the request was sent):
    /// what happened clearly before is part of it.
    #[must_use]
    pub fn fetched(asked_at: i64) -> Self {
        Self { created: asked_at.saturating_sub(CLOCK_SKEW_SECONDS).max(0), rank: Rank::Created, event: String::new() }
    }
}

/// A state that orders before its events do.
pub trait Guarded: Clone + PartialEq {
    /// How final the state is. A lighter state never replaces a heavier one, whatever its time.
    fn weight(&self) -> u8;

    /// Whether two events of one second that show `self` and `other` need no refetch.
    fn agrees_with(&self, _other: &Self) -> bool {
        false
    }
}

/// An object as one of its events, or a fetch, showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored<T> {
    /// The object.
    pub value: T,
    /// Where it is from.
    pub version: Version,
    /// Whether Stripe has to be asked which of several events of one second was the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_refresh: bool,
}

/// What an event does to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied<T> {
    /// The object is to be stored in this form.
    Changed(Stored<T>),
    /// Something newer was applied before, or this very event.
    Stale,
}

/// Applies an event's view of an object.
#[must_use]
pub fn apply<T: Guarded>(current: Option<&Stored<T>>, value: T, version: Version) -> Applied<T> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let Some(current) = current else {
        return Applied::Changed(Stored { value, version, needs_refresh: false });
    };
    let place = |value: &T, version: &Version| (value.weight(), version.created, version.rank);
    match place(&value, &version).cmp(&place(&current.value, &current.version)) {
        Less => Applied::Stale,
        Greater => Applied::Changed(Stored { value, version, needs_refresh: false }),
        Equal if version.event == current.version.event => Applied::Stale,
        Equal => {
            let needs_refresh = current.needs_refresh || !value.agrees_with(&current.value);
            if version.event > current.version.event {
                return Applied::Changed(Stored { value, version, needs_refresh });
            }
            Applied::Changed(Stored { needs_refresh, ..current.clone() })
        }
    }
}

/// Takes Stripe's answer. The caller commits it only if nothing of the customer changed since before it asked, so no newer event is lost.
#[must_use]
pub fn settle<T: Guarded>(current: Option<&Stored<T>>, value: T, asked_at: i64) -> Stored<T> {
    let fetched = Version::fetched(asked_at);
    let version = current.map_or(fetched.clone(), |current| current.version.clone().max(fetched));
    Stored { value, version, needs_refresh: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Agreeing(&'static str);

    impl Guarded for Agreeing {
        fn weight(&self) -> u8 {
            0
        }

        fn agrees_with(&self, other: &Self) -> bool {
            self == other
        }
    }

    #[derive(Debug, Clone, PartialEq)]
    struct Light(u8, &'static str);

    impl Guarded for Light {
        fn weight(&self) -> u8 {
            self.0
        }
    }

    fn version(created: i64, rank: Rank, event: &str) -> Version {
        Version { created, rank, event: event.into() }
    }

    fn after<T: Guarded>(events: &[(T, Version)]) -> Stored<T> {
        let mut current = None;
        for (value, version) in events {
            if let Applied::Changed(stored) = apply(current.as_ref(), value.clone(), version.clone()) {
                current = Some(stored);
            }
        }
        current.unwrap()
    }

    #[test]
    fn a_later_second_then_a_later_rank_wins() {
        let old = (Light(0, "old"), version(1, Rank::Deleted, "z"));
        let created = (Light(0, "created"), version(2, Rank::Created, "y"));
        let updated = (Light(0, "updated"), version(2, Rank::Updated, "a"));
        for order in [[&old, &created, &updated], [&updated, &created, &old], [&created, &updated, &old]] {
            let end = after(&order.map(Clone::clone));
            assert_eq!((end.value.1, end.needs_refresh), ("updated", false));
        }
    }

    #[test]
    fn events_of_one_second_and_rank_ask_for_a_refetch_until_something_newer_comes() {
        let a = (Light(0, "a"), version(2, Rank::Updated, "a"));
        let b = (Light(0, "b"), version(2, Rank::Updated, "b"));
        let newer = (Light(0, "newer"), version(3, Rank::Updated, "c"));
        for order in [vec![&a, &b], vec![&b, &a], vec![&a, &b, &a], vec![&b, &b, &a]] {
            let end = after(&order.into_iter().cloned().collect::<Vec<_>>());
            assert_eq!((end.value.1, end.needs_refresh), ("b", true));
        }
        for order in [[&a, &b, &newer], [&newer, &b, &a], [&b, &newer, &a]] {
            let end = after(&order.map(Clone::clone));
            assert_eq!((end.value.1, end.needs_refresh), ("newer", false));
        }
        assert!(!after(&[a.clone(), a]).needs_refresh, "the same event again is no tie");
    }

    #[test]
    fn events_that_agree_need_no_refetch_unless_another_of_their_second_does_not() {
        let event = |value, id| (Agreeing(value), version(2, Rank::Updated, id));
        assert!(!after(&[event("x", "a"), event("x", "b")]).needs_refresh);
        let (one, other, same) = (event("x", "a"), event("y", "b"), event("y", "c"));
        for order in [[&one, &other, &same], [&other, &same, &one], [&same, &one, &other]] {
            let end = after(&order.map(Clone::clone));
            assert_eq!((end.value.0, end.needs_refresh), ("y", true));
        }
    }

    #[test]
    fn a_final_state_stays_whatever_claims_to_be_newer() {
        let ended = (Light(1, "ended"), version(5, Rank::Updated, "a"));
        let alive = (Light(0, "alive"), version(9, Rank::Updated, "b"));
        for order in [[&ended, &alive], [&alive, &ended]] {
            assert_eq!(after(&order.map(Clone::clone)).value.1, "ended");
        }
    }

    #[test]
    fn a_fetched_object_outdates_what_happened_before_it() {
        let tied = Stored { value: Light(0, "tied"), version: version(50, Rank::Updated, "b"), needs_refresh: true };
        let fetched = settle(Some(&tied), Light(0, "fetched"), 100);
        assert!(!fetched.needs_refresh);
        assert_eq!(apply(Some(&fetched), Light(0, "late"), version(90, Rank::Updated, "c")), Applied::Stale);
        assert!(matches!(apply(Some(&fetched), Light(0, "new"), version(99, Rank::Updated, "c")), Applied::Changed(_)));
        let at_once = settle(Some(&tied), Light(0, "fetched"), 50);
        assert_eq!(at_once.version, tied.version, "a fetch in the second of the events keeps their version");
    }
}

//! One read: what it asked, what it learnt so far, and the answers that it can give from that.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Effect;
use super::flight::{Evidence, Landed};
use crate::header::Header;
use crate::keys::{self, ScopeKeys};
use crate::limits::{HOUR_MS, SOFT_STALE_MS, STALE_TTL_MS};
use crate::mutation::{Mutation, applied};
use crate::near::Asked;
use crate::port::{Command, Incarnation, Seen};
use crate::types::{Answer, Ask, Entry, Outcome, Tier, Trouble};

/// What a read is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody waits for the answer.
    Answer,
    /// The entry is to be warm. OPEN, load, FILL, like a miss.
    Push,
}

/// The ask, owned.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) purpose: Purpose,
    pub(super) keys: ScopeKeys,
    pub(super) field: String,
    pub(super) label: String,
    pub(super) page: bool,
    pub(super) fresh_ms: u64,
    pub(super) stale_if_error: bool,
    pub(super) min_rev: u64,
    pub(super) etags: Vec<String>,
    pub(super) now_ms: i64,
}

/// Where a read is.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// READ is under way.
    Looking,
    /// OPEN is under way.
    Opening,
    /// Another holds the lease; so many looks are left.
    Waiting(u32),
    /// READ is under way again, because another holds the lease.
    LookingAgain(u32),
    /// The source is asked.
    Loading,
    /// FILL is under way for this answer.
    Filling(Box<Answer>),
    /// The source failed: the copy is looked up.
    Rescuing,
    /// Sleeping until another read's flight lands.
    Joined,
    /// It landed.
    Landed(Landed),
}

/// A read under way.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) spec: Arc<Spec>,
    pub(super) state: State,
    /// The moment at which the client asked.
    pub(super) began: u64,
    /// The clocks before the last question to the cache or the source.
    pub(super) asked: Asked,
    /// The floor and the incarnation of the read's own first look.
    pub(super) floor: u64,
    pub(super) incarnation_seen: Option<Incarnation>,
    /// An entry that expired, but was not invalidated: good enough if somebody else refreshes it.
    pub(super) soft: Option<Answer>,
    /// The first trouble with the cache: from then on it is left out of this read.
    pub(super) trouble: Option<Trouble>,
    /// Whether this read leads a flight.
    pub(super) leads: bool,
    pub(super) joined: bool,
    /// The incarnation that this read opened, its licence to fill.
    pub(super) opened: Option<Incarnation>,
    /// What this read proposed as an incarnation; it also names it as a lease's owner.
    pub(super) proposed: Incarnation,
    pub(super) evidence: Option<Evidence>,
    pub(super) round_trips: u32,
}

impl Spec {
    pub(super) fn of(ask: &Ask<'_>, schema: u32, purpose: Purpose) -> Self {
        let view = ask.view;
        Self {
            purpose,
            keys: ScopeKeys::of(ask.scope),
            field: keys::field(schema, view.name),
            label: view.name.split(':').next().unwrap_or_default().to_owned(),
            page: view.page,
            fresh_ms: u64::try_from(view.fresh_for.as_millis()).unwrap_or(u64::MAX),
            stale_if_error: view.stale_if_error,
            min_rev: ask.min_rev.unwrap_or(0),
            etags: ask.etags.to_vec(),
            now_ms: ask.now_ms,
        }
    }

    /// Names the entry in this process.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.keys.entries, self.field)
    }
}

impl Read {
    pub(super) fn new(spec: Spec, began: u64, asked: Asked) -> Self {
        Self {
            spec: Arc::new(spec),
            state: State::Looking,
            began,
            asked,
            floor: 0,
            incarnation_seen: None,
            soft: None,
            trouble: None,
            leads: false,
            joined: false,
            opened: None,
            proposed: Incarnation::new(),
            evidence: None,
            round_trips: 0,
        }
    }

    /// Hashes all that decides how this read goes on.
    #[cfg(test)]
    pub(super) fn fingerprint(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        std::mem::discriminant(&self.state).hash(hasher);
        match &self.state {
            State::Filling(answer) => answer.entry.rev.hash(hasher),
            State::Landed(landed) => landed.rev().hash(hasher),
            _ => {}
        }
        (self.began, self.floor, &self.incarnation_seen, &self.opened, &self.proposed, &self.evidence, self.leads, self.joined)
            .hash(hasher);
    }

    /// Looks at the entry.
    pub(super) fn looks_up(&mut self) -> Effect {
        let Spec { keys, field, etags, .. } = &*self.spec;
        self.round_trips += 1;
        Effect::Cache(Command::Read { key: keys.entries.clone(), field: field.clone(), etags: etags.clone() })
    }

    /// Looks at the copy that may be served while the source fails.
    pub(super) fn looks_up_copy(&mut self) -> Effect {
        let Spec { keys, field, etags, .. } = &*self.spec;
        self.round_trips += 1;
        Effect::Cache(Command::Read { key: keys.stale.clone(), field: field.clone(), etags: etags.clone() })
    }

    /// The answer that an entry of the cache gives: a hit, a soft-stale one, or none.
    ///
    /// Each condition keeps something out: the floor what was invalidated, the token what is older than the client's own write, the server's
    /// clock what is too old in a time that all processes share, the request's clock what belongs to another hour of the client's.
    pub(super) fn entry_answer(&self, seen: &Seen) -> Option<Answer> {
        let (header, body) = seen.entry.as_ref()?;
        if (header.rev < seen.floor && !applied(Mutation::NoFloorCheck)) || header.rev < self.spec.min_rev {
            return None;
        }
        let age_ms = seen.server_ms.checked_sub(header.stored_ms)?;
        let until_ms = fresh_until(header);
        let expired_ms =
            (age_ms.saturating_sub(header.fresh_ms)).max(u64::try_from(self.spec.now_ms.saturating_sub(until_ms)).unwrap_or(0));
        let early = self.spec.now_ms < hour(header.wall_ms);
        if early || expired_ms > SOFT_STALE_MS {
            return None;
        }
        let fresh = age_ms < header.fresh_ms && self.spec.now_ms < until_ms;
        let outcome = if fresh { Outcome::Hit } else { Outcome::SoftStale };
        let left_ms = (header.fresh_ms.saturating_sub(age_ms)).min(u64::try_from(until_ms.saturating_sub(self.spec.now_ms)).unwrap_or(0));
        Some(self.shared_answer(header, body, seen.matched, outcome, (age_ms, left_ms)))
    }

    /// The answer that a copy gives while the source fails. It may have been invalidated; it is never older than the client's token.
    pub(super) fn copy_answer(&self, seen: &Seen) -> Option<Answer> {
        let (header, body) = seen.entry.as_ref()?;
        let age_ms = seen.server_ms.checked_sub(header.stored_ms)?;
        let wall_age_ms = u64::try_from(self.spec.now_ms.saturating_sub(header.wall_ms)).unwrap_or(0);
        let usable = header.rev >= self.spec.min_rev && age_ms.max(wall_age_ms) < STALE_TTL_MS;
        usable.then(|| self.shared_answer(header, body, seen.matched, Outcome::StaleOnError, (age_ms, 0)))
    }

    /// The answer that a loaded entry gives.
    pub(super) fn source_answer(&self, entry: Entry, fresh_ms: u64) -> Answer {
        Answer {
            entry,
            not_modified: false,
            outcome: self.trouble.map_or(Outcome::Miss, Outcome::Bypass),
            tier: Tier::Source,
            age: Duration::ZERO,
            ttl: Duration::from_millis(fresh_ms),
            stored: false,
            round_trips: self.round_trips,
        }
    }

    /// The answer that the in-process tier gives.
    pub(super) fn near_answer(&self, entry: Entry, age_ms: u64, left_ms: u64) -> Answer {
        let age = Duration::from_millis(age_ms);
        let ttl = Duration::from_millis(left_ms);
        let answer = Answer { outcome: Outcome::Hit, tier: Tier::Process, age, ttl, ..self.source_answer(entry, 0) };
        self.for_client(answer)
    }

    /// Leaves the body out if the client holds it already.
    pub(super) fn for_client(&self, mut answer: Answer) -> Answer {
        answer.not_modified = self.spec.etags.contains(&answer.entry.etag);
        if answer.not_modified {
            answer.entry.body = Bytes::new();
        }
        answer.round_trips = self.round_trips;
        answer
    }

    fn shared_answer(&self, header: &Header, body: &Bytes, matched: bool, outcome: Outcome, (age_ms, left_ms): (u64, u64)) -> Answer {
        Answer {
            entry: header.with_body(body.clone()),
            not_modified: matched,
            outcome,
            tier: Tier::Shared,
            age: Duration::from_millis(age_ms),
            ttl: Duration::from_millis(left_ms),
            stored: false,
            round_trips: self.round_trips,
        }
    }
}

/// Start of an hour.
pub(super) fn hour(wall_ms: i64) -> i64 {
    wall_ms.saturating_sub(wall_ms.rem_euclid(HOUR_MS))
}

/// End of an entry by the wall clock: never past the next full hour.
fn fresh_until(header: &Header) -> i64 {
    let until_ms = header.wall_ms.saturating_add_unsigned(header.fresh_ms);
    until_ms.min(hour(header.wall_ms).saturating_add(HOUR_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Times;
    use crate::types::{Scope, View};

    const HOUR: i64 = HOUR_MS;

    fn read(now_ms: i64, min_rev: u64) -> Read {
        let view = View { name: "v", page: false, fresh_for: Duration::from_secs(300), stale_if_error: false };
        let ask = Ask { scope: Scope::User("u"), view, min_rev: Some(min_rev), etags: &[], now_ms };
        Read::new(Spec::of(&ask, 1, Purpose::Answer), 1, Asked { times: Times { mono_ms: 0, wall_ms: 0 }, request_ms: now_ms })
    }

    /// An entry of rev 5 that was made at a wall clock and stored at 1,000,000 of the server's, and is fresh for 300 s.
    fn seen(wall_ms: i64, floor: u64, age_ms: i64) -> Seen {
        let entry = Entry { rev: 5, status: 200, body: Bytes::new(), gzip: false, etag: String::new(), extra: String::new() };
        let header = Header { stored_ms: 1_000_000, ..Header::of(&entry, 300_000, wall_ms) };
        let server_ms = 1_000_000_u64.checked_add_signed(age_ms).unwrap();
        Seen { floor, entry: Some((header, Bytes::new())), server_ms, ..Seen::default() }
    }

    #[test]
    fn an_entry_is_a_hit_only_while_every_condition_holds() {
        let day = 480_000 * HOUR;
        for (made_ms, now_ms, age_ms, floor, min_rev, expected) in [
            (day, day, 0, 5, 5, Some(Outcome::Hit)),
            (day, day, 0, 6, 5, None),
            (day, day, 0, 5, 6, None),
            // The server's clock.
            (day, day, 299_999, 0, 0, Some(Outcome::Hit)),
            (day, day, 300_000, 0, 0, Some(Outcome::SoftStale)),
            (day, day, 330_000, 0, 0, Some(Outcome::SoftStale)),
            (day, day, 330_001, 0, 0, None),
            (day, day, -1, 0, 0, None),
            // The request's clock.
            (day, day + 299_999, 0, 0, 0, Some(Outcome::Hit)),
            (day, day + 300_000, 0, 0, 0, Some(Outcome::SoftStale)),
            (day, day + 330_001, 0, 0, 0, None),
            (day + 5, day, 0, 0, 0, Some(Outcome::Hit)),
            // The hour: the entry would be fresh for longer, but counts the contacts of another one.
            (day + HOUR - 1_000, day + HOUR - 1, 0, 0, 0, Some(Outcome::Hit)),
            (day + HOUR - 1_000, day + HOUR, 0, 0, 0, Some(Outcome::SoftStale)),
            (day + HOUR - 1_000, day + HOUR + 30_001, 0, 0, 0, None),
            (day, day - 1, 0, 0, 0, None),
            (i64::MAX, i64::MIN, 0, 0, 0, None),
            (i64::MIN, i64::MAX, 0, 0, 0, None),
        ] {
            let answer = read(now_ms, min_rev).entry_answer(&seen(made_ms, floor, age_ms));
            assert_eq!(answer.map(|answer| answer.outcome), expected, "made {made_ms}, now {now_ms}, age {age_ms}, floor {floor}");
        }
    }

    #[test]
    fn a_copy_is_good_for_a_day_by_both_clocks_and_never_below_the_token() {
        let day = 480_000 * HOUR;
        for (now_ms, age_ms, min_rev, good) in [
            (day, 86_399_999, 5, true),
            (day, 86_400_000, 5, false),
            (day + 86_399_999, 0, 5, true),
            (day + 86_400_000, 0, 5, false),
            (day, 0, 6, false),
        ] {
            let answer = read(now_ms, min_rev).copy_answer(&seen(day, 99, age_ms));
            assert_eq!(answer.is_some(), good, "now {now_ms}, age {age_ms}, token {min_rev}");
        }
    }
}

//! The protocol as a state machine: events in, effects out, no I/O, no clock, no lock.
//!
//! [`Core`] holds what one process knows: its reads under way, the flights that they share, its in-process tier. A driver begins a read,
//! does the effect that it is told, and reports what came of it as the next event, until the effect is an end.

mod flight;
mod read;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::keys::ScopeKeys;
use crate::near::{Asked, Near};
use crate::port::{Command, PortResult};
use crate::stats::{Counted, Counters};
use crate::types::{Answer, Ask, Loaded, Trouble};
use flight::Flights;
pub(crate) use read::Purpose;
use read::{Read, Spec, State};
pub(crate) use steps::ANY;

/// The clocks of the process when an event arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// Monotonic milliseconds; they may stand still while the process is frozen.
    pub(crate) mono_ms: u64,
    /// Wall clock in milliseconds since 1970; it may jump.
    pub(crate) wall_ms: i64,
}

/// A read under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ReadId(pub(crate) u64);

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// The command came to an end.
    Replied(PortResult),
    /// The source answered.
    Loaded(Loaded),
    /// The source failed; `outage` when it is not reachable rather than refusing.
    LoadFailed { outage: bool },
    /// The pause is over.
    Waited,
    /// The flight that this read joined has landed, or was abandoned.
    Woken,
    /// The flight failed, but its error cannot be handed over.
    Unshared,
}

/// What the driver has to do next.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send a command and report [`Event::Replied`].
    Cache(Command),
    /// Ask the source, strongly consistent, and report [`Event::Loaded`] or [`Event::LoadFailed`].
    Load,
    /// Pause for [`crate::limits::WAIT`] and report [`Event::Waited`].
    Wait,
    /// Sleep until the read is among those to wake, then report [`Event::Woken`].
    Join,
    /// The end: an answer.
    Done(Box<Answer>),
    /// The end: the source's own error.
    Fail,
    /// The error of the flight that this read joined: the end, by [`Core::abandon`], or [`Event::Unshared`].
    FailShared,
    /// The end of a push that another has begun already.
    Busy,
}

/// An effect for the read, and the reads that sleep no longer.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) effect: Effect,
    pub(crate) wake: Vec<ReadId>,
}

/// Settings of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoreConfig {
    /// Version of what bodies look like: entries of another one are not seen.
    pub(crate) schema: u32,
    pub(crate) near_window_ms: u64,
    pub(crate) near_bytes_max: usize,
    /// `false` when there is no cache at all.
    pub(crate) cache: bool,
}

/// What one process knows. See the module.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    config: CoreConfig,
    near: Near,
    flights: Flights,
    reads: BTreeMap<ReadId, Read>,
    next: u64,
    rng: SmallRng,
    counters: Counters,
}

impl Core {
    pub(crate) fn new(config: CoreConfig, seed: u64) -> Self {
        Self {
            config,
            near: Near::new(config.near_window_ms, config.near_bytes_max),
            flights: Flights::default(),
            reads: BTreeMap::new(),
            next: 0,
            rng: SmallRng::seed_from_u64(seed),
            counters: Counters::default(),
        }
    }

    /// Begins a read or a push.
    pub(crate) fn begin(&mut self, ask: &Ask<'_>, purpose: Purpose, times: Times) -> (ReadId, Effect) {
        let began = self.tick();
        let id = ReadId(began);
        let spec = Spec::of(ask, self.config.schema, purpose);
        let asked = Asked { times, request_ms: ask.now_ms };
        let mut read = Read::new(spec, began, asked);
        if purpose == Purpose::Answer
            && let Some(answer) = self.near_answer(&read, asked)
        {
            self.counters.answered(&read.spec.label, &answer);
            return (id, Effect::Done(Box::new(answer)));
        }
        let effect = if !self.config.cache {
            read.trouble = Some(Trouble::Off);
            self.join_or_lead(id, &mut read)
        } else if purpose == Purpose::Push {
            self.lead(id, &mut read)
        } else {
            read.looks_up()
        };
        self.reads.insert(id, read);
        (id, effect)
    }

    /// Takes in what happened to a read. An event that the read's state does not expect ends in a load: the driver made a mistake, the
    /// client gets its answer.
    pub(crate) fn on(&mut self, id: ReadId, event: Event, times: Times) -> Step {
        let Some(mut read) = self.reads.remove(&id) else { return Step { effect: Effect::Fail, wake: Vec::new() } };
        if let Event::Replied(Err(trouble)) = &event {
            self.counters.troubled(*trouble);
        }
        let effect = self.advance(id, &mut read, event, times);
        let mut wake = Vec::new();
        match &effect {
            Effect::Done(answer) => {
                self.counters.answered(&read.spec.label, answer);
                wake = self.land(id, &mut read);
            }
            Effect::Fail | Effect::Busy => wake = self.land(id, &mut read),
            Effect::Cache(_) | Effect::Load | Effect::Wait | Effect::Join | Effect::FailShared => {
                self.reads.insert(id, read);
            }
        }
        Step { effect, wake }
    }

    /// Forgets a read whose caller went away. Returns the reads that sleep no longer.
    pub(crate) fn abandon(&mut self, id: ReadId) -> Vec<ReadId> {
        match self.reads.remove(&id) {
            Some(mut read) => {
                self.flights.leave(id, &read);
                self.land(id, &mut read)
            }
            None => Vec::new(),
        }
    }

    /// The command that tells the cache of a committed revision. What this process keeps is outdated at once.
    pub(crate) fn bump(&mut self, keys: &ScopeKeys, rev: u64) -> Command {
        self.near.invalidate(&keys.entries, rev);
        Command::Bump { key: keys.entries.clone(), rev }
    }

    /// The command that makes the cache forget a scope.
    pub(crate) fn purge(&mut self, keys: &ScopeKeys) -> Command {
        self.near.invalidate(&keys.entries, u64::MAX);
        Command::Purge { key: keys.entries.clone(), stale_key: keys.stale.clone() }
    }

    /// Counts a command that no read made.
    pub(crate) fn count_trouble(&mut self, trouble: Trouble) {
        self.counters.troubled(trouble);
    }

    /// Counts the time of a command.
    pub(crate) fn count_round_trip(&mut self, took: Duration) {
        self.counters.round_trip(took);
    }

    /// What was counted since the last call.
    pub(crate) fn take_counted(&mut self) -> Counted {
        self.counters.take(self.near.bytes())
    }

    /// Reads and flights under way.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> (usize, usize) {
        (self.reads.len(), self.flights.len())
    }

    /// Hashes all that decides what this process does next.
    #[cfg(test)]
    pub(crate) fn fingerprint(&self, hasher: &mut impl std::hash::Hasher) {
        self.reads.values().for_each(|read| read.fingerprint(hasher));
        self.flights.fingerprint(hasher);
    }

    /// Bytes of the in-process tier.
    #[cfg(test)]
    pub(crate) fn near_bytes(&self) -> usize {
        self.near.bytes()
    }

    /// A moment that is later than all before it.
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn near_answer(&mut self, read: &Read, asked: Asked) -> Option<Answer> {
        let (entry, age_ms, left_ms) = self.near.get(&read.spec.keys.entries, &read.spec.field, asked)?;
        (entry.rev >= read.spec.min_rev).then(|| read.near_answer(entry, age_ms, left_ms))
    }

    fn incarnation(&mut self) -> String {
        format!("{:032x}", self.rng.random::<u128>())
    }

    fn land(&mut self, id: ReadId, read: &mut Read) -> Vec<ReadId> {
        let Some((joiners, result)) = self.flights.land(id, read) else { return Vec::new() };
        for joiner in &joiners {
            if let Some(read) = self.reads.get_mut(joiner) {
                read.state = State::Landed(result.clone());
            }
        }
        joiners
    }
}

//! Single-flight: concurrent misses of one entry in a process share one load.
//!
//! Sharing must not make a reader see something older than an invalidation that was acknowledged before it began. A load that began
//! earlier may have read the state before that. So a reader takes over a flight's result only if
//! - what the flight learnt was asked for after the reader began, or
//! - the cache proves it: the flight's OPEN and the reader's own READ saw the same incarnation, so the scope was there all the time between
//!   the two, every invalidation of that time is in the floor that the reader saw, and the result is not below it.
//!
//! Without the second rule a reader that comes while a load runs would have to load again; without the first, nobody could join while the
//! scope is still absent. A client's own token holds in either case.

use std::collections::BTreeMap;

use super::ReadId;
use super::read::{Read, State};
use crate::mutation::{Mutation, applied};
use crate::port::Incarnation;
use crate::types::{Answer, Outcome};

/// What a flight's result rests on.
#[derive(Debug, Clone, Hash)]
pub(super) struct Evidence {
    /// The moment before the source or the cache was asked.
    pub(super) asked: u64,
    /// The incarnation that was there before that moment, if the cache said so.
    pub(super) incarnation: Option<Incarnation>,
    /// Whether the source was asked: what it said last is true whatever a token claims.
    pub(super) source: bool,
}

/// How a flight ended.
#[derive(Debug, Clone)]
pub(super) enum Landed {
    /// With an answer.
    Answer(Box<Answer>, Evidence),
    /// The source is not reachable.
    Outage,
    /// Nobody knows: the leader went away, or was refused for a reason of its own.
    Nothing,
}

impl Landed {
    #[cfg(test)]
    pub(super) fn rev(&self) -> Option<u64> {
        match self {
            Self::Answer(answer, _) => Some(answer.entry.rev),
            Self::Outage | Self::Nothing => None,
        }
    }
}

/// The flights of a process. A newer flight for an entry takes the place of an older one, which still lands for those who joined it.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights {
    newest: BTreeMap<String, ReadId>,
    flights: BTreeMap<ReadId, Flight>,
}

#[derive(Debug, Clone)]
struct Flight {
    name: String,
    /// Unknown until the source is asked.
    evidence: Option<Evidence>,
    result: Option<Landed>,
    joiners: Vec<ReadId>,
}

impl Flights {
    /// Starts a flight that `leader` leads.
    pub(super) fn start(&mut self, leader: ReadId, read: &Read) {
        let name = read.spec.name();
        self.newest.insert(name.clone(), leader);
        self.flights.insert(leader, Flight { name, evidence: None, result: None, joiners: Vec::new() });
    }

    /// Whether somebody is refreshing an entry already.
    pub(super) fn is_under_way(&self, read: &Read) -> bool {
        self.newest.contains_key(&read.spec.name())
    }

    /// Joins the newest flight, unless its result could not be taken over.
    pub(super) fn join(&mut self, id: ReadId, read: &Read) -> bool {
        let Some(flight) = self.newest.get(&read.spec.name()).and_then(|leader| self.flights.get_mut(leader)) else { return false };
        let open = flight.evidence.as_ref().is_none_or(|evidence| evidence.asked > read.began || same_life(evidence, read));
        if open || applied(Mutation::JoinAnyFlight) {
            flight.joiners.push(id);
            return true;
        }
        false
    }

    /// Notes that the leader is about to ask the source.
    pub(super) fn loads(&mut self, leader: ReadId, evidence: &Evidence) {
        if let Some(flight) = self.flights.get_mut(&leader) {
            flight.evidence = Some(evidence.clone());
        }
    }

    /// Notes a result before the flight lands, so that it is not lost if the leader goes away while it stores it.
    pub(super) fn result(&mut self, leader: ReadId, result: Landed) {
        if let Some(flight) = self.flights.get_mut(&leader) {
            flight.result = Some(result);
        }
    }

    /// Lets nobody join any more: the source failed before they came, and may work for them.
    pub(super) fn close(&mut self, leader: ReadId) {
        if let Some(flight) = self.flights.get(&leader)
            && self.newest.get(&flight.name) == Some(&leader)
        {
            self.newest.remove(&flight.name);
        }
    }

    /// Ends the flight that a read leads: who waits for it, and what they get.
    pub(super) fn land(&mut self, leader: ReadId, read: &Read) -> Option<(Vec<ReadId>, Landed)> {
        self.close(leader);
        let flight = read.leads.then(|| self.flights.remove(&leader)).flatten()?;
        Some((flight.joiners, flight.result.unwrap_or(Landed::Nothing)))
    }

    /// Takes a read out of the flight that it joined.
    pub(super) fn leave(&mut self, id: ReadId, read: &Read) {
        if matches!(read.state, State::Joined) {
            self.flights.values_mut().for_each(|flight| flight.joiners.retain(|joiner| *joiner != id));
        }
    }

    /// Hashes all that decides how flights go on.
    #[cfg(test)]
    pub(super) fn fingerprint(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.newest.hash(hasher);
        for (leader, flight) in &self.flights {
            (leader, &flight.joiners, &flight.evidence).hash(hasher);
            flight.result.as_ref().map(Landed::rev).hash(hasher);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }
}

/// Whether a reader may take over a flight's answer. See the module.
pub(super) fn acceptable(read: &Read, answer: &Answer, evidence: &Evidence) -> bool {
    if answer.outcome == Outcome::StaleOnError {
        // The source failed while this reader waited: its own load would most likely end the same way, with the same copy.
        return answer.entry.rev >= read.spec.min_rev;
    }
    let later = evidence.asked > read.began || applied(Mutation::JoinAnyFlight);
    if later && evidence.source {
        return true;
    }
    (later || same_life(evidence, read)) && answer.entry.rev >= read.floor && answer.entry.rev >= read.spec.min_rev
}

fn same_life(evidence: &Evidence, read: &Read) -> bool {
    evidence.incarnation.is_some() && evidence.incarnation == read.incarnation_seen
}

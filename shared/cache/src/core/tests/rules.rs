//! What must hold after every step.

use std::time::Duration;

use super::world::{Environment, PATIENCE_MS, Reader, USERS, World};
use super::{entry, view_of};
use crate::limits::{PAGES_MAX, SCOPE_BYTES_MAX, SOFT_STALE_MS};
use crate::types::{Answer, Outcome, Tier};

/// Longest time that any view of the world is fresh.
const FRESH_MS_MAX: u64 = 300_000;
/// How long a failover that lost an acknowledgement may show.
const LOST_FOR_MS: u64 = FRESH_MS_MAX + SOFT_STALE_MS + 2 * PATIENCE_MS;

/// What is known of the past.
#[derive(Debug, Default)]
pub(super) struct Rules {
    acknowledged: [Vec<Acknowledged>; USERS],
    /// As of when, and when.
    failovers: Vec<(u64, u64)>,
    source_failed_ms: [Option<u64>; USERS],
    pub(super) answers: u64,
    pub(super) hits: u64,
    pub(super) joined: u64,
    pub(super) soft_stale: u64,
    pub(super) stale_on_error: u64,
    pub(super) near_hits: u64,
    pub(super) not_modified: u64,
    pub(super) last: Option<(Outcome, u64)>,
}

/// An invalidation that the cache acknowledged.
#[derive(Debug)]
struct Acknowledged {
    rev: u64,
    applied_ms: u64,
    /// Binds reads that begin then or later: at once, unless a failover lost it.
    binds_ms: u64,
}

impl Rules {
    /// A bump that the cache took at one time was acknowledged at another; a failover between the two may have lost it.
    pub(super) fn acknowledged(&mut self, user: usize, rev: u64, applied_ms: u64, now_ms: u64) {
        let lost = self.failovers.iter().rev().find(|(as_of_ms, at_ms)| (*as_of_ms..=*at_ms).contains(&applied_ms));
        let binds_ms = lost.map_or(now_ms, |(_, at_ms)| at_ms + LOST_FOR_MS);
        self.acknowledged[user].push(Acknowledged { rev, applied_ms, binds_ms });
    }

    pub(super) fn source_failed(&mut self, user: usize, now_ms: u64) {
        self.source_failed_ms[user] = Some(now_ms);
    }

    /// The cache is now what a replica was a while ago. Acknowledgements since then are lost: what they outdated may be served as long as
    /// it is fresh, counted from when the last command that was under way can have stored it.
    pub(super) fn failed_over(&mut self, as_of_ms: u64, now_ms: u64) {
        self.failovers.push((as_of_ms, now_ms));
        for lost in self.acknowledged.iter_mut().flatten().filter(|lost| lost.applied_ms >= as_of_ms) {
            lost.binds_ms = now_ms + LOST_FOR_MS;
        }
    }

    fn required(&self, user: usize, began_ms: u64) -> u64 {
        self.acknowledged[user].iter().filter(|known| known.binds_ms <= began_ms).map(|known| known.rev).max().unwrap_or(0)
    }

    /// Checks an answer.
    pub(super) fn answered(
        &mut self,
        reader: &Reader,
        environment: &Environment,
        answer: &Answer,
        now_ms: u64,
        table_rev: u64,
    ) -> Result<(), String> {
        let rev = answer.entry.rev;
        let broken = |what: &str| Err(format!("{what}: {answer:?} for {reader:?} at {now_ms}, table {table_rev}"));
        self.count(answer);
        if rev > table_rev {
            return broken("from the future");
        }
        if !answer.not_modified && answer.entry.body != entry(reader.user, &reader.view, reader.schema, rev).body {
            return broken("body and rev are not one state of this user");
        }
        if rev < reader.min_rev {
            return broken("older than what the client has seen");
        }
        let window_ms = if answer.tier == Tier::Process { environment.window_ms } else { 0 };
        let stale = answer.outcome == Outcome::StaleOnError;
        if !stale && rev < self.required(reader.user, reader.began_ms.saturating_sub(window_ms)) {
            return broken("older than an acknowledged invalidation");
        }
        if stale && (!reader.stale_if_error || self.source_failed_ms[reader.user].is_none_or(|failed| failed < reader.began_ms)) {
            return broken("a stale copy without a failing source");
        }
        let fresh_for = view_of(&reader.view).fresh_for;
        let allowed = match answer.outcome {
            Outcome::StaleOnError => Duration::from_secs(86_400),
            Outcome::SoftStale => fresh_for + Duration::from_millis(SOFT_STALE_MS),
            _ => fresh_for,
        };
        if answer.age > allowed {
            return broken("too old");
        }
        Ok(())
    }

    /// Checks sizes.
    pub(super) fn bounds(&self, world: &World) -> Result<(), String> {
        let (pages, bytes) = world.cache.fullest();
        if pages > PAGES_MAX || bytes > SCOPE_BYTES_MAX {
            return Err(format!("a scope holds {pages} pages and {bytes} bytes"));
        }
        for environment in &world.environments {
            let (reads, flights) = environment.core.under_way();
            if flights > reads || environment.core.near_bytes() > 4_096 {
                return Err(format!("{flights} flights, {reads} reads, {} bytes in process", environment.core.near_bytes()));
            }
        }
        Ok(())
    }

    fn count(&mut self, answer: &Answer) {
        self.answers += 1;
        self.last = Some((answer.outcome, answer.entry.rev));
        self.not_modified += u64::from(answer.not_modified);
        match (answer.outcome, answer.tier) {
            (Outcome::Hit, Tier::Process) => self.near_hits += 1,
            (Outcome::Hit, _) => self.hits += 1,
            (Outcome::Joined, _) => self.joined += 1,
            (Outcome::SoftStale, _) => self.soft_stale += 1,
            (Outcome::StaleOnError, _) => self.stale_on_error += 1,
            (Outcome::Miss | Outcome::Bypass(_), _) => {}
        }
    }
}

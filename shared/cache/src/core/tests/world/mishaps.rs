//! What goes wrong: evictions, flushes, failovers, frozen processes, wrong clocks, outages, deployments, impatient clients.

use rand::Rng;

use super::{ENVIRONMENTS, Environment, Next, Owner, PATIENCE_MS, Reader, USERS, World};
use crate::core::ReadId;
use crate::core::tests::keys;
use crate::memory::Memory;

impl World {
    /// One mishap, or the end of one.
    pub(super) fn trouble(&mut self) {
        let at = self.rng.random_range(0..ENVIRONMENTS);
        match self.rng.random_range(0..24) {
            0 => self.cache = Memory::default(),
            1..5 => {
                let keys = self.cache.keys();
                if !keys.is_empty() {
                    let key = &keys[self.rng.random_range(0..keys.len())];
                    self.cache.remove(key);
                }
            }
            5..7 => self.replica = (self.cache.clone(), self.now_ms),
            7 if self.rng.random_range(0..6) == 0 => {
                self.cache = self.replica.0.clone();
                self.rules.failed_over(self.replica.1, self.now_ms);
            }
            8..11 if at != 2 => self.environments[at].frozen = true,
            11..15 => self.environments.iter_mut().for_each(|environment| environment.frozen = false),
            15 => self.environments[at].wall_skew_ms = self.rng.random_range(-4_000_000..4_000_000),
            16..18 => self.source_down = !self.source_down && self.rng.random_range(0..2) == 0,
            18..20 => self.cache_down = !self.cache_down && self.rng.random_range(0..3) == 0,
            20 if self.rng.random_range(0..4) == 0 => {
                self.newest_schema += 1;
                self.restart(at, self.newest_schema);
            }
            21 => self.restart(at, self.environments[at].schema),
            22 => {
                let user = self.rng.random_range(0..USERS);
                let command = self.environments[at].core.purge(&keys(user));
                self.send(Owner::Nobody, command);
            }
            _ => {}
        }
    }

    /// A process ends and another begins in its place.
    fn restart(&mut self, at: usize, schema: u32) {
        self.readers.retain(|(of, _), _| *of != at);
        let lost = |owner: Owner| matches!(owner, Owner::Read(of, _) if of == at);
        self.wire.iter_mut().filter(|travelling| lost(travelling.owner)).for_each(|travelling| travelling.owner = Owner::Nobody);
        let Environment { seed, window_ms, wall_skew_ms, .. } = self.environments[at];
        self.environments[at] = Environment { wall_skew_ms, ..Environment::new(seed + 1_000_003, schema, window_ms) };
    }

    /// A client goes away; those who waited too long do in any case.
    pub(super) fn give_up_somebody(&mut self) {
        let late = |reader: &Reader| reader.began_ms + PATIENCE_MS < self.now_ms;
        let mut names: Vec<_> = self.readers.iter().filter(|(_, reader)| late(reader)).map(|(name, _)| *name).collect();
        let pick = self.rng.random_range(0..20);
        names.extend(self.readers.keys().nth(pick).copied());
        for name in names {
            self.readers.remove(&name);
            self.abandon(name);
            self.wire.iter_mut().for_each(|travelling| {
                if matches!(travelling.owner, Owner::Read(at, id) if (at, id) == name) {
                    travelling.owner = Owner::Nobody;
                }
            });
        }
    }

    /// The core forgets a read.
    pub(super) fn abandon(&mut self, name: (usize, ReadId)) {
        for woken in self.environments[name.0].core.abandon(name.1) {
            if let Some(reader) = self.readers.get_mut(&(name.0, woken)) {
                reader.next = Next::Wake;
            }
        }
    }
}

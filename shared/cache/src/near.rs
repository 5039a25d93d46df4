//! The in-process tier: entries that this process saw a moment ago, served without asking the cache.
//!
//! Nobody tells a process of invalidations that others make, so its window is zero unless configured, and is counted from before the cache
//! or the source was asked: an entry may have been invalidated while its reply travelled, however long that took.

use std::collections::{BTreeMap, HashMap};

use crate::core::Times;
use crate::types::Entry;

/// Bytes that an entry costs beside its texts and body.
const OVERHEAD_BYTES: usize = 128;

/// Entries by key and field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Near {
    window_ms: u64,
    bytes_max: usize,
    bytes: usize,
    used: u64,
    entries: HashMap<(String, String), Kept>,
    uses: BTreeMap<u64, (String, String)>,
}

/// When an entry was asked for, by every clock: a frozen process, a wrong clock or an old request makes at least one of them disagree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) times: Times,
    /// Wall clock of the request.
    pub(crate) request_ms: i64,
}

#[derive(Debug, Clone)]
struct Kept {
    entry: Entry,
    asked: Asked,
    /// At most the window, less if the entry was about to expire.
    for_ms: u64,
    used: u64,
}

impl Near {
    pub(crate) fn new(window_ms: u64, bytes_max: usize) -> Self {
        Self { window_ms, bytes_max, ..Self::default() }
    }

    /// Whether anything is ever kept.
    pub(crate) fn is_on(&self) -> bool {
        self.window_ms > 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The entry, its age and the rest of its window, unless any clock says that the window is over.
    pub(crate) fn get(&mut self, key: &str, field: &str, now: Asked) -> Option<(Entry, u64, u64)> {
        if !self.is_on() {
            return None;
        }
        let name = (key.to_owned(), field.to_owned());
        let kept = self.entries.get_mut(&name)?;
        let Some(age_ms) = now.since(kept.asked).filter(|age_ms| *age_ms < kept.for_ms) else {
            self.remove(&name);
            return None;
        };
        self.uses.remove(&kept.used);
        self.used += 1;
        kept.used = self.used;
        self.uses.insert(self.used, name);
        Some((kept.entry.clone(), age_ms, kept.for_ms - age_ms))
    }

    /// Keeps an entry that stays fresh for a while after it was asked for.
    pub(crate) fn put(&mut self, key: &str, field: &str, entry: &Entry, asked: Asked, fresh_ms: u64) {
        let name = (key.to_owned(), field.to_owned());
        let bytes = cost(&name, entry);
        if !self.is_on() || bytes > self.bytes_max || self.entries.get(&name).is_some_and(|kept| kept.entry.rev > entry.rev) {
            return;
        }
        self.remove(&name);
        self.used += 1;
        let kept = Kept { entry: entry.clone(), asked, for_ms: self.window_ms.min(fresh_ms), used: self.used };
        self.uses.insert(self.used, name.clone());
        self.entries.insert(name, kept);
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.uses.first_key_value() else { return };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    /// Drops what a bump of this process outdates.
    pub(crate) fn invalidate(&mut self, key: &str, below: u64) {
        let outdated = |(name, kept): (&(String, String), &Kept)| (name.0 == key && kept.entry.rev < below).then(|| name.clone());
        let names: Vec<_> = self.entries.iter().filter_map(outdated).collect();
        names.iter().for_each(|name| self.remove(name));
    }

    fn remove(&mut self, name: &(String, String)) {
        if let Some(kept) = self.entries.remove(name) {
            self.uses.remove(&kept.used);
            self.bytes -= cost(name, &kept.entry);
        }
    }
}

impl Asked {
    /// What the clocks would have said, had they been looked at only when the reply was there. For a mutation.
    pub(crate) fn late(self, times: Times) -> Self {
        let passed_ms = times.mono_ms.saturating_sub(self.times.mono_ms);
        Self { times, request_ms: self.request_ms.saturating_add_unsigned(passed_ms) }
    }

    /// The longest time that any clock says has passed; `None` when one of them ran backwards.
    fn since(self, earlier: Self) -> Option<u64> {
        let mono = self.times.mono_ms.checked_sub(earlier.times.mono_ms)?;
        let wall = u64::try_from(self.times.wall_ms.checked_sub(earlier.times.wall_ms)?).ok()?;
        let request = u64::try_from(self.request_ms.checked_sub(earlier.request_ms)?).ok()?;
        Some(mono.max(wall).max(request))
    }
}

fn cost(name: &(String, String), entry: &Entry) -> usize {
    2 * (name.0.len() + name.1.len()) + entry.body.len() + entry.etag.len() + entry.extra.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn at(mono_ms: u64, wall_ms: i64, request_ms: i64) -> Asked {
        Asked { times: Times { mono_ms, wall_ms }, request_ms }
    }

    fn entry(rev: u64, bytes: usize) -> Entry {
        Entry { rev, status: 200, body: Bytes::from(vec![0; bytes]), gzip: false, etag: String::new(), extra: String::new() }
    }

    #[test]
    fn any_clock_that_says_so_ends_the_window() {
        for (later, served) in [
            (at(1_099, 1_099, 1_099), true),
            (at(1_100, 1_000, 1_000), false),
            (at(1_000, 1_100, 1_000), false),
            (at(1_000, 1_000, 1_100), false),
            (at(1_001, 999, 1_001), false),
        ] {
            let mut near = Near::new(100, 10_000);
            near.put("k", "f", &entry(1, 1), at(1_000, 1_000, 1_000), 60_000);
            assert_eq!(near.get("k", "f", later).is_some(), served, "{later:?}");
        }
    }

    #[test]
    fn bytes_stay_bounded_and_the_least_used_entry_goes_first() {
        let mut near = Near::new(100, 2_000);
        let now = at(0, 0, 0);
        near.put("k", "a", &entry(1, 700), now, 100);
        near.put("k", "b", &entry(1, 700), now, 100);
        assert!(near.get("k", "a", now).is_some());
        near.put("k", "c", &entry(1, 700), now, 100);
        assert!(near.get("k", "b", now).is_none() && near.get("k", "a", now).is_some() && near.get("k", "c", now).is_some());
        near.put("k", "huge", &entry(1, 5_000), now, 100);
        assert!(near.get("k", "huge", now).is_none() && near.bytes() <= 2_000);
    }

    #[test]
    fn a_bump_of_this_process_ends_what_it_outdates() {
        let mut near = Near::new(100, 2_000);
        let now = at(0, 0, 0);
        near.put("k", "a", &entry(1, 1), now, 100);
        near.put("k", "b", &entry(2, 1), now, 100);
        near.put("other", "a", &entry(1, 1), now, 100);
        near.invalidate("k", 2);
        assert!(near.get("k", "a", now).is_none());
        assert!(near.get("k", "b", now).is_some() && near.get("other", "a", now).is_some());
    }

    #[test]
    fn without_a_window_nothing_is_kept() {
        let mut near = Near::new(0, 2_000);
        near.put("k", "a", &entry(1, 1), at(0, 0, 0), 100);
        assert!(near.get("k", "a", at(0, 0, 0)).is_none());
    }
}

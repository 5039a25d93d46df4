//! The memory port: the semantics of the scripts in one process, in the obvious way. `local` uses it, and the tests compare the real
//! servers with it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::blobs::Blobs;
use crate::core::ANY;
use crate::header::Header;
use crate::limits::{ENTRY_OVERHEAD_BYTES, LEASE_MS, LEASES_MAX, PAGES_MAX, SCOPE_BYTES_MAX, SCOPE_TTL_MS, STALE_TTL_MS};
use crate::mutation::{Mutation, applied};
use crate::port::{Command, Fill, Filled, Incarnation, Reply, Seen};
use crate::windows::Windows;

/// Stands where a scope has its incarnation, in hashes of copies.
const COPIES: &str = "-";
/// Bytes that all scopes together keep.
const BYTES_MAX: usize = 64 << 20;

/// All scopes, as a server holds them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    hashes: HashMap<String, Hash>,
    /// Keys by their last use, oldest first.
    uses: BTreeMap<u64, String>,
    used: u64,
    bytes: usize,
    windows: Windows,
    blobs: Blobs,
}

/// One key. Copies that are served while the source fails use the entries only.
#[derive(Debug, Clone, Default)]
struct Hash {
    incarnation: Option<Incarnation>,
    floor: u64,
    entries: HashMap<String, (Header, Bytes)>,
    /// Entries in the order of their FILL: field, whether it is a page, bytes.
    order: Vec<(String, bool, usize)>,
    /// Until when, whose, of which field.
    leases: Vec<(u64, Incarnation, String)>,
    expires_ms: u64,
    bytes: usize,
    used: u64,
}

impl Memory {
    /// Runs one command at a time of the server's clock.
    pub(crate) fn apply(&mut self, command: Command, now_ms: u64) -> Reply {
        match command {
            Command::Read { key, field, etags } => Reply::Seen(self.read(&key, &field, &etags, now_ms)),
            Command::Open { key, field, proposed } => self.open(&key, field, proposed, now_ms),
            Command::Fill(fill) => Reply::Filled(self.fill(*fill, now_ms)),
            Command::Bump { key, rev } => {
                self.bump(&key, rev, now_ms);
                Reply::Bumped
            }
            Command::Purge { key, stale_key } => {
                self.remove(&key);
                self.remove(&stale_key);
                Reply::Purged
            }
            Command::Count { key, window_ms } => {
                let (count, left_ms) = self.windows.count(key, window_ms, now_ms);
                Reply::Counted { count, left_ms }
            }
            Command::GetBlobs { keys } => Reply::Blobs(keys.iter().map(|key| self.blobs.get(key, now_ms)).collect()),
            Command::PutBlobs { blobs } => {
                blobs.into_iter().for_each(|(key, blob)| self.blobs.put(key, blob, now_ms));
                Reply::BlobsKept
            }
        }
    }

    /// Loses a key, as an eviction does.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(hash) = self.hashes.remove(key) {
            self.bytes -= hash.bytes;
            self.uses.remove(&hash.used);
        }
    }

    /// All that decides what a scope replies next.
    #[cfg(test)]
    pub(crate) fn fingerprint(&self, key: &str) -> String {
        let Some(hash) = self.hashes.get(key) else { return String::new() };
        let mut revs: Vec<_> = hash.entries.iter().map(|(field, (header, _))| (field, header.rev)).collect();
        revs.sort_unstable();
        format!("{:?} {} {revs:?}", hash.incarnation, hash.floor)
    }

    /// Ends all leases of a scope.
    #[cfg(test)]
    pub(crate) fn end_leases(&mut self, key: &str) {
        if let Some(hash) = self.hashes.get_mut(key) {
            hash.leases.clear();
        }
    }

    /// Keys that are there.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.hashes.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Page entries and bytes of the fullest scope.
    #[cfg(test)]
    pub(crate) fn fullest(&self) -> (usize, usize) {
        let pages = self.hashes.values().map(|hash| hash.order.iter().filter(|(_, page, _)| *page).count()).max();
        (pages.unwrap_or(0), self.hashes.values().map(|hash| hash.bytes).max().unwrap_or(0))
    }

    fn live(&mut self, key: &str, now_ms: u64) -> Option<&mut Hash> {
        if self.hashes.get(key)?.expires_ms <= now_ms {
            self.remove(key);
            return None;
        }
        self.used += 1;
        let hash = self.hashes.get_mut(key)?;
        if let Some(key) = self.uses.remove(&hash.used) {
            self.uses.insert(self.used, key);
        }
        hash.used = self.used;
        Some(hash)
    }

    fn live_or_new(&mut self, key: &str, now_ms: u64) -> &mut Hash {
        if self.live(key, now_ms).is_none() {
            self.used += 1;
            self.uses.insert(self.used, key.to_owned());
            self.hashes.insert(key.to_owned(), Hash { used: self.used, ..Hash::default() });
        }
        self.hashes.get_mut(key).expect("it was there or was just inserted")
    }

    fn read(&mut self, key: &str, field: &str, etags: &[String], now_ms: u64) -> Seen {
        let Some(hash) = self.live(key, now_ms) else { return Seen { server_ms: now_ms, ..Seen::default() } };
        let entry = hash.entries.get(field).cloned();
        let matched = entry.as_ref().is_some_and(|(header, _)| etags.contains(&header.etag));
        let entry = entry.map(|(header, body)| (header, if matched { Bytes::new() } else { body }));
        Seen { incarnation: hash.incarnation.clone(), floor: hash.floor, entry, matched, damaged: false, server_ms: now_ms }
    }

    fn open(&mut self, key: &str, field: String, proposed: Incarnation, now_ms: u64) -> Reply {
        let hash = self.live_or_new(key, now_ms);
        hash.expires_ms = now_ms + SCOPE_TTL_MS;
        let incarnation = hash.incarnation.get_or_insert_with(|| proposed.clone()).clone();
        hash.leases.retain(|(until_ms, ..)| *until_ms > now_ms);
        let held = hash.leases.iter().find(|(.., of)| *of == field);
        let leased = held.is_none_or(|(_, owner, _)| *owner == proposed);
        if held.is_none() && hash.leases.len() < LEASES_MAX {
            hash.leases.push((now_ms + LEASE_MS, proposed, field));
        }
        Reply::Opened { incarnation, leased }
    }

    fn fill(&mut self, fill: Fill, now_ms: u64) -> Filled {
        let Some(hash) = self.live(&fill.key, now_ms) else { return Filled::OtherIncarnation };
        let unlicensed = fill.incarnation == ANY && applied(Mutation::PushWithoutOpen);
        if hash.incarnation.as_ref() != Some(&fill.incarnation) && !applied(Mutation::NoIncarnationCheck) && !unlicensed {
            return Filled::OtherIncarnation;
        }
        if fill.header.rev < hash.floor {
            return Filled::BelowFloor;
        }
        let existing = hash.entries.get(&fill.field).map(|(header, _)| header.rev);
        if existing.is_some_and(|rev| rev > fill.header.rev || (rev == fill.header.rev && applied(Mutation::GreaterInFill))) {
            return Filled::BelowEntry;
        }
        let before = hash.bytes;
        hash.leases.retain(|(.., of)| *of != fill.field);
        hash.store(&fill, now_ms);
        hash.expires_ms = now_ms + SCOPE_TTL_MS;
        let after = hash.bytes;
        self.bytes = self.bytes + after - before;
        self.keep_copy(fill, now_ms);
        self.shrink();
        Filled::Stored
    }

    fn keep_copy(&mut self, fill: Fill, now_ms: u64) {
        let Some(key) = fill.stale_key.clone() else { return };
        let hash = self.live_or_new(&key, now_ms);
        if hash.entries.get(&fill.field).is_some_and(|(header, _)| header.rev > fill.header.rev) {
            return;
        }
        hash.incarnation = Some(COPIES.to_owned());
        hash.expires_ms = now_ms + STALE_TTL_MS;
        let before = hash.bytes;
        hash.store(&fill, now_ms);
        let after = hash.bytes;
        self.bytes = self.bytes + after - before;
    }

    fn bump(&mut self, key: &str, rev: u64, now_ms: u64) {
        let Some(hash) = self.live(key, now_ms) else { return };
        if applied(Mutation::DeleteInsteadOfFloor) {
            hash.entries.clear();
            hash.order.clear();
            let freed = std::mem::take(&mut hash.bytes);
            self.bytes -= freed;
            return;
        }
        hash.floor = hash.floor.max(rev);
    }

    fn shrink(&mut self) {
        while self.bytes > BYTES_MAX {
            let Some((_, key)) = self.uses.pop_first() else { return };
            if let Some(hash) = self.hashes.remove(&key) {
                self.bytes -= hash.bytes;
            }
        }
    }
}

impl Hash {
    fn store(&mut self, fill: &Fill, now_ms: u64) {
        let bytes = fill.header.encode().len() + fill.body.len() + 2 * fill.field.len() + ENTRY_OVERHEAD_BYTES;
        self.order.retain(|(field, ..)| *field != fill.field);
        self.order.push((fill.field.clone(), fill.page, bytes));
        self.entries.insert(fill.field.clone(), (Header { stored_ms: now_ms, ..fill.header.clone() }, fill.body.clone()));
        self.bytes = self.order.iter().map(|(.., bytes)| bytes).sum();
        let mut pages = self.order.iter().filter(|(_, page, _)| *page).count();
        let mut kept = Vec::new();
        let last = self.order.len() - 1;
        for (at, (field, page, bytes)) in std::mem::take(&mut self.order).into_iter().enumerate() {
            if at != last && ((page && pages > PAGES_MAX) || self.bytes > SCOPE_BYTES_MAX) {
                self.entries.remove(&field);
                self.bytes -= bytes;
                pages -= usize::from(page);
            } else {
                kept.push((field, page, bytes));
            }
        }
        self.order = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Entry;

    fn fill(key: &str, field: &str, bytes: usize) -> Command {
        let body = Bytes::from(vec![0; bytes]);
        let entry = Entry { rev: 1, status: 200, body, gzip: false, etag: String::new(), extra: String::new() };
        let (key, field, incarnation) = (key.to_owned(), field.to_owned(), "i".to_owned());
        let header = Header::of(&entry, 60_000, 0);
        Command::Fill(Box::new(Fill { page: field.contains("page"), key, field, incarnation, header, body: entry.body, stale_key: None }))
    }

    fn open(memory: &mut Memory, key: &str, owner: &str, now_ms: u64) -> bool {
        let command = Command::Open { key: key.to_owned(), field: "f".to_owned(), proposed: owner.to_owned() };
        matches!(memory.apply(command, now_ms), Reply::Opened { leased: true, .. })
    }

    fn holds(memory: &mut Memory, key: &str, field: &str, now_ms: u64) -> bool {
        memory.read(key, field, &[], now_ms).entry.is_some()
    }

    #[test]
    fn a_scope_keeps_its_newest_pages_and_a_megabyte() {
        let mut memory = Memory::default();
        open(&mut memory, "k", "i", 0);
        memory.apply(fill("k", "dashboard", 10), 0);
        for page in 0..40 {
            memory.apply(fill("k", &format!("page:{page}"), 10), 0);
        }
        assert_eq!(memory.fullest().0, PAGES_MAX);
        assert!(holds(&mut memory, "k", "dashboard", 0) && !holds(&mut memory, "k", "page:7", 0) && holds(&mut memory, "k", "page:8", 0));
        for large in ["one", "two", "three"] {
            memory.apply(fill("k", large, 400_000), 0);
        }
        assert!(memory.fullest().1 <= SCOPE_BYTES_MAX);
        assert!(!holds(&mut memory, "k", "one", 0) && holds(&mut memory, "k", "two", 0) && holds(&mut memory, "k", "three", 0));
    }

    #[test]
    fn all_scopes_together_stay_bounded_and_the_least_used_goes_first() {
        let mut memory = Memory::default();
        let keys: Vec<String> = (0..200).map(|at| format!("k{at}")).collect();
        for key in &keys {
            open(&mut memory, key, "i", 0);
            memory.apply(fill(key, "f", 500_000), 0);
            assert!(memory.bytes <= BYTES_MAX && holds(&mut memory, &keys[0], "f", 0), "{key}");
        }
        assert!(!holds(&mut memory, &keys[1], "f", 0) && memory.uses.len() == memory.hashes.len());
        for key in &keys {
            memory.apply(Command::Purge { key: key.clone(), stale_key: String::new() }, 0);
        }
        assert_eq!((memory.bytes, memory.uses.len()), (0, 0));
    }

    #[test]
    fn a_scope_ends_ten_minutes_after_its_last_use() {
        let mut memory = Memory::default();
        open(&mut memory, "k", "i", 0);
        memory.apply(fill("k", "f", 10), 1_000);
        assert!(holds(&mut memory, "k", "f", SCOPE_TTL_MS + 999) && !holds(&mut memory, "k", "f", SCOPE_TTL_MS + 1_000));
    }

    #[test]
    fn a_lease_is_for_one_and_ends() {
        let mut memory = Memory::default();
        assert!(open(&mut memory, "k", "a", 0) && open(&mut memory, "k", "a", 1) && !open(&mut memory, "k", "b", 2));
        assert!(open(&mut memory, "k", "b", LEASE_MS));
        memory.apply(fill("k", "f", 10), LEASE_MS);
    }
}

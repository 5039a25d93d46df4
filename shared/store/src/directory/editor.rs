//! Changes of a directory: a row goes into, or out of, one bucket.

use super::{Bucket, CHUNK_BYTES_MAX, Chunk, ChunkRef, Directory, Key, MERGE_ROWS, MERGED_ROWS_MAX, SPLIT_ROWS, separator};

/// Changes of a directory whose touched chunks were loaded.
#[derive(Debug, Clone)]
pub(crate) struct Editor {
    pub(crate) directory: Directory,
    pub(super) chunks: std::collections::BTreeMap<u32, Chunk>,
    pub(super) dirty: std::collections::BTreeSet<u32>,
    pub(super) removed: Vec<u32>,
    pub(super) version: u64,
}

/// A bucket that must be split before it takes another row: its range in keys, to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overfull {
    pub(crate) from: Key,
    pub(crate) until: Option<Key>,
}

impl Editor {
    /// Starts from loaded chunks; changed buckets get `version`.
    pub(crate) fn new(directory: Directory, chunks: impl IntoIterator<Item = (u32, Chunk)>, version: u64) -> Self {
        Self { directory, chunks: chunks.into_iter().collect(), dirty: Default::default(), removed: Vec::new(), version }
    }

    /// Number of the chunk that a key belongs to, if it is still to be loaded.
    pub(crate) fn missing(&self, key: Key) -> Option<u32> {
        let number = self.directory.chunks[self.directory.chunk_of(key)?].number;
        (!self.chunks.contains_key(&number)).then_some(number)
    }

    /// Adds a chunk that was read.
    pub(crate) fn load(&mut self, number: u32, chunk: Chunk) {
        self.chunks.entry(number).or_insert(chunk);
    }

    /// Whether nothing was changed.
    pub(crate) fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.removed.is_empty()
    }

    /// The bucket that an insertion of `key` would overfill, unless it can be appended.
    pub(crate) fn overfull(&self, key: Key) -> Option<Overfull> {
        if self.appends(key) {
            return None;
        }
        let index = self.directory.chunk_of(key)?;
        let chunk = &self.chunks[&self.directory.chunks[index].number];
        let at = chunk.of_key(key);
        let bucket = chunk.0.get(at).filter(|bucket| bucket.count >= SPLIT_ROWS)?;
        let until = chunk.0.get(at + 1).map(|next| next.start.as_slice());
        let until = until.or_else(|| self.directory.chunks.get(index + 1).map(|next| next.start.as_slice()));
        Some(Overfull { from: Key::first_of(&bucket.start), until: until.map(Key::first_of) })
    }

    /// Splits an overfull bucket by its rows: keys in order, with whether each can be reached.
    pub(crate) fn split(&mut self, rows: &[(Key, bool)]) {
        let half = rows.len() / 2;
        let (Some((left, _)), Some((right, _))) = (half.checked_sub(1).and_then(|n| rows.get(n)), rows.get(half)) else {
            return;
        };
        let start = separator(*left, *right);
        let Some(index) = self.directory.chunk_of(*left) else { return };
        let number = self.directory.chunks[index].number;
        let version = self.version;
        let Some(chunk) = self.chunks.get_mut(&number) else { return };
        let at = chunk.of_key(*left);
        if chunk.0[at].count as usize != rows.len() {
            return;
        }
        let reachable = rows[half..].iter().filter(|(_, reachable)| *reachable).count() as u32;
        let bucket = &mut chunk.0[at];
        let right = Bucket { start, count: (rows.len() - half) as u32, reachable, version };
        bucket.count -= right.count;
        bucket.reachable -= right.reachable;
        bucket.version = version;
        chunk.0.insert(at + 1, right);
        self.dirty.insert(number);
        self.fit(index, false);
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, key: Key, reachable: bool) {
        let append = self.appends(key);
        if self.directory.chunks.is_empty() {
            let number = self.new_number();
            self.directory.chunks.push(ChunkRef { number, start: Vec::new(), count: 0, reachable: 0 });
            self.chunks.insert(number, Chunk(vec![Bucket { start: Vec::new(), count: 0, reachable: 0, version: self.version }]));
        }
        let index = self.directory.chunk_of(key).unwrap_or(0);
        let number = self.directory.chunks[index].number;
        let (version, top) = (self.version, self.directory.top);
        let chunk = self.chunks.get_mut(&number).expect("the writer loaded the chunk of every key");
        let mut at = chunk.of_key(key);
        if let (true, Some(top)) = (append && chunk.0[at].count >= SPLIT_ROWS, top) {
            chunk.0.push(Bucket { start: separator(top, key), count: 0, reachable: 0, version });
            at += 1;
        }
        let bucket = &mut chunk.0[at];
        bucket.count += 1;
        bucket.reachable += u32::from(reachable);
        bucket.version = version;
        self.directory.top = self.directory.top.max(Some(key));
        self.dirty.insert(number);
        self.fit(index, append);
    }

    /// Takes a row away that is there.
    pub(crate) fn remove(&mut self, key: Key, reachable: bool) {
        let Some(index) = self.directory.chunk_of(key) else { return };
        let number = self.directory.chunks[index].number;
        let version = self.version;
        let chunk = self.chunks.get_mut(&number).expect("the writer loaded the chunk of every key");
        let at = chunk.of_key(key);
        let bucket = &mut chunk.0[at];
        bucket.count = bucket.count.saturating_sub(1);
        bucket.reachable = bucket.reachable.saturating_sub(u32::from(reachable));
        bucket.version = version;
        if bucket.count < MERGE_ROWS {
            merge(chunk, at, version);
        }
        let empty = chunk.0.len() == 1 && chunk.0[0].count == 0;
        self.dirty.insert(number);
        self.fit(index, false);
        if empty && index > 0 {
            self.directory.chunks.remove(index);
            self.dirty.remove(&number);
            self.chunks.remove(&number);
            self.removed.push(number);
        }
    }

    /// A row whose fields changed in place.
    pub(crate) fn touch(&mut self, key: Key, reachable_before: bool, reachable_now: bool) {
        let Some(index) = self.directory.chunk_of(key) else { return };
        let number = self.directory.chunks[index].number;
        let version = self.version;
        let chunk = self.chunks.get_mut(&number).expect("the writer loaded the chunk of every key");
        let at = chunk.of_key(key);
        let bucket = &mut chunk.0[at];
        bucket.reachable = (bucket.reachable + u32::from(reachable_now)).saturating_sub(u32::from(reachable_before));
        bucket.version = version;
        self.dirty.insert(number);
        self.fit(index, false);
    }

    /// Chunks to write and chunk numbers to delete.
    pub(crate) fn changes(&self) -> (Vec<(u32, &Chunk)>, &[u32]) {
        (self.dirty.iter().filter_map(|number| Some((*number, self.chunks.get(number)?))).collect(), &self.removed)
    }

    /// Items that writing the changes takes, the directory itself included.
    pub(crate) fn items(&self) -> usize {
        1 + self.dirty.len() + self.removed.len()
    }

    fn appends(&self, key: Key) -> bool {
        self.directory.top.is_none_or(|top| key > top)
    }

    fn new_number(&mut self) -> u32 {
        let number = self.directory.next_number;
        self.directory.next_number += 1;
        number
    }

    /// Renews the chunk's totals and splits it when it outgrows its item: at its end when rows are appended, else in the middle.
    fn fit(&mut self, index: usize, append: bool) {
        let number = self.directory.chunks[index].number;
        let chunk = &self.chunks[&number];
        let (count, reachable) = chunk.totals();
        self.directory.chunks[index].count = count;
        self.directory.chunks[index].reachable = reachable;
        if chunk.0.len() < 2 || chunk.encode().len() <= CHUNK_BYTES_MAX {
            return;
        }
        let at = if append && index + 1 == self.directory.chunks.len() { chunk.0.len() - 1 } else { chunk.0.len() / 2 };
        let next = self.new_number();
        let chunk = self.chunks.get_mut(&number).expect("it was just read");
        let right = Chunk(chunk.0.split_off(at));
        let (count, reachable) = right.totals();
        let start = right.0[0].start.clone();
        self.directory.chunks[index].count -= count;
        self.directory.chunks[index].reachable -= reachable;
        self.directory.chunks.insert(index + 1, ChunkRef { number: next, start, count, reachable });
        self.chunks.insert(next, right);
        self.dirty.extend([number, next]);
    }
}

/// Joins a small bucket with a neighbour of its chunk if both fit into one.
fn merge(chunk: &mut Chunk, at: usize, version: u64) {
    let sum = |chunk: &Chunk, a: usize, b: usize| chunk.0.get(b).map(|other| chunk.0[a].count + other.count);
    let left = if at > 0 && sum(chunk, at - 1, at).is_some_and(|rows| rows <= MERGED_ROWS_MAX) {
        at - 1
    } else if sum(chunk, at, at + 1).is_some_and(|rows| rows <= MERGED_ROWS_MAX) {
        at
    } else {
        return;
    };
    let right = chunk.0.remove(left + 1);
    let bucket = &mut chunk.0[left];
    bucket.count += right.count;
    bucket.reachable += right.reachable;
    bucket.version = version;
}

/// Builds a directory from rows in order, as an import or a rebuild has them.
pub(crate) fn build(rows: impl IntoIterator<Item = (Key, bool)>, version: u64, first_number: u32) -> Editor {
    let directory = Directory { next_number: first_number, ..Directory::default() };
    let mut editor = Editor::new(directory, [], version);
    for (key, reachable) in rows {
        editor.add(key, reachable);
    }
    editor
}

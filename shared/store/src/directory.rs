//! The directory: a user's contacts in order of (creation, id), as buckets with counts.
//!
//! Buckets sit in chunks, each an item of at most 1 KB; one more item lists the chunks. A change touches one bucket, so it costs the same
//! at any size of the account; a position is found without reading rows. A bucket begins at a **separator**: the shortest byte prefix that tells
//! its first key from the one before. A bucket's content is fixed by its start and its version.

mod editor;

use domain::{ContactId, Timestamp};
use uuid::Uuid;

use crate::keys;
use crate::packing::{Malformed, Reader, Writer};

pub(crate) use editor::{Editor, build};

/// Rows at which a bucket is split before it takes another.
pub(crate) const SPLIT_ROWS: u32 = 256;
/// Rows under which a bucket joins a neighbour.
const MERGE_ROWS: u32 = 64;
/// Rows that two joined buckets may have.
const MERGED_ROWS_MAX: u32 = 192;
/// Bytes of a packed chunk: with its keys it stays within one write unit (1 KB).
const CHUNK_BYTES_MAX: usize = 880;

/// A contact's place: 6 bytes of milliseconds, 16 of the id. Byte order is list order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 22]);

impl Key {
    /// The place of a contact.
    #[must_use]
    pub fn of(at: Timestamp, id: ContactId) -> Self {
        let mut bytes = [0; 22];
        bytes[..6].copy_from_slice(&at.ms().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(id.0.as_bytes());
        Self(bytes)
    }

    /// The greatest place below this one.
    #[must_use]
    pub(crate) fn before(mut self) -> Self {
        for byte in self.0.iter_mut().rev() {
            let borrow = *byte == 0;
            *byte = byte.wrapping_sub(1);
            if !borrow {
                break;
            }
        }
        self
    }

    /// The place as it stands in local index 1.
    pub(crate) fn l1(&self) -> String {
        let (at, id) = self.parts();
        keys::contact_l1(at, id)
    }

    /// Creation and id.
    #[must_use]
    pub fn parts(&self) -> (Timestamp, ContactId) {
        let mut ms = [0; 8];
        ms[2..].copy_from_slice(&self.0[..6]);
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[6..]);
        (Timestamp::from_ms(i64::from_be_bytes(ms)), ContactId(Uuid::from_bytes(id)))
    }

    /// The smallest key that a separator admits.
    #[must_use]
    pub(crate) fn first_of(separator: &[u8]) -> Self {
        let mut bytes = [0; 22];
        bytes[..separator.len()].copy_from_slice(separator);
        Self(bytes)
    }
}

/// The shortest prefix of `right` that is greater than `left`, which must be smaller.
fn separator(left: Key, right: Key) -> Vec<u8> {
    let same = left.0.iter().zip(&right.0).take_while(|(a, b)| a == b).count();
    right.0[..(same + 1).min(22)].to_vec()
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Separator at which it begins; empty for the first of all.
    pub start: Vec<u8>,
    /// Rows.
    pub count: u32,
    /// Rows that can be reached.
    pub reachable: u32,
    /// Revision that changed it last.
    pub version: u64,
}

/// A run of neighbouring buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk(pub Vec<Bucket>);

/// What the directory knows of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRef {
    /// Names its item.
    pub number: u32,
    /// Start of its first bucket.
    pub start: Vec<u8>,
    /// Rows.
    pub count: u64,
    /// Rows that can be reached.
    pub reachable: u64,
}

/// The list of chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Number of the next new chunk.
    pub next_number: u32,
    /// The largest key that ever was, so that appending needs no read.
    pub top: Option<Key>,
    /// In order.
    pub chunks: Vec<ChunkRef>,
}

impl Chunk {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        for bucket in &self.0 {
            writer.prefixed(&bucket.start);
            writer.varint(u64::from(bucket.count));
            writer.varint(u64::from(bucket.reachable));
            writer.varint(bucket.version);
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)?;
        let mut buckets = Vec::new();
        while !reader.is_empty() {
            buckets.push(Bucket {
                start: reader.prefixed(22)?,
                count: reader.varint_u32()?,
                reachable: reader.varint_u32()?,
                version: reader.varint()?,
            });
        }
        Ok(Self(buckets))
    }

    fn of_key(&self, key: Key) -> usize {
        self.0.partition_point(|bucket| bucket.start.as_slice() <= key.0.as_slice()).saturating_sub(1)
    }

    pub(crate) fn totals(&self) -> (u64, u64) {
        self.0.iter().fold((0, 0), |(count, reachable), b| (count + u64::from(b.count), reachable + u64::from(b.reachable)))
    }
}

impl Directory {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.varint(u64::from(self.next_number));
        writer.prefixed(self.top.as_ref().map_or(&[], |top| &top.0));
        for chunk in &self.chunks {
            writer.varint(u64::from(chunk.number));
            writer.prefixed(&chunk.start);
            writer.varint(chunk.count);
            writer.varint(chunk.reachable);
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes)?;
        let next_number = reader.varint_u32()?;
        let top = reader.prefixed(22)?;
        let top = if top.is_empty() { None } else { Some(Key(top.try_into().map_err(|_| Malformed)?)) };
        let mut chunks = Vec::new();
        while !reader.is_empty() {
            chunks.push(ChunkRef {
                number: reader.varint_u32()?,
                start: reader.prefixed(22)?,
                count: reader.varint()?,
                reachable: reader.varint()?,
            });
        }
        Ok(Self { next_number, top, chunks })
    }

    /// Index of the chunk that a key belongs to.
    pub(crate) fn chunk_of(&self, key: Key) -> Option<usize> {
        let after = self.chunks.partition_point(|chunk| chunk.start.as_slice() <= key.0.as_slice());
        (!self.chunks.is_empty()).then(|| after.saturating_sub(1))
    }

    /// Index of the chunk with the row at `position`, counted from the oldest, and the rows before that chunk.
    pub(crate) fn chunk_at(&self, position: u64) -> Option<(usize, u64)> {
        let mut before = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            if position < before + chunk.count {
                return Some((index, before));
            }
            before += chunk.count;
        }
        None
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;

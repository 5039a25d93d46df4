//! Buckets as bytes: a format number, a check sum over name and content, and the columns, compressed.
//!
//! Columns of one kind compress to about a third of the rows' JSON, and zstd unpacks them five times as fast as deflate.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::bucket::Bucket;
use crate::column::Column;

/// Number of the format; bytes of another one are as good as none.
const FORMAT: u8 = 2;
const SUM_BYTES: usize = 8;
/// zstd's fast levels gain nothing more here; higher ones cost time on a cold search.
const LEVEL: i32 = 3;
/// Unpacked bytes that are believed: the largest bucket of the longest texts is half of it.
const UNPACKED_BYTES_MAX: usize = 4 << 20;
const UUID_BYTES: usize = 16;

impl Bucket {
    /// Packs the bucket under a name.
    #[must_use]
    pub fn encode(&self, name: &str) -> Vec<u8> {
        let content = zstd::bulk::compress(&self.columns(), LEVEL).expect("memory takes any number of bytes");
        let mut bytes = vec![FORMAT];
        bytes.extend(sum(name, &content));
        bytes.extend(content);
        bytes
    }

    /// Unpacks a bucket; nothing when the bytes are damaged, of another format, or were packed under another name.
    #[must_use]
    pub fn decode(name: &str, bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        let (found, content) = rest.split_at_checked(SUM_BYTES)?;
        if format != FORMAT || found != sum(name, content) {
            return None;
        }
        Self::from_columns(&zstd::bulk::decompress(content, UNPACKED_BYTES_MAX).ok()?)
    }

    fn columns(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint(&mut out, self.len() as u64);
        self.ids.iter().for_each(|id| out.extend(id.as_bytes()));
        varint(&mut out, self.jobs.len() as u64);
        self.jobs.iter().for_each(|job| out.extend(job.as_bytes()));
        self.job_of.iter().for_each(|job| varint(&mut out, u64::from(*job)));
        let mut before = 0_i64;
        for ms in &self.created_ms {
            varint(&mut out, zigzag(ms.wrapping_sub(before)));
            before = *ms;
        }
        for (updated, created) in self.updated_ms.iter().zip(&self.created_ms) {
            varint(&mut out, zigzag(updated.wrapping_sub(*created)));
        }
        self.versions.iter().for_each(|version| varint(&mut out, *version));
        out.extend(&self.flags);
        let folded = self.folded.iter().map(Option::as_ref);
        for column in self.stored.iter().map(Some).chain(folded).chain([Some(&self.digits)]) {
            // A column ends with a byte at least when there is a row, so no bytes mean no column of its own.
            let bytes = column.map(Column::bytes).unwrap_or_default();
            varint(&mut out, bytes.len() as u64);
            out.extend(bytes);
        }
        out
    }

    fn from_columns(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let rows = reader.count()?;
        let ids = reader.uuids(rows)?;
        let jobs = reader.count()?;
        let jobs = reader.uuids(jobs)?;
        let job_of = reader.many(rows, |number| u32::try_from(number).ok().filter(|job| (*job as usize) < jobs.len()))?;
        let mut before = 0_i64;
        let created_ms = reader.many(rows, |number| {
            before = before.wrapping_add(unzigzag(number));
            Some(before)
        })?;
        let updated_ms = reader.many(rows, |number| Some(unzigzag(number)))?;
        let updated_ms = updated_ms.iter().zip(&created_ms).map(|(after, created)| created.wrapping_add(*after)).collect();
        let versions = reader.many(rows, Some)?;
        let flags = reader.bytes(rows)?.to_vec();
        let mut column = || {
            let bytes = reader.count()?;
            let bytes = reader.bytes(bytes)?;
            if bytes.is_empty() { Some(None) } else { Column::from_bytes(bytes, rows).map(Some) }
        };
        let own = |column: Option<Column>| column.or((rows == 0).then(Column::default));
        let mut stored = || own(column()?);
        let stored = [stored()?, stored()?, stored()?, stored()?, stored()?];
        let folded = [column()?, column()?, column()?, column()?, column()?];
        let digits = own(column()?)?;
        reader.0.is_empty().then_some(Self { ids, jobs, job_of, created_ms, updated_ms, versions, flags, stored, folded, digits })
    }
}

fn sum(name: &str, content: &[u8]) -> [u8; SUM_BYTES] {
    let hash = Sha256::new().chain_update((name.len() as u64).to_be_bytes()).chain_update(name).chain_update(content).finalize();
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(&hash[..SUM_BYTES]);
    sum
}

/// LEB128.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads columns; nothing comes of bytes that end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number of things that take a byte at least.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok().filter(|count| *count <= self.0.len())
    }

    fn many<T>(&mut self, count: usize, mut of: impl FnMut(u64) -> Option<T>) -> Option<Vec<T>> {
        (0..count).map(|_| of(self.varint()?)).collect()
    }

    fn uuids(&mut self, count: usize) -> Option<Vec<Uuid>> {
        let bytes = self.bytes(count.checked_mul(UUID_BYTES)?)?;
        Some(bytes.as_chunks::<UUID_BYTES>().0.iter().map(|bytes| Uuid::from_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
#[path = "packing_tests.rs"]
pub(crate) mod tests;

//! Blobs in the memory port: bytes under names whose content never changes, so they need no floor and no invalidation.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::limits::BLOB_TTL_MS;

/// Bytes that all blobs together keep.
const BYTES_MAX: usize = 64 << 20;

/// Blobs as a server holds them: until their time is over, or until newer ones need the room.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blobs {
    kept: HashMap<String, (Bytes, u64)>,
    /// Keys in the order in which they came.
    order: VecDeque<String>,
    bytes: usize,
}

impl Blobs {
    pub(crate) fn get(&self, key: &str, now_ms: u64) -> Option<Bytes> {
        self.kept.get(key).filter(|(_, until_ms)| *until_ms > now_ms).map(|(blob, _)| blob.clone())
    }

    pub(crate) fn put(&mut self, key: String, blob: Bytes, now_ms: u64) {
        self.bytes += blob.len() + key.len();
        match self.kept.insert(key.clone(), (blob, now_ms + BLOB_TTL_MS)) {
            Some((old, _)) => self.bytes -= old.len() + key.len(),
            None => self.order.push_back(key),
        }
        while self.bytes > BYTES_MAX {
            let Some(key) = self.order.pop_front() else { return };
            if let Some((old, _)) = self.kept.remove(&key) {
                self.bytes -= old.len() + key.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_stay_bounded_and_the_oldest_goes_first() {
        let mut blobs = Blobs::default();
        let blob = Bytes::from(vec![0; 1 << 20]);
        for n in 0..100 {
            blobs.put(format!("{n:03}"), blob.clone(), 0);
            blobs.put(format!("{n:03}"), blob.clone(), 0);
            assert!(blobs.bytes <= BYTES_MAX && blobs.order.len() == blobs.kept.len());
        }
        assert!(blobs.get("000", 0).is_none() && blobs.get("099", 0).is_some());
    }

    #[test]
    fn blobs_end() {
        let mut blobs = Blobs::default();
        blobs.put("a".to_owned(), Bytes::from_static(b"x"), 5);
        assert!(blobs.get("a", 5 + BLOB_TTL_MS - 1).is_some() && blobs.get("a", 5 + BLOB_TTL_MS).is_none());
    }
}

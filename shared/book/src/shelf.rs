//! Buckets that a process keeps, bounded in bytes: the least used go first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::bucket::Bucket;

/// Bytes that a bucket costs beside itself and its name.
const OVERHEAD_BYTES: usize = 256;

/// Buckets by name. What is under a name never changes, so nothing here is ever out of date.
#[derive(Debug)]
pub struct Shelf {
    bytes_max: usize,
    bytes: usize,
    used: u64,
    buckets: HashMap<Arc<str>, Kept>,
    uses: BTreeMap<u64, Arc<str>>,
}

#[derive(Debug)]
struct Kept {
    bucket: Arc<Bucket>,
    bytes: usize,
    used: u64,
}

impl Shelf {
    /// An empty shelf.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, used: 0, buckets: HashMap::new(), uses: BTreeMap::new() }
    }

    /// The bucket of a name.
    pub fn get(&mut self, name: &str) -> Option<Arc<Bucket>> {
        let kept = self.buckets.get_mut(name)?;
        self.used += 1;
        if let Some(name) = self.uses.remove(&kept.used) {
            self.uses.insert(self.used, name);
        }
        kept.used = self.used;
        Some(Arc::clone(&kept.bucket))
    }

    /// Keeps a bucket; one that is larger than the shelf is not kept.
    pub fn put(&mut self, name: &str, bucket: Arc<Bucket>) {
        let bytes = bucket.size() + 2 * name.len() + OVERHEAD_BYTES;
        if bytes > self.bytes_max || self.buckets.contains_key(name) {
            return;
        }
        self.used += 1;
        let name: Arc<str> = name.into();
        self.uses.insert(self.used, Arc::clone(&name));
        self.buckets.insert(name, Kept { bucket, bytes, used: self.used });
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            let Some((_, name)) = self.uses.pop_first() else { return };
            if let Some(kept) = self.buckets.remove(&name) {
                self.bytes -= kept.bytes;
            }
        }
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_goes_first_and_the_bound_holds() {
        let bucket = Arc::new(Bucket::of(&[]));
        let one = bucket.size() + 2 + OVERHEAD_BYTES;
        let mut shelf = Shelf::new(3 * one);
        for name in ["a", "b", "c"] {
            shelf.put(name, Arc::clone(&bucket));
        }
        assert!(shelf.get("a").is_some());
        shelf.put("d", Arc::clone(&bucket));
        shelf.put("d", Arc::clone(&bucket));
        assert!(shelf.get("b").is_none() && shelf.get("a").is_some() && shelf.get("c").is_some() && shelf.get("d").is_some());
        assert_eq!((shelf.bytes(), shelf.buckets.len(), shelf.uses.len()), (3 * one, 3, 3));
    }

    #[test]
    fn what_is_larger_than_the_shelf_is_not_kept() {
        let mut shelf = Shelf::new(100);
        shelf.put("a", Arc::new(Bucket::of(&[])));
        assert_eq!((shelf.get("a").is_none(), shelf.bytes()), (true, 0));
    }
}

//! The directory, read byte by byte as docs/table.md describes it, against the places of the contacts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Raw, only_in_one, same};

/// Bytes that the packed part of a chunk may have.
const CHUNK_BYTES_MAX: usize = 880;
/// Rows that a bucket may have.
const BUCKET_ROWS_MAX: u64 = 256;

type Place = [u8; 22];

/// What the directory says of a chunk.
struct Listed {
    number: u64,
    start: Vec<u8>,
    count: u64,
    reachable: u64,
}

/// What a chunk says of a bucket.
struct Bucket {
    start: Vec<u8>,
    count: u64,
    reachable: u64,
}

/// Compares directory and chunks with the places.
pub(super) fn check(raw: &Raw, places: &BTreeMap<Place, bool>, out: &mut Vec<String>) {
    let Some(item) = raw.items.get("DIRECTORY") else {
        same(out, "contacts without a directory", &places.len(), &0);
        return;
    };
    let (top, listed) = directory(packed(item));
    if places.last_key_value().is_some_and(|(last, _)| top.as_slice() < last.as_slice()) {
        out.push("directory: its top is below the last contact".into());
    }
    let named: BTreeSet<u64> = listed.iter().map(|chunk| chunk.number).collect();
    let there: BTreeSet<u64> = raw.ids("DIRECTORY#").iter().map(|number| number.parse().unwrap()).collect();
    same(out, "directory: chunks that are not both named and there", &only_in_one(&named, &there), &Vec::new());
    let mut buckets = Vec::new();
    for chunk in &listed {
        let Some(item) = raw.items.get(&format!("DIRECTORY#{}", chunk.number)) else { continue };
        let own = chunk_of(packed(item));
        same(out, "directory: size of a chunk", &(packed(item).len() > CHUNK_BYTES_MAX && own.len() > 1), &false);
        let sum = own.iter().fold((0, 0), |(n, r), bucket| (n + bucket.count, r + bucket.reachable));
        same(out, "directory: counts of a chunk", &(chunk.count, chunk.reachable), &sum);
        same(out, "directory: start of a chunk", &Some(&chunk.start), &own.first().map(|bucket| &bucket.start));
        buckets.extend(own);
    }
    same(out, "directory: buckets in order", &buckets.is_sorted_by(|a, b| a.start < b.start), &true);
    same(out, "directory: start of the first bucket", &buckets.first().is_none_or(|first| first.start.is_empty()), &true);
    let mut counted = vec![(0, 0); buckets.len()];
    for (place, reachable) in places {
        let at = buckets.partition_point(|bucket| bucket.start.as_slice() <= place.as_slice());
        let Some(count) = at.checked_sub(1).and_then(|at| counted.get_mut(at)) else {
            out.push("directory: no bucket for a contact".into());
            return;
        };
        *count = (count.0 + 1, count.1 + u64::from(*reachable));
    }
    let stored: Vec<(u64, u64)> = buckets.iter().map(|bucket| (bucket.count, bucket.reachable)).collect();
    same(out, "directory: counts of the buckets", &stored, &counted);
    same(out, "directory: size of the buckets", &counted.iter().all(|(rows, _)| *rows <= BUCKET_ROWS_MAX), &true);
}

fn packed(item: &Item) -> &[u8] {
    item["packed"].as_b().unwrap().as_ref()
}

fn directory(bytes: &[u8]) -> (Vec<u8>, Vec<Listed>) {
    let mut reader = Reader::new(bytes);
    reader.varint();
    let top = reader.prefixed();
    let mut listed = Vec::new();
    while !reader.bytes.is_empty() {
        listed.push(Listed { number: reader.varint(), start: reader.prefixed(), count: reader.varint(), reachable: reader.varint() });
    }
    (top, listed)
}

fn chunk_of(bytes: &[u8]) -> Vec<Bucket> {
    let mut reader = Reader::new(bytes);
    let mut buckets = Vec::new();
    while !reader.bytes.is_empty() {
        buckets.push(Bucket { start: reader.prefixed(), count: reader.varint(), reachable: reader.varint() });
        reader.varint();
    }
    buckets
}

struct Reader<'a> {
    bytes: &'a [u8],
    last: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        assert_eq!(bytes[0], 1, "format");
        Self { bytes: &bytes[1..], last: Vec::new() }
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes[0];
        self.bytes = &self.bytes[1..];
        byte
    }

    fn varint(&mut self) -> u64 {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            value |= u64::from(byte % 128) << shift;
            shift += 7;
            if byte < 128 {
                return value;
            }
        }
    }

    fn prefixed(&mut self) -> Vec<u8> {
        let (shared, own) = match self.byte() {
            0xf0 => (self.byte(), self.byte()),
            both => (both / 16, both % 16),
        };
        self.last.truncate(usize::from(shared));
        self.last.extend(&self.bytes[..usize::from(own)]);
        self.bytes = &self.bytes[usize::from(own)..];
        self.last.clone()
    }
}

//! The directory against a plain sorted list.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn key(ms: i64, id: u128) -> Key {
    Key::of(Timestamp::from_ms(ms), ContactId(Uuid::from_u128(id)))
}

/// An editor over everything, with the rows it should hold.
struct Book {
    editor: Editor,
    rows: BTreeMap<Key, bool>,
}

impl Book {
    fn new() -> Self {
        Self { editor: build([], 1, 0), rows: BTreeMap::new() }
    }

    fn add(&mut self, key: Key, reachable: bool) {
        if self.rows.insert(key, reachable).is_some() {
            self.rows.remove(&key);
            self.editor.remove(key, reachable);
            return;
        }
        self.rows.remove(&key);
        if let Some(range) = self.editor.overfull(key) {
            let rows: Vec<_> =
                self.rows.range(range.from..).take_while(|(k, _)| range.until.is_none_or(|u| **k < u)).map(|(k, r)| (*k, *r)).collect();
            self.editor.split(&rows);
        }
        self.rows.insert(key, reachable);
        self.editor.add(key, reachable);
    }

    fn remove(&mut self, key: Key) {
        if let Some(reachable) = self.rows.remove(&key) {
            self.editor.remove(key, reachable);
        }
    }

    /// Every bucket has the rows of its range, every chunk its totals, every item its size; encoding loses nothing.
    fn check(&self) {
        let directory = &self.editor.directory;
        assert_eq!(directory.chunks.iter().map(|chunk| chunk.count).sum::<u64>(), self.rows.len() as u64);
        assert_eq!(Directory::decode(&directory.encode()).unwrap(), *directory);
        let mut all = Vec::new();
        for found in &directory.chunks {
            let chunk = &self.editor.chunks[&found.number];
            assert_eq!(Chunk::decode(&chunk.encode()).unwrap(), *chunk);
            assert_eq!(chunk.totals(), (found.count, found.reachable));
            assert_eq!(chunk.0[0].start, found.start);
            assert!(chunk.encode().len() <= CHUNK_BYTES_MAX + 64);
            all.extend(chunk.0.iter());
        }
        for (n, bucket) in all.iter().enumerate() {
            let until = all.get(n + 1).map(|next| Key::first_of(&next.start));
            let rows = self.rows.range(Key::first_of(&bucket.start)..).take_while(|(k, _)| until.is_none_or(|u| **k < u));
            let (count, reachable) = rows.fold((0, 0), |(c, r), (_, reachable)| (c + 1, r + u32::from(*reachable)));
            assert_eq!((bucket.count, bucket.reachable), (count, reachable));
            assert!(bucket.count <= SPLIT_ROWS + 1, "{} rows", bucket.count);
        }
    }
}

#[test]
fn appending_fills_buckets_and_needs_no_split() {
    let mut book = Book::new();
    for n in 0..20_000 {
        let key = key(1_772_352_000_000 + n / 50, n as u128);
        assert_eq!(book.editor.overfull(key), None);
        book.add(key, n % 3 == 0);
    }
    book.check();
    let buckets: usize = book.editor.directory.chunks.iter().map(|chunk| book.editor.chunks[&chunk.number].0.len()).sum();
    assert_eq!(buckets, 20_000_usize.div_ceil(256));
}

#[test]
fn a_million_contacts_fit_a_small_directory() {
    let rows = (0..1_000_000_i64)
        .map(|n| (key(1_600_000_000_000 + n * 150_000, (n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)), true));
    let editor = build(rows, 1, 0);
    let bytes = editor.directory.encode().len();
    assert!(bytes <= 960, "{bytes} bytes in the directory");
    assert!(editor.directory.chunks.len() < 70);
}

#[test]
fn positions_are_found_by_counting() {
    let rows: Vec<_> = (0..5_000).map(|n| key(1_000 + n, n as u128)).collect();
    let editor = build(rows.iter().map(|key| (*key, true)), 1, 0);
    for position in [0, 1, 255, 256, 257, 4_321, 4_999] {
        let (index, before) = editor.directory.chunk_at(position).unwrap();
        let chunk = &editor.chunks[&editor.directory.chunks[index].number];
        let starts = chunk.0.iter().scan(before, |at, bucket| {
            let start = *at;
            *at += u64::from(bucket.count);
            Some((start, Key::first_of(&bucket.start)))
        });
        let (at, start) = starts.take_while(|(at, _)| *at <= position).last().unwrap();
        assert_eq!(rows.partition_point(|key| *key < start) as u64, at);
        assert!(position < at + 256);
    }
    assert_eq!(editor.directory.chunk_at(5_000), None);
}

#[test]
fn garbage_does_not_decode_into_a_directory() {
    for bytes in [&b""[..], b"\x02", b"\x01\xff", b"\x01\x00\x0f", b"\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
        assert!(Directory::decode(bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_history_keeps_the_counts(seed in any::<u64>(), steps in 200_usize..2_500, spread in 1_i64..5_000) {
        let mut book = Book::new();
        let mut state = seed | 1;
        let mut random = move |below: u64| { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state % below };
        for step in 0..steps {
            if random(10) < 7 || book.rows.is_empty() {
                let id = u128::from(random(u64::MAX)) << 64 | step as u128;
                book.add(key(1_700_000_000_000 + random(spread as u64) as i64, id), random(2) == 0);
            } else {
                let nth = random(book.rows.len() as u64) as usize;
                let key = *book.rows.keys().nth(nth).unwrap();
                book.remove(key);
            }
        }
        book.check();
        for key in book.rows.keys().copied().collect::<Vec<_>>() {
            book.remove(key);
        }
        book.check();
    }
}

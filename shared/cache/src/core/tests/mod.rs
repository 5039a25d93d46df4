//! The protocol under test: random histories, all histories of a small world, and the proof that both would notice a fault.

mod exhaustive;
mod random;
mod rules;
mod world;

use bytes::Bytes;

use crate::types::{Entry, Loaded};

/// The answer that a table holds at a revision. The body says what it is, so that a wrong label shows.
fn entry(user: usize, view: &str, schema: u32, rev: u64) -> Entry {
    let body = Bytes::from(format!("{user} {view} {schema} {rev}"));
    Entry {
        rev,
        status: if rev.is_multiple_of(5) { 404 } else { 200 },
        body,
        gzip: false,
        etag: format!("\"{rev}\""),
        extra: String::new(),
    }
}

fn loaded(user: usize, view: &str, schema: u32, rev: u64) -> Loaded {
    Loaded { entry: entry(user, view, schema, rev), cacheable: true }
}

//! The protocol under test: random histories, all histories of a small world, and the proof that both would notice a fault.

mod exhaustive;
mod random;
mod rules;
mod world;

use std::time::Duration;

use bytes::Bytes;

use crate::keys::ScopeKeys;
use crate::types::{Entry, Loaded, Scope, View};

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

fn keys(user: usize) -> ScopeKeys {
    ScopeKeys::of(Scope::User(&user.to_string()))
}

/// The views of the worlds.
fn view_of(name: &str) -> View<'_> {
    let page = name.starts_with("page");
    let fresh_for = Duration::from_secs(if page { 120 } else { 300 });
    View { name, page, fresh_for, stale_if_error: name == "billing" }
}

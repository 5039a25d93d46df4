//! What callers say and hear: an ask, an entry, an answer and where it came from.

use std::time::Duration;

use bytes::Bytes;

/// A finished answer of the source, as it is kept: the cache never looks into the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Revision that the body shows, read before or in one snapshot with the data.
    pub rev: u64,
    /// `200`, or another status for a negative entry.
    pub status: u16,
    /// Bytes that are ready to send.
    pub body: Bytes,
    /// Whether `body` is gzip.
    pub gzip: bool,
    /// Validator of the body; without line breaks.
    pub etag: String,
    /// A little text of the caller's own, such as the value of a header.
    pub extra: String,
}

/// What a load gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The answer.
    pub entry: Entry,
    /// `false` when it is shown but must not be kept, for instance because it is no single committed state.
    pub cacheable: bool,
}

/// Whose data is asked for. Everything of one scope is invalidated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// One user's.
    User(&'a str),
    /// What all users share.
    Shared,
}

/// Which answer within a scope, and how long it may be kept.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Name, unique within the scope. Its part before the first `:` is its label in [`crate::Counted`].
    pub name: &'a str,
    /// Whether it counts against the page entries of a scope (at most 32).
    pub page: bool,
    /// How long an entry is fresh, unless it is invalidated earlier.
    pub fresh_for: Duration,
    /// Whether a copy is kept for 24 h, to be served while the source fails.
    pub stale_if_error: bool,
}

/// One read.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Whose data.
    pub scope: Scope<'a>,
    /// Which answer.
    pub view: View<'a>,
    /// Highest revision that the client is known to have seen: nothing older is served from the cache.
    pub min_rev: Option<u64>,
    /// Validators that the client holds (`If-None-Match`), as [`Entry::etag`] writes them.
    pub etags: &'a [String],
    /// Wall clock of the request in milliseconds since 1970.
    pub now_ms: i64,
}

/// A fixed window in which something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter<'a> {
    /// What is counted: a word.
    pub name: &'a str,
    /// Whose. The cache keeps a hash of it only.
    pub subject: &'a str,
    /// Length of the window. It begins with its first count.
    pub window: Duration,
}

/// What a counter says after it counted one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many there were in this window, this one included.
    pub count: u64,
    /// Time until the window ends.
    pub left: Duration,
}

/// An entry and how it was come by.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The entry. Its body is empty when `not_modified`.
    pub entry: Entry,
    /// Whether the client holds this body already: it did not travel.
    pub not_modified: bool,
    /// How the answer came about.
    pub outcome: Outcome,
    /// Where it came from.
    pub tier: Tier,
    /// Time since the body was stored; zero when it was just loaded.
    pub age: Duration,
    /// Time that it stays fresh; zero when it is stale.
    pub ttl: Duration,
    /// Whether this read stored it.
    pub stored: bool,
    /// Round trips to the cache that this read made.
    pub round_trips: u32,
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A fresh entry.
    Hit,
    /// An entry that was not invalidated but expired less than 30 s ago, while somebody else refreshes it.
    SoftStale,
    /// The 24 h copy, because the source fails.
    StaleOnError,
    /// The source was asked.
    Miss,
    /// Another read of this process asked the source for both.
    Joined,
    /// The source was asked because the cache could not be.
    Bypass(Trouble),
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// This process's memory.
    Process,
    /// The shared cache.
    Shared,
    /// The source.
    Source,
}

/// Why the cache cannot be used. Never an error of the request: the source answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Trouble {
    /// There is no cache.
    #[error("there is no cache")]
    Off,
    /// Too many errors of late: it is left alone for a while.
    #[error("the breaker is open")]
    BreakerOpen,
    /// No reply in time.
    #[error("no reply in time")]
    Timeout,
    /// No connection, or one that broke.
    #[error("not reachable")]
    Unreachable,
    /// It replied with an error: out of memory, read-only, not permitted.
    #[error("refused")]
    Refused,
    /// It replied with something that makes no sense.
    #[error("garbled reply")]
    Garbled,
}

/// An invalidation that the cache did not acknowledge: it must be repeated until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache did not acknowledge: {0}")]
pub struct Unacknowledged(pub Trouble);

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmed {
    /// The entry was loaded and stored.
    Stored,
    /// Somebody else is loading it.
    Busy,
    /// It was loaded and not stored: invalidated meanwhile, too large, or the cache is in trouble.
    NotStored,
}

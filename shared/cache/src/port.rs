//! What is asked of a cache: commands, and their replies. Several may travel together in one round trip.

use bytes::Bytes;

use crate::header::Header;
use crate::types::Trouble;

/// A scope's life in the cache: random, made by the first OPEN, lost with the scope's key.
pub(crate) type Incarnation = String;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Looks at an entry; the body stays behind if its validator is one of `etags`.
    Read { key: String, field: String, etags: Vec<String> },
    /// Makes the scope if it is absent, under the proposed incarnation, and takes the entry's lease for `owner` if it is free.
    Open { key: String, field: String, proposed: Incarnation },
    /// Stores an entry, if nothing happened that forbids it.
    Fill(Box<Fill>),
    /// Raises the scope's floor, if the scope exists.
    Bump { key: String, rev: u64 },
    /// Forgets a scope.
    Purge { key: String, stale_key: String },
    /// Counts one more in a window, which begins with its first count.
    Count { key: String, window_ms: u64 },
    /// Looks at blobs.
    GetBlobs { keys: Vec<String> },
    /// Keeps blobs.
    PutBlobs { blobs: Vec<(String, Bytes)> },
}

impl Command {
    /// Whether it carries blobs, which takes longer than what the protocol exchanges.
    pub(crate) fn moves_blobs(&self) -> bool {
        matches!(self, Self::GetBlobs { .. } | Self::PutBlobs { .. })
    }
}

/// What FILL stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fill {
    pub(crate) key: String,
    pub(crate) field: String,
    /// `None` is refused by every port; only a fault of the core would send it.
    pub(crate) incarnation: Incarnation,
    pub(crate) page: bool,
    pub(crate) header: Header,
    pub(crate) body: Bytes,
    /// Where a copy goes that is served while the source fails.
    pub(crate) stale_key: Option<String>,
}

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Seen(Seen),
    Opened { incarnation: Incarnation, leased: bool },
    Filled(Filled),
    Bumped,
    Purged,
    Counted { count: u64, left_ms: u64 },
    Blobs(Vec<Option<Bytes>>),
    BlobsKept,
}

/// What READ saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) floor: u64,
    /// An entry whose bytes are whole. Its body is empty if the validator matched.
    pub(crate) entry: Option<(Header, Bytes)>,
    /// Whether the client's validator matched.
    pub(crate) matched: bool,
    /// Whether something lies there that this program did not write: OPEN replaces it.
    pub(crate) damaged: bool,
    /// The server's clock.
    pub(crate) server_ms: u64,
}

/// What FILL decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Filled {
    /// The entry is stored.
    Stored,
    /// The scope was lost since OPEN, and with it the invalidations of that time.
    OtherIncarnation,
    /// The entry was invalidated since OPEN.
    BelowFloor,
    /// A newer entry is there.
    BelowEntry,
}

impl Seen {
    /// Puts together what a cache returned for a scope and an entry.
    pub(crate) fn from_parts(
        incarnation: Option<Bytes>,
        floor: Option<Bytes>,
        header: Option<Bytes>,
        body: Option<Bytes>,
        matched: bool,
        server_ms: u64,
    ) -> Self {
        let damaged = Self { damaged: true, server_ms, ..Self::default() };
        let (incarnation, floor) = match (incarnation, floor) {
            (None, None) if header.is_none() => return Self { server_ms, ..Self::default() },
            (Some(incarnation), Some(floor)) => match (String::from_utf8(incarnation.to_vec()), crate::header::parse_rev(&floor)) {
                (Ok(incarnation), Some(floor)) => (incarnation, floor),
                _ => return damaged,
            },
            _ => return damaged,
        };
        let seen = Self { incarnation: Some(incarnation), floor, server_ms, ..Self::default() };
        let Some(header) = header else { return seen };
        let Some(header) = Header::decode(&header) else { return Self { damaged: true, ..seen } };
        let body = body.unwrap_or_default();
        if matched || header.fits(&body) {
            return Self { entry: Some((header, if matched { Bytes::new() } else { body })), matched, ..seen };
        }
        Self { damaged: true, ..seen }
    }
}

/// The result of a command.
pub(crate) type PortResult = Result<Reply, Trouble>;

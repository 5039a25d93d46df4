//! A cache that never answers with what was invalidated. It knows bytes and revs, never what they mean.
//!
//! **The rule**: an answer from the cache is never older than an invalidation that was acknowledged before the client asked, whatever is
//! delayed, repeated, lost or evicted. The one exception is a failover of the server that loses acknowledged writes: then an answer may be
//! as old as its view is fresh, and even then never older than what the client itself has seen.
//!
//! # The protocol
//!
//! A user's data has a `rev` that every committed change raises. The cache keeps one hash per user:
//!
//! | field | what |
//! |---|---|
//! | `i` | the **incarnation**: random, made when the hash is made |
//! | `f` | the **floor**: the highest `rev` that was invalidated |
//! | `h:<schema>:<view>` | an entry's header: its `rev`, when it was stored, how long it is fresh, its `ETag`, check sums |
//! | `b:<schema>:<view>` | its body, ready to send |
//! | `l`, `x` | leases; the order and size of entries |
//!
//! Everything of a user is under one key, so one look sees floor and entry in one moment, and an eviction or a flush loses both together:
//! there is never an entry without the floor that judges it.
//!
//! - **READ** (one round trip): a hit needs `rev >= floor`, `rev >=` the client's token, and a fresh entry.
//! - **OPEN** (on a miss): makes the hash if it is absent and returns its incarnation.
//! - The **load** asks the source, strongly consistent. `rev` is read before, or in one snapshot with, the data.
//! - **FILL**: stores the entry, if the incarnation is still OPEN's, `rev >= floor`, and `rev >=` that of the entry that is there.
//! - **BUMP** (after a commit): `floor = max(floor, rev)` if the hash exists; else nothing. **PURGE** deletes.
//!
//! # Why each part is there
//!
//! | without | this goes wrong |
//! |---|---|
//! | the floor (deleting entries instead) | miss, load old, commit, delete, *fill old*: served until it expires |
//! | the incarnation | OPEN, load old, *flush*, commit, bump of nothing, another OPEN, fill old above a floor of zero |
//! | OPEN before the load, pushes included | load old, commit, bump of nothing, OPEN, fill old |
//! | `rev` before the data | old data, commit and bump, *new rev*: a label that the floor lets pass |
//! | `>=` (not `>`) in FILL | an entry that expired could never be refreshed while its user changes nothing |
//! | no downgrade in FILL | a slow load replaces what a faster one stored; correct, but it costs a load more |
//! | the client's token | commit, *bump lost*, the client reads its own write and sees the old state |
//! | one floor for all schemas | two versions of the program run during a deploy; one raises a floor that the other does not look at |
//! | the window counted from before the question | the reply travels for a second, meanwhile an invalidation is acknowledged |
//!
//! BUMP is idempotent and may come in any order, so it is sent twice: by the writer before it answers, within a small budget, and by the
//! table's stream until it is acknowledged. Correctness never depends on a lease, a clock or a connection.
//!
//! # Blobs
//!
//! Beside the entries of a scope, a user has **blobs**: bytes whose name says what they are, version included, so that what lies under a name
//! never changes. They need no floor: a slow writer writes what a fast one wrote. They are plain keys with a time to live
//! ([`Coherent::blobs`], [`Coherent::keep_blobs`]); readers check that the bytes are what the name says, and a missing one is no error.
//!
//! # What keeps the source calm
//!
//! Reads of one process share a load (`core::flight` says when that is allowed). Between processes an advisory lease lets one load;
//! the others serve an entry that expired, but was not invalidated, for 30 s more, or look again after 25 ms, four times, and then load for
//! themselves. Fresh times are shortened by up to a tenth at random, so that entries that were made together do not end together.
//! For views that ask for it, a copy is kept for 24 h under a key of its own and served while the source cannot be reached: the only case
//! in which an invalidated body may leave.
//!
//! # Time
//!
//! The age of an entry is judged by the server's clock, which comes with every look, so processes with wrong clocks agree. Beside that, an
//! entry belongs to one UTC hour of the request's clock, because views count in whole hours. The in-process tier, off by default, believes
//! whichever of its three clocks says that more time has passed: a frozen process's monotonic clock stands still.
//!
//! # Counting
//!
//! Requests can be counted in fixed windows ([`Counter`]): one script a window, which increments and starts the window's life with its first
//! count. [`Coherent::read_tolled`] sends them with the read's first look, so that a request costs one round trip in all. A count that is
//! sent again because its connection broke may count twice; none is ever lost while the server lives.
//!
//! # Trouble
//!
//! A command has 30 ms, one that moves blobs 250 ms, a connection 100 ms. Three errors in 10 s open a breaker for 5 s. A cache error is not a miss: nothing is opened or
//! filled after it, the source answers. See `valkey`.
//!
//! # Where things are
//!
//! [`Coherent`] is what callers use. It drives `core`, the protocol as a state machine without I/O, and sends its commands to `valkey` (whose
//! scripts are the protocol's other half) or to `memory`, which has the same semantics in the obvious way. `core::tests` runs a million
//! random steps and all histories of a small world, and shows for each rule that leaving it out is noticed; `valkey::tests` compares real
//! servers with `memory` and meets every fault on real sockets.

mod blobs;
mod coherent;
mod config;
mod core;
mod header;
mod keys;
mod limits;
mod memory;
mod mutation;
mod near;
mod port;
mod stats;
mod types;
mod valkey;
mod windows;

pub use coherent::{Coherent, Settings, Toll};
pub use config::{Aws, Config, ConfigError, Iam, Place};
pub use port::Filled;
pub use stats::Counted;
pub use types::{Answer, Ask, Count, Counter, Entry, Loaded, Outcome, Scope, Tier, Trouble, Unacknowledged, View, Warmed};

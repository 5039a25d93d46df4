//! The numbers of the protocol.

use std::time::Duration;

/// Page entries that one scope keeps.
pub(crate) const PAGES_MAX: usize = 32;
/// Bytes that one scope keeps.
pub(crate) const SCOPE_BYTES_MAX: usize = 1 << 20;
/// Bytes that an entry costs beside its header, body and name.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 64;
/// Largest body that is kept.
pub(crate) const BODY_BYTES_MAX: usize = 512 << 10;
/// Longest text beside the body (`etag` and `extra` together) that is kept.
pub(crate) const TEXT_BYTES_MAX: usize = 4 << 10;
/// Life of a scope's hash after the last OPEN or FILL.
pub(crate) const SCOPE_TTL_MS: u64 = 600_000;
/// Life of the copies that are served while the source fails.
pub(crate) const STALE_TTL_MS: u64 = 86_400_000;
/// How long an entry that expired, but was not invalidated, is good enough for those who do not refresh it.
pub(crate) const SOFT_STALE_MS: u64 = 30_000;
/// How long a lease keeps others waiting at most. It is advice: correctness never depends on it.
pub(crate) const LEASE_MS: u64 = 500;
/// Leases that one scope remembers.
pub(crate) const LEASES_MAX: usize = 64;
/// Largest blob that is kept.
pub(crate) const BLOB_BYTES_MAX: usize = 256 << 10;
/// Life of a blob.
pub(crate) const BLOB_TTL_MS: u64 = 6 * 3_600_000;
/// Pause between two looks of those who wait for the lease's holder.
pub(crate) const WAIT: Duration = Duration::from_millis(25);
/// Looks before a waiting reader loads for itself.
pub(crate) const WAITS_MAX: u32 = 4;
/// Milliseconds of an hour: an entry never outlives the UTC hour in which it was made, because views count in whole hours.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Windows of the memory port.
pub(crate) const WINDOWS_MAX: usize = 10_000;
/// Labels that the counters tell apart.
pub(crate) const LABELS_MAX: usize = 64;

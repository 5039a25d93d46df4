//! Counters of rate limits: the command that counts, and what its replies mean.

use std::time::Duration;

use crate::keys;
use crate::port::{Command, PortResult, Reply};
use crate::types::{Count, Counter, Trouble};

/// The command that counts.
pub(super) fn command(counter: &Counter<'_>) -> Command {
    let window_ms = u64::try_from(counter.window.as_millis()).unwrap_or(u64::MAX);
    Command::Count { key: keys::counter(counter), window_ms }
}

/// What was counted, if all of it was.
pub(super) fn counts(replies: impl IntoIterator<Item = PortResult>) -> Result<Vec<Count>, Trouble> {
    let count = |reply| match reply? {
        Reply::Counted { count, left_ms } => Ok(Count { count, left: Duration::from_millis(left_ms) }),
        _ => Err(Trouble::Garbled),
    };
    replies.into_iter().map(count).collect()
}

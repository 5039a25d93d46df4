//! The Valkey port: each command one round trip over one multiplexed connection, bounded in time, behind a breaker.

mod breaker;
mod connection;
mod login;
mod replies;
mod scripts;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::port::{Command, PortResult};
use crate::types::Trouble;
use breaker::Breaker;
use connection::Link;
use scripts::Scripts;

/// Time of one command.
const COMMAND: Duration = Duration::from_millis(30);

/// A Valkey or Redis server.
#[derive(Debug)]
pub(crate) struct Valkey {
    link: Link,
    breaker: Breaker,
    scripts: Scripts,
}

impl Valkey {
    /// A server that is connected to at the first command, or by [`Valkey::warm_up`].
    pub(crate) fn new(config: Config) -> Self {
        Self { link: Link::new(config), breaker: Breaker::default(), scripts: Scripts::new() }
    }

    /// Finds the server and connects, if that is possible within bounds.
    pub(crate) async fn warm_up(&self) {
        self.link.warm_up().await;
    }

    /// Runs a command. A connection that turns out to be dropped, as after a freeze, is replaced and the command sent once more: every
    /// command may be repeated without harm.
    pub(crate) async fn call(&self, command: Command, budget: Duration) -> PortResult {
        let Some(admission) = self.breaker.admit(Instant::now()) else { return Err(Trouble::BreakerOpen) };
        let mut result = self.attempt(&command, budget.min(COMMAND)).await;
        if matches!(result, Err((Trouble::Unreachable, true))) {
            result = self.attempt(&command, budget.min(COMMAND)).await;
        }
        let result = result.map_err(|(trouble, _)| trouble);
        // A refusal comes from a server that is well enough to answer quickly.
        admission.verdict(matches!(result, Ok(_) | Err(Trouble::Refused)), Instant::now());
        result
    }

    /// One try. The flag says whether the connection had worked before.
    async fn attempt(&self, command: &Command, limit: Duration) -> Result<crate::port::Reply, (Trouble, bool)> {
        let (mut connection, ticket) = self.link.get().await.map_err(|trouble| (trouble, false))?;
        let outcome = tokio::time::timeout(limit, self.scripts.run(&mut connection, command)).await.unwrap_or(Err(Trouble::Timeout.into()));
        self.link.report(ticket, outcome.as_ref().err()).await;
        outcome.map_err(|failure| (failure.trouble, true))
    }
}

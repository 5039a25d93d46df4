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
use crate::port::{Command, PortResult, Reply};
use crate::types::Trouble;
use breaker::Breaker;
use connection::{CONNECT, Link};
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

    /// Whether calls are refused without asking the server.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.breaker.is_open(Instant::now())
    }

    /// Runs a command within `budget`. A connection that turns out to be dropped, as after a freeze, is replaced and the command sent
    /// once more: every command may be repeated without harm.
    pub(crate) async fn call(&self, command: Command, budget: Duration) -> PortResult {
        let started = Instant::now();
        let Some(admission) = self.breaker.admit(started) else { return Err(Trouble::BreakerOpen) };
        let mut tried = self.attempt(&command, budget).await;
        if tried == Err(Tried::Dropped) {
            tried = self.attempt(&command, budget.saturating_sub(started.elapsed())).await;
        }
        let (result, healthy) = match tried {
            Ok(reply) => (Ok(reply), true),
            // The server is well enough to answer.
            Err(Tried::Refused) => (Err(Trouble::Refused), true),
            // The caller was in a hurry: that says nothing about the server.
            Err(Tried::Hurried) => return Err(Trouble::Timeout),
            Err(Tried::Dropped) => (Err(Trouble::Unreachable), false),
            Err(Tried::Failed(trouble)) => (Err(trouble), false),
        };
        admission.verdict(healthy, Instant::now());
        result
    }

    async fn attempt(&self, command: &Command, budget: Duration) -> Result<Reply, Tried> {
        let started = Instant::now();
        let (mut connection, ticket) = match self.link.get(budget.min(CONNECT)).await {
            Ok(got) => got,
            Err(Trouble::Timeout) if budget < CONNECT => return Err(Tried::Hurried),
            Err(trouble) => return Err(Tried::Failed(trouble)),
        };
        let limit = budget.saturating_sub(started.elapsed()).min(COMMAND);
        let ran = tokio::time::timeout(limit, self.scripts.run(&mut connection, command)).await.unwrap_or(Err(Trouble::Timeout.into()));
        self.link.report(ticket, ran.as_ref().err());
        ran.map_err(|failure| match failure.trouble {
            Trouble::Unreachable => Tried::Dropped,
            Trouble::Refused if !failure.connection_is_bad => Tried::Refused,
            trouble => Tried::Failed(trouble),
        })
    }
}

/// A try that gave no reply.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    /// The caller had less time than a connection may take.
    Hurried,
    /// The connection had worked and does no longer.
    Dropped,
    /// The server does not do this, but may do something else.
    Refused,
    Failed(Trouble),
}

//! The Valkey port: commands that travel together are one round trip over one multiplexed connection, bounded in time, behind a breaker.

mod breaker;
mod connection;
mod login;
mod replies;
mod scripts;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::port::{Command, PortResult};
use crate::types::Trouble;
use breaker::Breaker;
use connection::{CONNECT, Link};
use scripts::Scripts;

/// Time of one command.
const COMMAND: Duration = Duration::from_millis(30);
/// Time of one that moves blobs, up to a megabyte at once.
const BLOBS: Duration = Duration::from_millis(250);

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

    /// Runs commands that travel together within `budget`: a result for each. A connection that turns out to be dropped, as after a freeze,
    /// is replaced and the commands sent once more: every command may be repeated without harm.
    ///
    /// Boxed: the body of an `async fn` is compiled in every crate that awaits it, and with it all of the client.
    pub(crate) fn call_all<'a>(
        &'a self,
        commands: &'a [Command],
        budget: Duration,
    ) -> Pin<Box<dyn Future<Output = Vec<PortResult>> + Send + 'a>> {
        Box::pin(self.exchange(commands, budget))
    }

    async fn exchange(&self, commands: &[Command], budget: Duration) -> Vec<PortResult> {
        let started = Instant::now();
        let all = |trouble| vec![Err(trouble); commands.len()];
        let Some(admission) = self.breaker.admit(started) else { return all(Trouble::BreakerOpen) };
        let mut tried = self.attempt(commands, budget).await;
        if tried == Err(Tried::Dropped) {
            tried = self.attempt(commands, budget.saturating_sub(started.elapsed())).await;
        }
        let (results, healthy) = match tried {
            Ok(results) => (results, true),
            // The caller was in a hurry: that says nothing about the server.
            Err(Tried::Hurried) => return all(Trouble::Timeout),
            Err(Tried::Dropped) => (all(Trouble::Unreachable), false),
            Err(Tried::Failed(trouble)) => (all(trouble), false),
        };
        admission.verdict(healthy, Instant::now());
        results
    }

    async fn attempt(&self, commands: &[Command], budget: Duration) -> Result<Vec<PortResult>, Tried> {
        let started = Instant::now();
        let (mut connection, ticket) = match self.link.get(budget.min(CONNECT)).await {
            Ok(got) => got,
            Err(Trouble::Timeout) if budget < CONNECT => return Err(Tried::Hurried),
            Err(trouble) => return Err(Tried::Failed(trouble)),
        };
        let own = if commands.iter().any(Command::moves_blobs) { BLOBS } else { COMMAND };
        let limit = budget.saturating_sub(started.elapsed()).min(own);
        let ran = tokio::time::timeout(limit, self.scripts.run(&mut connection, commands)).await.unwrap_or(Err(Trouble::Timeout.into()));
        let failures = || ran.iter().flatten().filter_map(|result| result.as_ref().err());
        // One reply that makes no sense, or says that this is the wrong server, spoils the others; a mere refusal does not.
        let spoilt = ran.as_ref().err().or_else(|| failures().find(|failure| !failure.is_refusal()));
        self.link.report(ticket, spoilt.or_else(|| failures().next()));
        match spoilt.map(|failure| failure.trouble) {
            Some(Trouble::Unreachable) => Err(Tried::Dropped),
            Some(trouble) => Err(Tried::Failed(trouble)),
            None => Ok(ran.into_iter().flatten().map(|result| result.map_err(|failure| failure.trouble)).collect()),
        }
    }
}

/// A try that gave no reply.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    /// The caller had less time than a connection may take.
    Hurried,
    /// The connection had worked and does no longer.
    Dropped,
    Failed(Trouble),
}

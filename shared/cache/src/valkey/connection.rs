//! The one connection of a process: opened when needed, dropped when it is no good any more.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use super::login;
use super::replies::Failure;
use crate::config::{Config, Place};
use crate::types::Trouble;

/// Time that a command waits for a connection, TLS and login included.
pub(super) const CONNECT: Duration = Duration::from_millis(100);
/// Time to connect in init, when a full processor is there and nobody waits, and for an attempt that nobody waits for any more.
const CONNECT_IN_INIT: Duration = Duration::from_millis(300);
/// Time to look up an endpoint, and to connect to it if that was not possible in init.
const DISCOVER: Duration = Duration::from_secs(1);
/// A login by IAM ends after 12 hours: the connection is replaced before.
const LOGIN_AGE_MAX: Duration = Duration::from_secs(11 * 3_600);
/// Commands in a row without a reply after which a connection counts as dead. One may just be slow; a frozen process's may never answer.
const TIMEOUTS_MAX: u32 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    /// The address, once it is known.
    found: OnceCell<ConnectionInfo>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<Open>,
    /// All who need a connection wait for the same attempt, which goes on when they give up: the next command finds it done.
    attempt: Option<Shared<BoxFuture<'static, Opened>>>,
    opened: u64,
}

/// A connection and what to report about it under, or why there is none.
type Opened = Result<(MultiplexedConnection, Ticket), Trouble>;

struct Open {
    connection: MultiplexedConnection,
    ticket: Ticket,
    since: (Instant, SystemTime),
    timeouts: u32,
}

/// Says which connection a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Link {
    pub(super) fn new(config: Config) -> Self {
        // Only the first call in a process decides, and all of them would decide the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self(Arc::new(Inner { config, found: OnceCell::new(), state: Mutex::default() }))
    }

    /// Finds the server and connects. Not reaching it is no error: later commands try again.
    pub(super) async fn warm_up(&self) {
        if !matches!(tokio::time::timeout(DISCOVER, self.0.find()).await, Ok(Ok(_))) {
            tracing::warn!("the cache's endpoint was not found");
        } else if let Err(trouble) = self.get(CONNECT_IN_INIT).await {
            tracing::warn!(%trouble, "the cache was not reached in init");
        }
    }

    /// The connection, opened if there is none, if that is possible within `limit`.
    pub(super) async fn get(&self, limit: Duration) -> Opened {
        let attempt = {
            let mut state = self.0.lock();
            let now = (Instant::now(), SystemTime::now());
            if self.0.config.iam.is_some() && state.open.as_ref().is_some_and(|open| is_old(open.since, now)) {
                state.open = None;
            }
            if let Some(open) = &state.open {
                return Ok((open.connection.clone(), open.ticket));
            }
            let start = || {
                let task = tokio::spawn(Arc::clone(&self.0).open());
                let inner = Arc::clone(&self.0);
                let opened = async move {
                    task.await.unwrap_or_else(|_| {
                        // It was cancelled with its runtime, or panicked: the next command makes an attempt of its own.
                        inner.lock().attempt = None;
                        Err(Trouble::Unreachable)
                    })
                };
                opened.boxed().shared()
            };
            state.attempt.get_or_insert_with(start).clone()
        };
        tokio::time::timeout(limit, attempt).await.unwrap_or(Err(Trouble::Timeout))
    }

    /// Takes in how a command went, and drops the connection if it is no good.
    pub(super) fn report(&self, ticket: Ticket, failure: Option<&Failure>) {
        let mut state = self.0.lock();
        let Some(open) = state.open.as_mut().filter(|open| open.ticket == ticket) else { return };
        open.timeouts = match failure {
            Some(failure) => open.timeouts + u32::from(failure.trouble == Trouble::Timeout),
            None => 0,
        };
        if open.timeouts >= TIMEOUTS_MAX || failure.is_some_and(|failure| failure.connection_is_bad) {
            state.open = None;
        }
    }
}

impl Inner {
    async fn find(&self) -> Result<&ConnectionInfo, Trouble> {
        let find = || async {
            let info = match &self.config.place {
                Some(Place::Url(url)) => url.expose_secret().into_connection_info().map_err(|_| Trouble::Unreachable)?,
                Some(Place::Name(name, aws)) => login::discover(name, aws).await?,
                None => return Err(Trouble::Off),
            };
            Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
        };
        self.found.get_or_try_init(find).await
    }

    async fn open(self: Arc<Self>) -> Opened {
        let result = tokio::time::timeout(DISCOVER, self.connect()).await.unwrap_or(Err(Trouble::Timeout));
        let mut state = self.lock();
        state.attempt = None;
        let connection = result?;
        state.opened += 1;
        let ticket = Ticket(state.opened);
        let since = (Instant::now(), SystemTime::now());
        state.open = Some(Open { connection: connection.clone(), ticket, since, timeouts: 0 });
        Ok((connection, ticket))
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Trouble> {
        let mut info = self.find().await?.clone();
        if let Some(iam) = &self.config.iam {
            let token = login::token(iam, SystemTime::now()).ok_or(Trouble::Refused)?;
            let settings = info.redis_settings().clone().set_username(&iam.user).set_password(token);
            info = info.set_redis_settings(settings);
        }
        let client = match &self.config.ca_pem {
            Some(pem) => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem.clone().into_bytes()) }),
            None => Client::open(info),
        };
        let client = client.map_err(|_| Trouble::Unreachable)?;
        // Every command has a limit of its own, so the connection needs none.
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_IN_INIT)).set_response_timeout(None);
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| Failure::from(error).trouble)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether either clock says that a login may end soon: one of them stands still in a frozen process.
fn is_old(since: (Instant, SystemTime), now: (Instant, SystemTime)) -> bool {
    let wall = now.1.duration_since(since.1).unwrap_or_default();
    now.0.duration_since(since.0).max(wall) > LOGIN_AGE_MAX
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.as_ref().map(|open| open.ticket);
        f.debug_struct("State").field("open", &open).field("connecting", &self.attempt.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_renewed_when_either_clock_says_so() {
        let since = (Instant::now(), SystemTime::now());
        let at = |mono_h: u64, wall_h: u64| (since.0 + Duration::from_secs(mono_h * 3_600), since.1 + Duration::from_secs(wall_h * 3_600));
        assert!(!is_old(since, at(10, 10)));
        assert!(is_old(since, at(12, 0)) && is_old(since, at(0, 12)));
        assert!(!is_old(at(0, 1), since), "a clock that was set back says nothing");
    }
}

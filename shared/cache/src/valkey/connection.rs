//! The one connection of a process: opened when needed, dropped when it is no good any more.

use std::time::{Duration, Instant, SystemTime};

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use super::login;
use super::replies::Failure;
use crate::config::{Config, Place};
use crate::types::Trouble;

/// Time to connect, TLS and login included; also the time to wait for another caller who is connecting.
const CONNECT: Duration = Duration::from_millis(100);
/// Time to connect in init, when a full processor is there and nobody waits.
const CONNECT_IN_INIT: Duration = Duration::from_millis(300);
/// Time to look up an endpoint.
const DISCOVER: Duration = Duration::from_secs(1);
/// A login by IAM ends after 12 hours: the connection is replaced before.
const LOGIN_AGE_MAX: Duration = Duration::from_secs(11 * 3_600);
/// Commands in a row without a reply after which a connection counts as dead. One may just be slow; a frozen process's may never answer.
const TIMEOUTS_MAX: u32 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    config: Config,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The address, once it is known.
    found: Option<ConnectionInfo>,
    open: Option<Open>,
    opened: u64,
}

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
        Self { config, state: Mutex::default() }
    }

    /// Finds the server and connects. Not reaching it is no error: later commands try again.
    pub(super) async fn warm_up(&self) {
        let mut state = self.state.lock().await;
        let found = tokio::time::timeout(DISCOVER, self.find(&mut state)).await;
        if !matches!(found, Ok(Ok(_))) {
            tracing::warn!("the cache's endpoint was not found");
            return;
        }
        if !matches!(tokio::time::timeout(CONNECT_IN_INIT, self.open(&mut state, CONNECT_IN_INIT)).await, Ok(Ok(_))) {
            tracing::warn!("the cache was not reached in init");
        }
    }

    /// The connection, opened if there is none.
    pub(super) async fn get(&self) -> Result<(MultiplexedConnection, Ticket), Trouble> {
        let got = tokio::time::timeout(CONNECT, async {
            let mut state = self.state.lock().await;
            if self.config.iam.is_some() && state.open.as_ref().is_some_and(Open::is_old) {
                state.open = None;
            }
            match &state.open {
                Some(open) => Ok((open.connection.clone(), open.ticket)),
                None => self.open(&mut state, CONNECT).await,
            }
        });
        got.await.unwrap_or(Err(Trouble::Timeout))
    }

    /// Takes in how a command went, and drops the connection if it is no good.
    pub(super) async fn report(&self, ticket: Ticket, failure: Option<&Failure>) {
        let Some(failure) = failure else { return self.settle(ticket, |timeouts| *timeouts = 0, false).await };
        let timed_out = failure.trouble == Trouble::Timeout;
        self.settle(ticket, |timeouts| *timeouts += u32::from(timed_out), failure.connection_is_bad).await;
    }

    async fn settle(&self, ticket: Ticket, count: impl FnOnce(&mut u32), bad: bool) {
        // Whoever holds the lock is connecting, so this connection is gone already.
        let Ok(mut state) = self.state.try_lock() else { return };
        let Some(open) = state.open.as_mut().filter(|open| open.ticket == ticket) else { return };
        count(&mut open.timeouts);
        if bad || open.timeouts >= TIMEOUTS_MAX {
            state.open = None;
        }
    }

    async fn find(&self, state: &mut State) -> Result<ConnectionInfo, Trouble> {
        if let Some(found) = &state.found {
            return Ok(found.clone());
        }
        let info = match &self.config.place {
            Some(Place::Url(url)) => url.expose_secret().into_connection_info().map_err(|_| Trouble::Unreachable)?,
            Some(Place::Name(name, aws)) => login::discover(name, aws).await?,
            None => return Err(Trouble::Off),
        };
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        state.found = Some(info.clone());
        Ok(info)
    }

    async fn open(&self, state: &mut State, limit: Duration) -> Result<(MultiplexedConnection, Ticket), Trouble> {
        let mut info = self.find(state).await?;
        if let Some(iam) = &self.config.iam {
            let token = login::token(iam, SystemTime::now()).ok_or(Trouble::Refused)?;
            info = info.clone().set_redis_settings(info.redis_settings().clone().set_username(&iam.user).set_password(token));
        }
        let client = match &self.config.ca_pem {
            Some(pem) => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(pem.clone().into_bytes()) }),
            None => Client::open(info),
        };
        let client = client.map_err(|_| Trouble::Unreachable)?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(None);
        let connection =
            client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| Failure::from(error).trouble)?;
        state.opened += 1;
        let ticket = Ticket(state.opened);
        let since = (Instant::now(), SystemTime::now());
        state.open = Some(Open { connection: connection.clone(), ticket, since, timeouts: 0 });
        Ok((connection, ticket))
    }
}

impl Open {
    /// Whether either clock says that the login may end soon: one of them stands still in a frozen process.
    fn is_old(&self) -> bool {
        self.since.0.elapsed() > LOGIN_AGE_MAX || self.since.1.elapsed().is_ok_and(|age| age > LOGIN_AGE_MAX)
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("ticket", &self.ticket).field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

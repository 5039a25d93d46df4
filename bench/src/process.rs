//! A process of the API in front of the bench's table: with everything but the network, and nothing in its cache when it begins.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use app::{App, Clock, KeptLetters, Parts};
use bytes::Bytes;
use cache::Coherent;
use domain::{Timestamp, UserId};
use local::downloads::Shelf;
use local::gateway::Gateway;
use serde_json::json;
use store::{Table, TableConfig};
use web::edge::EdgeConfig;

use crate::figures::Result;

/// Name of the table.
pub(crate) const TABLE: &str = "bench";
const TOKEN_SECONDS: i64 = 3_600;
/// Kilobytes of a strongly consistent read unit.
const UNIT_KB: f64 = 4.0;

/// A process, and who asks it.
pub(crate) struct Process {
    gateway: Gateway,
    token: String,
}

/// An answer and what it cost.
pub(crate) struct Answer {
    pub(crate) response: http::Response<Bytes>,
    pub(crate) ms: f64,
    /// Calls of the table.
    pub(crate) trips: u64,
    /// Kilobytes that the table read.
    pub(crate) kb: f64,
}

impl Process {
    /// A new one.
    pub(crate) fn start(endpoint: &str, user: &UserId, now: Timestamp) -> Result<Self> {
        let lookup = |variable: &str| match variable {
            "JWT_SECRET" => Some(local::DEVELOPMENT_SECRET.to_owned()),
            "STAGE" => Some("bench".to_owned()),
            "RATE_LIMITS" => Some("off".to_owned()),
            _ => None,
        };
        let clock = Clock::frozen(now);
        let app = App::from_parts(Parts {
            table: Table::connect(&TableConfig::local(TABLE, endpoint)),
            cache: Coherent::memory(cache::Settings::default()),
            edge: EdgeConfig::from_lookup(&lookup)?,
            clock: clock.clone(),
            dead_letters: Arc::new(KeptLetters::default()),
        });
        let app = app.with_downloads(Arc::new(Shelf::new("http://localhost", clock)?));
        let issued = now.unix_seconds();
        let claims = json!({"userId": user, "iat": issued, "exp": issued + TOKEN_SECONDS});
        let token = web::auth::sign_hs256(local::DEVELOPMENT_SECRET, &claims);
        Ok(Self { gateway: Gateway::new(Arc::new(app))?, token })
    }

    /// Asks.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        let request = http::Request::builder().uri(path).header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(Bytes::new())?;
        let meter = self.gateway.app().table().meter();
        let (before, started) = (meter.read(), Instant::now());
        let response = self.gateway.call(request, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        let (ms, cost) = (started.elapsed().as_secs_f64() * 1_000.0, meter.read().since(&before));
        Ok(Answer { response, ms, trips: cost.calls(), kb: cost.read_units() * UNIT_KB })
    }

    /// Asks for what must be there.
    pub(crate) async fn good(&self, path: &str) -> Result<Answer> {
        let answer = self.get(path).await?;
        if answer.response.status().is_client_error() || answer.response.status().is_server_error() {
            return Err(format!("{path}: {}", String::from_utf8_lossy(answer.response.body())).into());
        }
        Ok(answer)
    }
}

//! A process that answers requests of the dashboard from a Valkey and has no table at all: what is counted of a cached request is counted here.
//!
//! It is set up as a deployed function is: rate limits and metrics are on. A request comes from a browser, through API Gateway.

use std::sync::Arc;
use std::time::Duration;

use app::metrics::Metrics;
use app::{App, BoxError, Clock, KeptLetters, Parts};
use local::gateway::Gateway;
use serde_json::{Value, json};
use store::{Table, TableConfig};

use crate::seed::{NOW, seed};
use crate::servers::{Valkey, cache_at};
use crate::tokens::{claims, sign};
use crate::world::{TABLE, edge};
use crate::{World, uuid};

/// What is asked for, and who answers.
const PATH: &str = "/api/dashboard/data";
const FUNCTION: &str = "get-dashboard-data";
/// Requests in a row that must be hits before anything is counted.
const WARM: u32 = 20;
/// Tries until they are: a process that has just begun, and is watched at work, misses the cache's time now and then, and leaves the cache
/// alone for 5 s after the third time.
const TRIES_MAX: u32 = 500;
const PAUSE: Duration = Duration::from_millis(100);

/// Puts the dashboard of `u1` into the cache, from a world with its account.
pub async fn filled(valkey: &Valkey) -> World {
    let account = seed("u1").subscription("price_starter_monthly", "active").usage("2026-03", 7).production(&uuid(7, 1));
    let account = (1..=10).fold(account, |account, day| account.job("COMPLETED", &format!("2026-02-{day:02}T10:00:00.000Z"), 20));
    let world = World::with_cache(valkey.cache().await, &[account]).await;
    for _ in 0..TRIES_MAX {
        if world.get(PATH).await.expect_status(200).header("cache-status").is_some_and(|status| status.contains("; hit")) {
            return world;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("the cache never keeps the dashboard");
}

/// The process.
#[derive(Debug)]
pub struct Process {
    gateway: Gateway,
    /// Each from an address of its own, so that none comes to its limit.
    events: Vec<String>,
}

impl Process {
    /// Connects to the cache that [`filled`] has filled, and answers until all answers are hits.
    ///
    /// # Errors
    /// When they never are.
    pub async fn start(cache_url: &str, metrics: Metrics) -> Result<Self, BoxError> {
        let app = App::from_parts(Parts {
            // Nobody listens there.
            table: Table::connect(&TableConfig::local(TABLE, "http://127.0.0.1:1")),
            cache: cache_at(cache_url).await,
            edge: edge("on"),
            clock: Clock::frozen(NOW.parse()?),
            dead_letters: Arc::new(KeptLetters::default()),
        });
        let gateway = Gateway::new(Arc::new(app.with_metrics(metrics)))?;
        let process = Self { gateway, events: (0..=u8::MAX).map(event).collect() };
        let mut hits = 0;
        for number in 0..TRIES_MAX {
            if process.answer(number).await.is_ok() {
                hits += 1;
            } else {
                hits = 0;
                tokio::time::sleep(PAUSE).await;
            }
            if hits == WARM {
                return Ok(process);
            }
        }
        Err("the cache never answers in time".into())
    }

    /// Answers one request: its event's JSON becomes the answer's.
    ///
    /// # Errors
    /// When the answer is none from the cache.
    pub async fn answer(&self, number: u32) -> Result<(), BoxError> {
        let event = &self.events[number as usize % self.events.len()];
        let answer = self.gateway.answer(FUNCTION, event).await?;
        let is_hit = answer.starts_with(r#"{"statusCode":200,"#) && answer.contains("callsheets; hit; ttl=");
        if is_hit { Ok(()) } else { Err(format!("no hit: {answer}").into()) }
    }
}

/// What API Gateway makes of a browser's request.
fn event(address: u8) -> String {
    let address = format!("192.0.2.{address}");
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    let event: Value = json!({
        "version": "2.0",
        "routeKey": "GET /api/dashboard/data",
        "rawPath": PATH,
        "rawQueryString": "",
        "cookies": ["rev=1.00000000"],
        "headers": {
            "accept": "application/json, text/plain, */*",
            "accept-encoding": "gzip, deflate, br, zstd",
            "accept-language": "en-GB,en;q=0.9,de;q=0.8",
            "authorization": format!("Bearer {}", sign(&claims("u1"))),
            "content-length": "0",
            "host": "api.example.com",
            "origin": "http://localhost:5173",
            "priority": "u=1, i",
            "referer": "http://localhost:5173/",
            "sec-ch-ua": "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"",
            "sec-ch-ua-mobile": "?0",
            "sec-ch-ua-platform": "\"Linux\"",
            "sec-fetch-dest": "empty",
            "sec-fetch-mode": "cors",
            "sec-fetch-site": "cross-site",
            "user-agent": agent,
            "x-amzn-trace-id": "Root=1-69a94b98-2f3c8ae011d3f4f15f0a7c11",
            "x-forwarded-for": address,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {"method": "GET", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": address, "userAgent": agent},
            "requestId": "b1JhTj0VoAMEPIA=",
            "routeKey": "GET /api/dashboard/data",
            "stage": "$default",
            "time": "05/Mar/2026:09:30:00 +0000",
            "timeEpoch": 1_772_703_000_000_i64,
        },
        "isBase64Encoded": false,
    });
    event.to_string()
}

//! Lists of contacts at several sizes: pages, searches, orders; through the gateway, with everything but the network.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use app::{App, Clock, KeptLetters, Parts};
use bytes::Bytes;
use cache::Coherent;
use domain::{Timestamp, UserId};
use local::embedded::Embedded;
use local::gateway::Gateway;
use serde_json::{Value, json};
use store::{Table, TableConfig};
use web::edge::EdgeConfig;

use crate::million::{Result, Targets, load, memory_peak_mb};

const TABLE: &str = "bench";
/// Rows of a page.
const LIMIT: u64 = 25;
/// Measured requests of a kind; fewer where one takes long.
const WARM: usize = 200;
const COLD: usize = 30;
const COLD_LARGE: usize = 5;
/// More contacts are not searched.
const SEARCHED_MAX: u64 = 200_000;
/// Contacts at which the targets of the design hold.
const TARGET_SIZE: u64 = 100_000;
const SEARCH_MS_MAX: f64 = 50.0;
const LAST_TO_FIRST_MAX: f64 = 1.5;
const MEMORY_MB_MAX: f64 = 160.0;

/// Measures and prints; fails when a target is missed.
///
/// # Errors
/// When something cannot be done, or a figure is worse than its target.
pub async fn run(sizes: &[u64]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let embedded = Embedded::open(folder.path())?;
    let config = TableConfig::local(TABLE, embedded.endpoint());
    let table = Table::connect(&config);
    table.create_if_absent().await?;
    let mut targets = Targets::default();
    println!("{:>9}  {:<14} {:<9} {:>9} {:>9}", "contacts", "request", "", "p50 ms", "p99 ms");
    for &contacts in sizes {
        let user = format!("user-{contacts}");
        let account = load(&table, folder.path(), &user, contacts).await?.account;
        let bench = Bench { config: config.clone(), user: account.user, now: account.last.plus_ms(60_000), contacts };
        bench.measure(&mut targets).await?;
    }
    if let Some(&largest) = sizes.iter().filter(|size| **size <= SEARCHED_MAX).max() {
        let memory = memory_of_a_process(embedded.endpoint(), largest)?;
        println!("peak memory of a process that lists, searches and sorts {largest} contacts: {memory:.0} MB");
        targets.at_most("memory in MB", memory, MEMORY_MB_MAX);
    }
    targets.result()
}

/// What [`memory_of_a_process`] starts: lists, searches and sorts, cold and warm, and prints the most memory that it had.
///
/// # Errors
/// When something cannot be done.
pub async fn memory(endpoint: &str, contacts: u64) -> Result<()> {
    let user = UserId::parse(&format!("user-{contacts}"))?;
    let now = Timestamp::from_ms(1_893_456_000_000);
    let bench = Bench { config: TableConfig::local(TABLE, endpoint), user, now, contacts };
    let gateway = bench.process()?;
    for query in ["page=1", "search=quill", "sortBy=name", "search=nobody", "sortBy=company&sortOrder=asc&requireContact=true"] {
        bench.get(&gateway, query).await?;
    }
    println!("{}", memory_peak_mb()?);
    Ok(())
}

/// Reads in a process of its own, which has nothing of the table.
fn memory_of_a_process(endpoint: &str, contacts: u64) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args(["contacts-memory", "--endpoint", endpoint, "--contacts", &contacts.to_string()]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// One account.
struct Bench {
    config: TableConfig,
    user: UserId,
    now: Timestamp,
    contacts: u64,
}

/// Times of requests in milliseconds, sorted.
struct Times(Vec<f64>);

impl Times {
    fn at(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get(((last as f64) * part).round() as usize).copied().unwrap_or_default()
    }
}

impl Bench {
    /// A new process with an empty cache.
    fn process(&self) -> Result<Gateway> {
        let lookup = |variable: &str| match variable {
            "JWT_SECRET" => Some(local::DEVELOPMENT_SECRET.to_owned()),
            "STAGE" => Some("bench".to_owned()),
            _ => None,
        };
        let app = App::from_parts(Parts {
            table: Table::connect(&self.config),
            cache: Coherent::memory(cache::Settings::default()),
            edge: EdgeConfig::from_lookup(&lookup)?,
            clock: Clock::frozen(self.now),
            dead_letters: Arc::new(KeptLetters::default()),
        });
        Gateway::new(Arc::new(app))
    }

    /// One request: its time in milliseconds and its answer.
    async fn get(&self, gateway: &Gateway, query: &str) -> Result<(f64, http::Response<Bytes>)> {
        let issued = self.now.unix_seconds();
        let token = web::auth::sign_hs256(local::DEVELOPMENT_SECRET, &json!({"userId": self.user, "iat": issued, "exp": issued + 3_600}));
        let uri = format!("/api/contacts?limit={LIMIT}&{query}");
        let request = http::Request::builder().uri(uri).header("host", "localhost").header("authorization", format!("Bearer {token}"));
        let request = request.body(Bytes::new())?;
        let started = Instant::now();
        let response = gateway.call(request, IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        Ok((started.elapsed().as_secs_f64() * 1_000.0, response))
    }

    async fn measure(&self, targets: &mut Targets) -> Result<()> {
        let last = self.contacts.div_ceil(LIMIT);
        let first = self.kind("first page", |_| "page=1".to_owned()).await?;
        let last = self.kind("last page", |_| format!("page={last}")).await?;
        if let (Some(first), Some(last)) = (first, last) {
            targets.at_most("last page to first page, cold", last.0 / first.0, LAST_TO_FIRST_MAX);
        }
        // Other texts each time, so that it is a search and no repetition of one. There are people of these names.
        let names = ["mara", "jonas", "ines", "lindqvist", "moreau", "soren", "schafer", "zoe", "winter", "keller"];
        let hits = self.kind("search, hits", |n| format!("search={}&page={}", names[n % names.len()], 1 + n / names.len())).await?;
        let misses = self.kind("search, misses", |n| format!("search=nobody{n}")).await?;
        self.kind("sort by name", |n| format!("sortBy=name&sortOrder=asc&page={}", 1 + n)).await?;
        for times in [hits, misses].into_iter().flatten().filter(|_| self.contacts <= TARGET_SIZE) {
            targets.at_most("search in ms, p99 warm", times.1, SEARCH_MS_MAX);
        }
        Ok(())
    }

    /// Measures one kind of request: p50 cold, p99 warm; nothing when such an account refuses it.
    async fn kind(&self, name: &str, query: impl Fn(usize) -> String) -> Result<Option<(f64, f64)>> {
        let gateway = self.process()?;
        let (_, response) = self.get(&gateway, &query(0)).await?;
        if response.status() == 422 {
            let body: Value = serde_json::from_slice(response.body())?;
            println!("{:>9}  {name:<14} refused: {}", self.contacts, body["error"].as_str().unwrap_or_default());
            return Ok(None);
        }
        let count = if self.contacts >= TARGET_SIZE && !name.ends_with("page") { COLD_LARGE } else { COLD };
        let mut cold = Vec::new();
        for n in 0..count {
            cold.push(self.good(&self.process()?, &query(n)).await?);
        }
        let cold = self.print(name, "cold", cold);
        let mut warm = Vec::new();
        for n in 0..WARM {
            warm.push(self.good(&gateway, &query(n)).await?);
        }
        let warm = self.print(name, "warm", warm);
        Ok(Some((cold.at(0.5), warm.at(0.99))))
    }

    async fn good(&self, gateway: &Gateway, query: &str) -> Result<f64> {
        let (ms, response) = self.get(gateway, query).await?;
        if response.status() != 200 {
            return Err(format!("{query}: {}", String::from_utf8_lossy(response.body())).into());
        }
        Ok(ms)
    }

    fn print(&self, name: &str, state: &str, mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        let times = Times(times);
        println!("{:>9}  {name:<14} {state:<9} {:>9.2} {:>9.2}", self.contacts, times.at(0.5), times.at(0.99));
        times
    }
}

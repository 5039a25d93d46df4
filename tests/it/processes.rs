//! Several processes that share a table and a Valkey, which is killed, stopped and cut off meanwhile: nobody reads what was invalidated.
//!
//! Every write adds one contact, so an answer is of one committed state exactly when its count of contacts equals its revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache::Coherent;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use local::embedded::Embedded;
use serde_json::{Value, json};
use testkit::servers::{Valkey, cache_at};

use crate::servers::{Line, MACHINE, Process};

const PROCESSES: usize = 3;
const READERS: usize = 6;
const OPERATIONS: u64 = 20_000;
const TIME_MAX: Duration = Duration::from_secs(150);
const WRITE: &str = "/api/extraction/save-contacts";
const READ: &str = "/api/dashboard/data";

/// What readers and the writer share.
struct Run {
    hosts: Vec<String>,
    client: Client<HttpConnector, Full<Bytes>>,
    token: String,
    /// Highest revision whose invalidation the cache has acknowledged.
    acknowledged: AtomicU64,
    committed: AtomicU64,
    operations: AtomicU64,
    hits: AtomicU64,
    over: AtomicBool,
}

/// An answer to a read.
struct Seen {
    rev: u64,
    contacts: u64,
    hit: bool,
}

impl Run {
    async fn send(&self, method: &str, host: &str, path: &str, rev: Option<u64>, body: Bytes) -> (http::HeaderMap, Value) {
        let mut request = http::Request::builder().method(method).uri(format!("http://{host}{path}"));
        request = request.header("authorization", format!("Bearer {}", self.token)).header("content-type", "application/json");
        if let Some(rev) = rev {
            request = request.header("x-rev", rev.to_string());
        }
        let answer = self.client.request(request.body(Full::new(body)).expect("a good request")).await.expect("every request is answered");
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        assert_eq!(parts.status, 200, "{method} {path}: {}", String::from_utf8_lossy(&body));
        self.operations.fetch_add(1, Ordering::SeqCst);
        (parts.headers, serde_json::from_slice(&body).expect("JSON"))
    }

    async fn read(&self, host: &str, token: Option<u64>) -> Seen {
        let (headers, body) = self.send("GET", host, READ, token, Bytes::new()).await;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let hit = text("cache-status").contains("; hit");
        self.hits.fetch_add(u64::from(hit), Ordering::SeqCst);
        Seen {
            rev: text("x-rev").parse().expect("X-Rev"),
            contacts: body["data"]["metrics"]["totalContacts"].as_u64().expect("a count"),
            hit,
        }
    }

    /// Adds a contact and tells the cache itself of the new revision, to know whether that was acknowledged.
    async fn write(&self, host: &str, cache: &Coherent, number: u64) {
        let body = json!({"contacts": [{"name": format!("Crew {number}"), "email": format!("c{number}@example.test")}]});
        let (headers, _) = self.send("POST", host, WRITE, None, body.to_string().into()).await;
        let rev: u64 = headers["x-rev"].to_str().expect("text").parse().expect("a number");
        self.committed.fetch_max(rev, Ordering::SeqCst);
        if cache.bump("u1", rev, Duration::from_millis(100)).await.is_ok() {
            self.acknowledged.fetch_max(rev, Ordering::SeqCst);
        }
    }

    /// Reads until the run is over; every other reader sends back the highest revision that it has seen.
    async fn keep_reading(&self, number: usize) {
        let mut highest = 0;
        let sends_token = number.is_multiple_of(2);
        for turn in number.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let floor = self.acknowledged.load(Ordering::SeqCst);
            let seen = self.read(&self.hosts[turn % PROCESSES], sends_token.then_some(highest)).await;
            assert_eq!(seen.rev, seen.contacts, "body and revision are of two states");
            assert!(seen.rev >= floor, "revision {} after {floor} was acknowledged as invalidated (hit: {})", seen.rev, seen.hit);
            assert!(!sends_token || seen.rev >= highest, "revision {} after the same client saw {highest}", seen.rev);
            highest = highest.max(seen.rev);
        }
    }
}

/// Torments the cache, each time with enough quiet afterwards for the breakers to close.
async fn torment(valkey: &mut Valkey, line: &Line, round: usize) {
    match round % 3 {
        0 => valkey.restart(),
        1 => {
            valkey.pause(true);
            tokio::time::sleep(Duration::from_millis(400)).await;
            valkey.pause(false);
        }
        _ => {
            line.cut(true);
            tokio::time::sleep(Duration::from_millis(300)).await;
            line.cut(false);
        }
    }
    tokio::time::sleep(Duration::from_millis(6_500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_reads_what_was_invalidated_whatever_happens_to_the_cache() {
    let _machine = MACHINE.lock().await;
    let table = Embedded::memory().expect("a free port");
    let mut valkey = Valkey::start();
    let line = Line::to(valkey.address()).await;
    let url = format!("redis://{}/", line.address());
    let arguments = ["--port", "0", "--no-demo", "--dynamodb", table.endpoint(), "--cache", &url];
    let processes: Vec<Process> = (0..PROCESSES).map(|_| Process::start(&arguments)).collect();
    let cache = cache_at(&url).await;
    let run = Arc::new(Run {
        hosts: processes.iter().map(|process| process.host.clone()).collect(),
        client: Client::builder(TokioExecutor::new()).build_http(),
        token: testkit::sign(&json!({"userId": "u1", "exp": 4_102_444_800_u64})),
        acknowledged: AtomicU64::new(0),
        committed: AtomicU64::new(0),
        operations: AtomicU64::new(0),
        hits: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let started = Instant::now();
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let run = Arc::clone(&run);
            tokio::spawn(async move { run.keep_reading(number).await })
        })
        .collect();
    let writer = {
        let run = Arc::clone(&run);
        tokio::spawn(async move {
            for number in 0_u64.. {
                if run.over.load(Ordering::SeqCst) {
                    return cache;
                }
                let host = run.hosts[usize::try_from(number).unwrap_or(0) % PROCESSES].clone();
                run.write(&host, &cache, number).await;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            cache
        })
    };
    let mut round = 0;
    while round < 3 || run.operations.load(Ordering::SeqCst) < OPERATIONS {
        assert!(started.elapsed() < TIME_MAX, "{} operations only", run.operations.load(Ordering::SeqCst));
        assert!(readers.iter().all(|reader| !reader.is_finished()) && !writer.is_finished(), "a reader or the writer has failed");
        torment(&mut valkey, &line, round).await;
        round += 1;
    }
    run.over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("no violation");
    }
    writer.await.expect("every write is answered");
    let committed = run.committed.load(Ordering::SeqCst);
    let settled = Instant::now();
    for host in &run.hosts {
        while run.read(host, None).await.rev < committed {
            assert!(settled.elapsed() < Duration::from_secs(10), "{host} still shows an old revision");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let (operations, hits) = (run.operations.load(Ordering::SeqCst), run.hits.load(Ordering::SeqCst));
    println!("{operations} operations, {hits} hits, {committed} commits, {round} faults in {:?}", started.elapsed());
    assert!(hits * 5 > operations, "{hits} hits in {operations} operations: the cache was hardly used");
}

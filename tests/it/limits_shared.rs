//! Rate limits over several processes that share one Valkey: exact while it lives, and no obstacle when it dies.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use testkit::servers::Valkey;

use crate::servers::{MACHINE, Process};

const PROCESSES: usize = 4;
/// Answers of the billing group that an address may have in a quarter of an hour.
const LIMIT: usize = 40;
const PATH: &str = "/api/billing/customer";
/// Asked at a time and in all: half as many again as are allowed.
const AT_A_TIME: usize = PROCESSES;
const ASKED: usize = LIMIT * 3 / 2;
/// A machine that stands still for 30 ms makes a process go on without counting, and three times leave the cache alone for 5 s: then another
/// address tries, a little later.
const ROUNDS_MAX: u8 = 60;
const PAUSE: Duration = Duration::from_millis(1_500);

struct Answer {
    status: u16,
    remaining: Option<u64>,
}

/// Asks from an address of the loopback network: each has a window of its own.
async fn ask(client: &Client<HttpConnector, Full<Bytes>>, host: &str, token: &str) -> Answer {
    let request = http::Request::get(format!("http://{host}{PATH}")).header("authorization", format!("Bearer {token}"));
    let answer = client.request(request.body(Full::default()).expect("a good request")).await.expect("every request is answered");
    let remaining = answer.headers().get("ratelimit-remaining").map(|left| left.to_str().expect("text").parse().expect("a number"));
    let status = answer.status().as_u16();
    answer.into_body().collect().await.expect("a whole body");
    Answer { status, remaining }
}

fn client(number: u8) -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, number))));
    Client::builder(TokioExecutor::new()).build(connector)
}

/// One address asks all processes at once.
async fn hammer(hosts: &[String], token: &str, number: u8) -> Vec<Answer> {
    let client = client(number);
    let lanes = (0..AT_A_TIME).map(|lane| {
        let client = &client;
        async move {
            let mut answers = Vec::new();
            for turn in 0..ASKED / AT_A_TIME {
                answers.push(ask(client, &hosts[(lane + turn) % hosts.len()], token).await);
            }
            answers
        }
    });
    join_all(lanes).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_exactly_over_four_processes_and_stop_nobody_when_valkey_dies() {
    let _machine = MACHINE.lock().await;
    let valkey = Valkey::start();
    let url = valkey.url();
    let settings = [("RATE_LIMITS", "on")];
    let arguments = ["--port", "0", "--no-demo", "--cache", &url];
    let processes: Vec<Process> = (0..PROCESSES).map(|_| Process::start_with(&settings, &arguments)).collect();
    let hosts: Vec<String> = processes.iter().map(|process| process.host.clone()).collect();
    let token = testkit::sign(&json!({"userId": "u1", "exp": 4_102_444_800_u64}));
    let mut exact = false;
    for number in 1..=ROUNDS_MAX {
        let answers = hammer(&hosts, &token, number).await;
        let places: Vec<u64> = answers.iter().filter(|answer| answer.status == 200).filter_map(|answer| answer.remaining).collect();
        let refused = answers.iter().filter(|answer| (answer.status, answer.remaining) == (429, Some(0))).count();
        let uncounted = answers.iter().filter(|answer| (answer.status, answer.remaining) == (200, None)).count();
        assert_eq!(places.len() + refused + uncounted, ASKED);
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len(), "a place in the window was given twice");
        // Who was not counted in time may have been counted all the same: no more than these places are missing when somebody is refused.
        assert!(
            places.len() <= LIMIT && (refused == 0 || places.len() + uncounted >= LIMIT),
            "{} places, {uncounted} uncounted",
            places.len()
        );
        exact = uncounted == 0;
        if exact {
            assert_eq!((places.len(), refused), (LIMIT, ASKED - LIMIT));
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    assert!(exact, "the machine is too slow to count {ASKED} requests");
    drop(valkey);
    let last = client(ROUNDS_MAX + 1);
    for host in &hosts {
        for _ in 0..10 {
            let started = Instant::now();
            let answer = ask(&last, host, &token).await;
            assert_eq!((answer.status, answer.remaining), (200, None));
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        }
    }
}

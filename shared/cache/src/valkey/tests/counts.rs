//! Counting on real servers: exact, in the round trip of the read, and never in its way.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;

use super::servers::Server;
use super::{BUDGET, ask, config, entry, read_until};
use crate::types::{Count, Counter, Loaded, Outcome, Trouble};
use crate::{Coherent, Config, Toll};

const WINDOW: Duration = Duration::from_secs(60);

fn counter(subject: &str) -> Counter<'_> {
    Counter { name: "all", subject, window: WINDOW }
}

async fn coherent(server: &Server) -> Coherent {
    Coherent::connect(Config { ca_pem: server.ca_pem.clone(), ..config(&server.url) }).await
}

/// Counts, again if the machine was too slow: how often it has been counted by then is unknown.
async fn count(cache: &Coherent, subjects: &[&str]) -> Vec<Count> {
    let counters: Vec<_> = subjects.iter().map(|subject| counter(subject)).collect();
    for _ in 0..100 {
        if let Ok(counted) = cache.count(&counters).await {
            return counted;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server never counts");
}

/// A read with a toll for a subject: what was counted, and its end.
async fn tolled(cache: &Coherent, subject: &str, most: u64) -> (Option<Result<Count, Trouble>>, Result<Outcome, &'static str>) {
    let counted = Mutex::new(None);
    let admit = |counts: Result<Vec<Count>, Trouble>| {
        let count = counts.map(|counts| counts[0]);
        *counted.lock().unwrap() = Some(count);
        if count.is_ok_and(|count| count.count > most) { Err("refused") } else { Ok(()) }
    };
    let counters = [counter(subject)];
    let toll = Toll { counters: &counters, admit: &admit };
    let load = || async { Ok::<_, &str>(Loaded { entry: entry(1), cacheable: true }) };
    let answer = cache.read_tolled(Some(toll), ask("u"), |_| None, load).await;
    let counted = counted.lock().unwrap().take();
    (counted, answer.map(|answer| answer.outcome))
}

#[tokio::test]
async fn every_count_is_given_once_however_many_ask_at_a_time() {
    for server in [Server::valkey().await, Server::redis_with_tls().await] {
        let (one, other) = (coherent(&server).await, coherent(&server).await);
        let counters = [counter("a")];
        let asked = (0..100).map(|at| if at % 2 == 0 { one.count(&counters) } else { other.count(&counters) });
        let counted: Vec<_> = join_all(asked).await.into_iter().flatten().map(|counts| counts[0]).collect();
        let given: BTreeSet<u64> = counted.iter().map(|count| count.count).collect();
        assert_eq!(given.len(), counted.len(), "no count is given twice");
        assert!(given.iter().all(|count| *count <= 100) && counted.iter().all(|count| count.left <= WINDOW));
    }
}

#[tokio::test]
async fn a_hit_and_its_counts_are_one_round_trip() {
    for server in [Server::valkey().await, Server::redis_with_tls().await] {
        let cache = coherent(&server).await;
        count(&cache, &["warm"]).await;
        read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
        let mut subjects = (0..50).map(|at| format!("s{at}"));
        loop {
            cache.take_counted();
            let (counted, outcome) = tolled(&cache, &subjects.next().unwrap(), 1).await;
            let trips = cache.take_counted().round_trips;
            // A machine that stood still for 30 ms says nothing.
            if let (Some(Ok(count)), Ok(Outcome::Hit)) = (counted, outcome) {
                assert_eq!((trips, count.count), (1, 1));
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_read_that_does_not_pass_its_toll_loads_nothing() {
    let server = Server::valkey().await;
    let cache = coherent(&server).await;
    count(&cache, &["a"]).await;
    let loads = std::sync::atomic::AtomicU32::new(0);
    let admit = |_: Result<Vec<Count>, Trouble>| Err("refused");
    let counters = [counter("a")];
    let load = || async {
        loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Loaded { entry: entry(1), cacheable: true })
    };
    let ended = cache.read_tolled(Some(Toll { counters: &counters, admit: &admit }), ask("u"), |_| None, load).await;
    assert_eq!((ended.unwrap_err(), loads.into_inner()), ("refused", 0));
}

#[tokio::test]
async fn windows_end_by_the_servers_clock_and_damaged_ones_are_replaced() {
    let server = Server::valkey().await;
    let (cache, mut admin) = (coherent(&server).await, server.admin().await);
    count(&cache, &["warm"]).await;
    let counters = [Counter { name: "short", subject: "a", window: Duration::from_millis(1_500) }];
    let mut seen = Vec::new();
    for pause_ms in [0, 0, 1_700] {
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        seen.push(cache.count(&counters).await.unwrap()[0].count);
    }
    assert_eq!(seen, [1, 2, 1]);
    let key = crate::keys::counter(&counter("b"));
    for (damage, value, expected) in [("SET", "x", 1), ("LPUSH", "x", 1), ("SET", "6", 7)] {
        redis::cmd("DEL").arg(&key).exec_async(&mut admin).await.unwrap();
        redis::cmd(damage).arg(&key).arg(value).exec_async(&mut admin).await.unwrap();
        let counted = count(&cache, &["b"]).await[0];
        let left_ms: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut admin).await.unwrap();
        assert!(counted.count == expected && left_ms > 50_000, "{damage} {value}: {counted:?} {left_ms}");
    }
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    let server = Server::valkey().await;
    let (cache, mut admin) = (coherent(&server).await, server.admin().await);
    count(&cache, &["warm"]).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut admin).await.unwrap();
    assert_eq!(count(&cache, &["a", "b"]).await.iter().map(|count| count.count).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_full_server_that_cannot_count_still_answers_reads() {
    let server = Server::valkey().await;
    let (cache, mut admin) = (coherent(&server).await, server.admin().await);
    count(&cache, &["warm"]).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1")] {
        redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(&mut admin).await.unwrap();
    }
    for _ in 0..50 {
        let (counted, outcome) = tolled(&cache, "a", 1).await;
        if outcome == Ok(Outcome::Hit) {
            assert_eq!(counted, Some(Err(Trouble::Refused)));
            return;
        }
    }
    panic!("no read was a hit");
}

#[tokio::test]
async fn a_server_that_is_gone_counts_nothing_and_stops_nobody() {
    let mut server = Server::valkey().await;
    let cache = coherent(&server).await;
    count(&cache, &["warm"]).await;
    server.kill();
    for _ in 0..5 {
        let started = std::time::Instant::now();
        let (counted, outcome) = tolled(&cache, "a", 0).await;
        assert!(matches!(counted, Some(Err(_))) && matches!(outcome, Ok(Outcome::Bypass(_))), "{counted:?} {outcome:?}");
        assert!(started.elapsed() < BUDGET);
    }
}

//! Counts on a healthy server, and servers that go and come back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::fakes::{Fake, Manner, elasticache, group, no_serverless};
use super::servers::{Server, eventually};
use super::{ask, config, entry, read, read_until};
use crate::types::{Loaded, Outcome, Trouble};
use crate::{Ask, Coherent, Config};

/// How often the server ran each command.
async fn commands(server: &Server) -> BTreeMap<String, u64> {
    let text: String = redis::cmd("INFO").arg("commandstats").query_async(&mut server.admin().await).await.unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    text.lines().filter_map(count).collect()
}

#[tokio::test]
async fn a_hit_is_one_round_trip_of_two_plain_commands() {
    let server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    let before = commands(&server).await;
    let mut hits = 0;
    for _ in 0..50 {
        let answer = read(&cache, "u", 1).await;
        hits += u64::from(answer.outcome == Outcome::Hit);
        assert!(answer.outcome != Outcome::Hit || answer.round_trips == 1);
    }
    let after = commands(&server).await;
    let ran = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    assert!(hits > 40 && ran("hmget") >= hits && ran("time") >= hits && ran("hmget") <= 50);
    assert_eq!((ran("evalsha"), ran("eval")), (0, 0));
}

#[tokio::test]
async fn a_client_that_holds_the_body_is_told_so_in_one_round_trip() {
    let server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    let etags = ["\"0\"".to_owned(), "\"1\"".to_owned()];
    eventually(async || {
        let ask = Ask { etags: &etags, ..ask("u") };
        let load = || async { Ok::<_, ()>(Loaded { entry: entry(1), cacheable: true }) };
        let answer = cache.read(ask, |()| None, load).await.unwrap();
        assert!(answer.not_modified && answer.entry.body.is_empty());
        answer.outcome == Outcome::Hit && answer.round_trips == 1
    })
    .await;
}

#[tokio::test]
async fn two_hundred_misses_at_once_are_one_load() {
    let server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    let loads = AtomicU32::new(0);
    let reads = (0..200).map(|_| {
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, ()>(Loaded { entry: entry(1), cacheable: true })
        };
        cache.read(ask("u"), |()| None, load)
    });
    let answers = futures::future::join_all(reads).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().entry == entry(1)));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn processes_share_entries_leases_and_invalidations() {
    let server = Server::valkey().await;
    let (one, other) = (Coherent::connect(config(&server.url)).await, Coherent::connect(config(&server.url)).await);
    let loads = AtomicU32::new(0);
    let slow = || async {
        loads.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(40)).await;
        Ok::<_, ()>(Loaded { entry: entry(1), cacheable: true })
    };
    let (first, second) = tokio::join!(one.read(ask("u"), |()| None, slow), other.read(ask("u"), |()| None, slow));
    assert_eq!((first.unwrap().entry, second.unwrap().entry), (entry(1), entry(1)));
    read_until(&other, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    while one.bump("u", 2, Duration::from_secs(1)).await.is_err() {}
    assert_ne!(read(&other, "u", 2).await.outcome, Outcome::Hit);
    read_until(&one, "u", 2, |answer| answer.outcome == Outcome::Hit).await;
    while one.purge("u", Duration::from_secs(1)).await.is_err() {}
    assert_ne!(read(&other, "u", 2).await.outcome, Outcome::Hit);
}

#[tokio::test]
async fn the_first_read_after_a_restart_needs_no_second_try_by_the_client() {
    let mut server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    server.restart().await;
    // The connection is dead, the scripts and the entry are gone: still it is stored again, within the request, or soon on a busy machine.
    read_until(&cache, "u", 2, |answer| answer.outcome == Outcome::Miss && answer.stored).await;
    read_until(&cache, "u", 2, |answer| answer.outcome == Outcome::Hit).await;
}

#[tokio::test]
async fn a_paused_server_is_left_alone_and_found_again() {
    let server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    server.pause(true);
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Bypass(Trouble::BreakerOpen)).await;
    server.pause(false);
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
}

#[tokio::test]
async fn tls_with_a_private_authority_works_and_with_the_public_ones_does_not() {
    let server = Server::redis_with_tls().await;
    let mut trusting = config(&server.url);
    trusting.ca_pem.clone_from(&server.ca_pem);
    let cache = Coherent::connect(trusting).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    let strict = Coherent::connect(config(&server.url)).await;
    assert_eq!(read(&strict, "u", 1).await.outcome, Outcome::Bypass(Trouble::Unreachable));
}

#[tokio::test]
async fn a_killed_server_is_one_refusal_after_another_and_never_an_error() {
    let mut server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    server.kill();
    for rev in 1..100 {
        assert!(matches!(read(&cache, "u", rev).await.outcome, Outcome::Bypass(_)));
    }
}

#[tokio::test]
async fn a_cache_that_is_known_by_name_is_found_and_used() {
    let server = Server::valkey().await;
    let endpoint = elasticache(vec![no_serverless(), group(Some(("127.0.0.1", server.port())))]).await;
    let variables = [
        ("CACHE_NAME", "sheets"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_ELASTICACHE", &endpoint),
    ];
    let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let cache = Coherent::connect(Config::from_lookup(&lookup).unwrap()).await;
    read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
}

#[tokio::test]
async fn an_iam_login_sends_the_user_and_a_signed_token() {
    let fake = Fake::start(Manner::MuteLater).await;
    let variables = [
        ("CACHE_URL", fake.url.as_str()),
        ("CACHE_AUTH", "iam"),
        ("CACHE_USER", "api"),
        ("CACHE_NAME", "sheets"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Coherent::connect(Config::from_lookup(&lookup).unwrap()).await;
    let logins = fake.logins();
    for part in ["AUTH", "api", "sheets/?Action=connect&User=api", "X-Amz-Signature="] {
        assert!(logins.contains(part), "{part} is not in {logins}");
    }
    assert!(!logins.contains("hush"));
}

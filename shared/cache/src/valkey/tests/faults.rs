//! A cache in trouble costs a request some milliseconds, never its answer.

use std::time::Duration;

use super::fakes::{Fake, Manner};
use super::servers::{Server, free_port};
use super::{config, entry, read, read_until};
use crate::Coherent;
use crate::keys::ScopeKeys;
use crate::types::{Outcome, Scope, Tier, Trouble};

/// Three reads meet the trouble, later ones are spared it; invalidations are not acknowledged.
async fn meets(url: &str, expected: &[Trouble]) -> Coherent {
    let cache = Coherent::connect(config(url)).await;
    for rev in 1..=3 {
        let answer = read(&cache, "u", rev).await;
        assert!(matches!(answer.outcome, Outcome::Bypass(trouble) if expected.contains(&trouble)), "{answer:?}");
        assert!(!answer.stored && answer.tier == Tier::Source);
    }
    let answer = read(&cache, "u", 4).await;
    assert_eq!(answer.outcome, Outcome::Bypass(Trouble::BreakerOpen));
    assert_eq!(cache.bump("u", 5, Duration::from_secs(1)).await.unwrap_err().0, Trouble::BreakerOpen);
    assert!(cache.take_counted().troubles.values().sum::<u64>() >= 5);
    cache
}

#[tokio::test]
async fn a_refused_connection_is_answered_by_the_source() {
    meets(&format!("redis://127.0.0.1:{}", free_port()), &[Trouble::Unreachable]).await;
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_by_every_request() {
    let server = Server::valkey().await;
    meets(&server.url.replace("secret", "other"), &[Trouble::Refused, Trouble::Unreachable]).await;
}

#[tokio::test]
async fn every_bad_manner_is_answered_by_the_source_and_then_left_alone() {
    for (manner, expected) in [
        (Manner::Mute, &[Trouble::Timeout, Trouble::Unreachable][..]),
        (Manner::MuteLater, &[Trouble::Timeout]),
        (Manner::Slow, &[Trouble::Timeout]),
        (Manner::Dying, &[Trouble::Unreachable, Trouble::Garbled]),
        (Manner::Garbage, &[Trouble::Garbled, Trouble::Unreachable]),
        (Manner::Nonsense, &[Trouble::Garbled]),
    ] {
        let fake = Fake::start(manner).await;
        let cache = meets(&fake.url, expected).await;
        let before = fake.commands();
        for rev in 5..50 {
            assert_eq!(read(&cache, "u", rev).await.outcome, Outcome::Bypass(Trouble::BreakerOpen), "{manner:?}");
        }
        assert_eq!(fake.commands(), before, "{manner:?}: an open breaker lets nothing through");
    }
}

#[tokio::test]
async fn a_hurried_invalidation_leaves_a_connection_for_the_next() {
    let fake = Fake::start(Manner::SlowLogin).await;
    let cache = Coherent::connect(config(&fake.url)).await;
    fake.hang_up();
    let budget = Duration::from_millis(20);
    let mut tries = 0;
    while cache.bump("u", 1, budget).await.is_err() {
        tries += 1;
        assert!(tries < 100, "connecting takes longer than one bump may wait, so it must go on between bumps");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_process_that_only_writes_notices_a_mute_cache_too() {
    let fake = Fake::start(Manner::MuteLater).await;
    let cache = Coherent::connect(config(&fake.url)).await;
    let mut troubles = Vec::new();
    for rev in 0..6 {
        troubles.push(cache.bump("u", rev, Duration::from_millis(20)).await.unwrap_err().0);
    }
    assert_eq!((troubles[0], troubles[5]), (Trouble::Timeout, Trouble::BreakerOpen), "{troubles:?}");
}

#[tokio::test]
async fn out_of_memory_and_read_only_servers_still_serve_what_they_hold() {
    for (name, settings, undo) in [
        ("out of memory", &["CONFIG SET maxmemory-policy noeviction", "CONFIG SET maxmemory 1"][..], &["CONFIG SET maxmemory 0"][..]),
        ("read-only", &["REPLICAOF 127.0.0.1 1"], &["REPLICAOF NO ONE"]),
        ("without replicas", &["CONFIG SET min-replicas-to-write 1"], &["CONFIG SET min-replicas-to-write 0"]),
    ] {
        let server = Server::valkey().await;
        let cache = Coherent::connect(config(&server.url)).await;
        read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
        order(&server, settings).await;
        read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
        let answer = read_until(&cache, "other", 7, |answer| answer.outcome != Outcome::Bypass(Trouble::Timeout)).await;
        assert_eq!((answer.outcome, answer.stored), (Outcome::Bypass(Trouble::Refused), false), "{name}");
        assert!(
            cache.bump("u", 2, Duration::from_secs(1)).await.is_err(),
            "{name}: an invalidation that was not applied is not acknowledged"
        );
        order(&server, undo).await;
        read_until(&cache, "other", 7, |answer| answer.outcome == Outcome::Hit).await;
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_under_our_keys_is_replaced() {
    let server = Server::valkey().await;
    let cache = Coherent::connect(config(&server.url)).await;
    let ScopeKeys { entries, .. } = ScopeKeys::of(Scope::User("u"));
    let write = [
        format!("SET {entries} hello"),
        format!("HSET {entries} f garbage"),
        format!("HSET {entries} i x f 00000000000000000009x"),
        format!("HSET {entries} h:1:dashboard truncated"),
        format!("HSET {entries} b:1:dashboard re"),
        format!("HDEL {entries} b:1:dashboard"),
        format!("HDEL {entries} i"),
    ];
    for write in &write {
        read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
        order(&server, &[write]).await;
        read_until(&cache, "u", 1, |answer| matches!(answer.outcome, Outcome::Miss)).await;
        read_until(&cache, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    }
    assert!(cache.take_counted().damaged >= write.len() as u64);
    // A bump must not be repeated for ever because of such a key: what it finds there it deletes.
    order(&server, &[&write[0]]).await;
    while cache.bump("u", 2, Duration::from_secs(1)).await.is_err() {}
    read_until(&cache, "u", 2, |answer| answer.outcome == Outcome::Hit).await;
}

#[tokio::test]
async fn entries_of_another_schema_are_not_seen_but_one_floor_binds_all() {
    let server = Server::valkey().await;
    let connect = async |schema| {
        let mut config = config(&server.url);
        config.settings.schema = schema;
        Coherent::connect(config).await
    };
    let (older, newer) = (connect(1).await, connect(2).await);
    read_until(&older, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    assert_ne!(read(&newer, "u", 1).await.outcome, Outcome::Hit);
    read_until(&newer, "u", 1, |answer| answer.outcome == Outcome::Hit).await;
    while older.bump("u", 2, Duration::from_secs(1)).await.is_err() {}
    assert_ne!(read(&newer, "u", 2).await.outcome, Outcome::Hit);
    assert_eq!(entry(2).rev, 2);
}

/// Runs an administrator's orders.
async fn order<T: AsRef<str>>(server: &Server, orders: &[T]) {
    let mut admin = server.admin().await;
    for order in orders {
        let mut words = order.as_ref().split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        cmd.exec_async(&mut admin).await.unwrap();
    }
}

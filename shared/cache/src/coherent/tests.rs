//! The cache as a caller sees it, over the memory port.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use super::*;
use crate::types::{Entry, Outcome, Tier, View};

const NOW_MS: i64 = 1_700_000_000_000;

fn entry(rev: u64) -> Entry {
    Entry { rev, status: 200, body: Bytes::from(format!("rev {rev}")), gzip: false, etag: format!("\"{rev}\""), extra: String::new() }
}

fn ask<'a>(min_rev: Option<u64>, etags: &'a [String]) -> Ask<'a> {
    let view = View { name: "dashboard", page: false, fresh_for: Duration::from_secs(60), stale_if_error: true };
    Ask { scope: Scope::User("u"), view, min_rev, etags, now_ms: NOW_MS }
}

async fn read(cache: &Coherent, ask: Ask<'_>, rev: Result<u64, &'static str>) -> Result<Answer, &'static str> {
    cache.read(ask, |error| Some(*error), || async move { rev.map(|rev| Loaded { entry: entry(rev), cacheable: true }) }).await
}

#[tokio::test]
async fn a_hit_is_one_round_trip_and_no_load() {
    let cache = Coherent::memory(Settings::default());
    let miss = read(&cache, ask(None, &[]), Ok(1)).await.unwrap();
    assert_eq!((miss.outcome, miss.tier, miss.stored, miss.round_trips), (Outcome::Miss, Tier::Source, true, 3));
    let hit = read(&cache, ask(None, &[]), Err("loaded")).await.unwrap();
    assert_eq!((hit.outcome, hit.tier, hit.round_trips, hit.entry), (Outcome::Hit, Tier::Shared, 1, entry(1)));
}

#[tokio::test]
async fn a_body_that_the_client_holds_does_not_travel() {
    let cache = Coherent::memory(Settings::default());
    let etags = ["\"1\"".to_owned()];
    for outcome in [Outcome::Miss, Outcome::Hit] {
        let answer = read(&cache, ask(None, &etags), Ok(1)).await.unwrap();
        assert_eq!((answer.outcome, answer.not_modified, answer.entry.body.len()), (outcome, true, 0));
    }
}

#[tokio::test]
async fn after_a_bump_or_with_a_newer_token_the_source_is_asked() {
    let cache = Coherent::memory(Settings::default());
    read(&cache, ask(None, &[]), Ok(1)).await.unwrap();
    cache.bump("u", 2, Duration::from_secs(1)).await.unwrap();
    assert_eq!(read(&cache, ask(None, &[]), Ok(2)).await.unwrap().outcome, Outcome::Miss);
    assert_eq!(read(&cache, ask(Some(2), &[]), Err("loaded")).await.unwrap().outcome, Outcome::Hit);
    assert_eq!(read(&cache, ask(Some(3), &[]), Ok(3)).await.unwrap().entry.rev, 3);
}

#[tokio::test]
async fn two_hundred_misses_at_once_are_one_load() {
    let cache = Coherent::memory(Settings::default());
    let loads = AtomicU32::new(0);
    let reads = (0..200).map(|_| {
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, ()>(Loaded { entry: entry(1), cacheable: true })
        };
        cache.read(ask(None, &[]), |()| Some(()), load)
    });
    let answers = futures::future::join_all(reads).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().entry == entry(1)));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_failing_source_is_asked_once_for_all_who_wait() {
    let cache = Coherent::memory(Settings::default());
    let loads = AtomicU32::new(0);
    let reads = (0..50).map(|_| {
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err::<Loaded, _>("down")
        };
        cache.read(ask(None, &[]), |error| Some(*error), load)
    });
    let answers = futures::future::join_all(reads).await;
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap_err() == "down"));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn those_who_wait_for_a_failing_source_share_the_stale_copy() {
    let cache = Coherent::memory(Settings::default());
    read(&cache, ask(None, &[]), Ok(1)).await.unwrap();
    cache.bump("u", 2, Duration::from_secs(1)).await.unwrap();
    let loads = AtomicU32::new(0);
    let reads = (0..50).map(|_| {
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err::<Loaded, _>("down")
        };
        cache.read(ask(None, &[]), |error| Some(*error), load)
    });
    let answers = futures::future::join_all(reads).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().outcome == Outcome::StaleOnError));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stale_copy_leaves_only_while_the_source_is_down_and_never_below_the_token() {
    let cache = Coherent::memory(Settings::default());
    read(&cache, ask(None, &[]), Ok(1)).await.unwrap();
    cache.bump("u", 2, Duration::from_secs(1)).await.unwrap();
    let stale = read(&cache, ask(None, &[]), Err("down")).await.unwrap();
    assert_eq!((stale.outcome, stale.entry.rev, stale.ttl), (Outcome::StaleOnError, 1, Duration::ZERO));
    assert_eq!(read(&cache, ask(Some(2), &[]), Err("down")).await.unwrap_err(), "down");
    let refused = cache.read(ask(None, &[]), |_| None, || async { Err::<Loaded, _>("no such user") }).await;
    assert_eq!(refused.unwrap_err(), "no such user");
    cache.purge("u", Duration::from_secs(1)).await.unwrap();
    assert_eq!(read(&cache, ask(None, &[]), Err("down")).await.unwrap_err(), "down");
}

#[tokio::test]
async fn without_a_cache_everything_is_answered_by_the_source() {
    let cache = Coherent::off();
    for rev in 1..3 {
        let answer = read(&cache, ask(None, &[]), Ok(rev)).await.unwrap();
        assert_eq!((answer.outcome, answer.entry.rev, answer.round_trips), (Outcome::Bypass(Trouble::Off), rev, 0));
    }
    assert_eq!(cache.bump("u", 1, Duration::from_secs(1)).await, Ok(()));
}

#[tokio::test]
async fn a_leader_that_goes_away_lets_another_lead() {
    let cache = Coherent::memory(Settings::default());
    let mut gone = Box::pin(cache.read(ask(None, &[]), |()| Some(()), std::future::pending::<Result<Loaded, ()>>));
    assert!(futures::poll!(&mut gone).is_pending());
    let mut waits = Box::pin(read(&cache, ask(None, &[]), Ok(7)));
    assert!(futures::poll!(&mut waits).is_pending());
    drop(gone);
    assert_eq!(waits.await.unwrap().entry.rev, 7);
}

#[tokio::test]
async fn a_push_stores_what_the_next_read_hits() {
    let cache = Coherent::memory(Settings::default());
    let warmed = cache.warm(ask(None, &[]), || async { Ok::<_, ()>(Loaded { entry: entry(3), cacheable: true }) }).await;
    assert_eq!(warmed, Ok(Warmed::Stored));
    assert_eq!(read(&cache, ask(None, &[]), Err("loaded")).await.unwrap().outcome, Outcome::Hit);
    assert_eq!(cache.take_counted().fills.values().sum::<u64>(), 1);
}

#[tokio::test]
async fn what_must_not_be_kept_is_shown_but_not_stored() {
    let cache = Coherent::memory(Settings::default());
    let load = |bytes: usize, cacheable| async move {
        let entry = Entry { body: Bytes::from(vec![b'x'; bytes]), ..entry(1) };
        Ok::<_, ()>(Loaded { entry, cacheable })
    };
    for (bytes, cacheable) in [(10, false), ((512 << 10) + 1, true)] {
        let answer = cache.read(ask(None, &[]), |()| None, || load(bytes, cacheable)).await.unwrap();
        assert_eq!((answer.outcome, answer.stored, answer.entry.body.len()), (Outcome::Miss, false, bytes));
    }
}

#[tokio::test]
async fn blobs_are_each_users_own_and_one_that_is_too_large_is_not_kept() {
    let cache = Coherent::memory(Settings::default());
    let (small, large) = (Bytes::from_static(b"x"), Bytes::from(vec![0; crate::limits::BLOB_BYTES_MAX + 1]));
    cache.keep_blobs("u", vec![("a".to_owned(), small.clone()), ("b".to_owned(), large)]).await.unwrap();
    let names = ["b", "a", "c"].map(str::to_owned);
    assert_eq!(cache.blobs("u", &names).await.unwrap(), [None, Some(small), None]);
    assert_eq!(cache.blobs("v", &names).await.unwrap(), [None, None, None]);
    assert_eq!(cache.blobs("u", &[]).await.unwrap(), Vec::<Option<Bytes>>::new());
    assert_eq!(Coherent::off().blobs("u", &names).await, Err(crate::types::Trouble::Off));
}

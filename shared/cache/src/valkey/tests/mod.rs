//! The port against real servers, and against sockets that behave badly.

mod counts;
pub(super) mod fakes;
mod faults;
mod recovery;
mod servers;
mod traces;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::config::{Config, Place};
use crate::types::{Answer, Ask, Entry, Loaded, Scope, View};
use crate::{Coherent, Settings};

/// Longest time that a request may spend on a cache in trouble: connecting, a command and its repetition, on a busy machine.
const BUDGET: Duration = Duration::from_millis(400);

fn config(url: &str) -> Config {
    Config { place: Some(Place::url(url).unwrap()), iam: None, ca_pem: None, settings: Settings::default() }
}

fn entry(rev: u64) -> Entry {
    Entry { rev, status: 200, body: Bytes::from(format!("rev {rev}")), gzip: false, etag: format!("\"{rev}\""), extra: "more".to_owned() }
}

fn ask(user: &str) -> Ask<'_> {
    let view = View { name: "dashboard", page: false, fresh_for: Duration::from_secs(60), stale_if_error: true };
    Ask { scope: Scope::User(user), view, min_rev: None, etags: &[], now_ms: 1_700_000_000_000 }
}

/// One read of a source that is at a revision. The source must be asked at most once, the answer must be its, and in time.
async fn read(cache: &Coherent, user: &str, rev: u64) -> Answer {
    let loads = AtomicU32::new(0);
    let started = Instant::now();
    let load = || async {
        loads.fetch_add(1, Ordering::Relaxed);
        Ok::<_, ()>(Loaded { entry: entry(rev), cacheable: true })
    };
    let answer = cache.read(ask(user), |()| None, load).await.unwrap();
    assert!(loads.load(Ordering::Relaxed) <= 1);
    assert!(started.elapsed() < BUDGET, "{:?} for {answer:?}", started.elapsed());
    assert_eq!(answer.entry, entry(rev));
    answer
}

/// Reads until the answer is as expected: on a busy machine a command may miss its 30 ms now and then.
async fn read_until(cache: &Coherent, user: &str, rev: u64, expected: impl Fn(&Answer) -> bool) -> Answer {
    let started = Instant::now();
    loop {
        let answer = read(cache, user, rev).await;
        if expected(&answer) {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

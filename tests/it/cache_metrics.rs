//! Metrics of what happens between processes that share a cache: fills that come too late, an entry that another process refreshes, and what
//! somebody else has written there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache::{Ask, Coherent, Entry, Loaded, Scope, View};
use domain::Timestamp;
use testkit::servers::Valkey;
use testkit::{Fault, NOW, World, seed};
use tokio::sync::Notify;

const READ: &str = "/api/dashboard/data";
/// On a busy machine a command may not be answered in its time, and a read goes past the cache.
const TRIES_MAX: usize = 100;
const PAUSE: Duration = Duration::from_millis(200);

/// A world, and another process that shares its cache.
struct Pair {
    world: World,
    other: Coherent,
    valkey: Valkey,
}

/// What the pair's world writes.
pub async fn lines() -> Vec<String> {
    let valkey = Valkey::start();
    let world = World::with_cache(valkey.cache().await, &[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let pair = Pair { world, other: valkey.cache().await, valkey };
    pair.until("CacheFillRejectedIncarnation", async || pair.read_while(pair.forget()).await).await;
    pair.until("CacheFillRejectedFloor", async || pair.read_while(pair.invalidate()).await).await;
    pair.until("CacheFillRejectedEntry", async || pair.read_while(pair.fill(9, std::future::ready(()))).await).await;
    pair.until("CacheSoftStale", async || pair.read_expired().await).await;
    pair.until("CacheDamaged", async || pair.read_damaged().await).await;
    pair.world.metrics()
}

impl Pair {
    /// Does something until the world tells of it.
    async fn until(&self, metric: &str, mut attempt: impl AsyncFnMut()) {
        let name = format!("\"{metric}\":");
        for _ in 0..TRIES_MAX {
            attempt().await;
            if self.world.metrics().iter().any(|line| line.contains(&name)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{metric} is never told");
    }

    /// Reads from the table, whose answer comes only after something else has happened.
    async fn read_while(&self, meanwhile: impl Future<Output = ()>) {
        self.forget().await;
        let asked = Arc::new(Notify::new());
        let tell = Arc::clone(&asked);
        self.world.faults().plan(move |call| {
            let is_read = call.operation == "GetItem";
            is_read.then(|| {
                tell.notify_one();
                Fault::Waits
            })
        });
        let between = async {
            asked.notified().await;
            meanwhile.await;
            self.world.faults().clear();
            self.world.faults().go_on();
        };
        // Its status is not looked at: on a busy machine the table's time may be over before.
        let (_, ()) = futures::join!(self.world.get(READ), between);
    }

    async fn forget(&self) {
        while self.other.purge("u1", Duration::from_secs(1)).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn invalidate(&self) {
        // Whether that is heard shows in the metrics.
        let _ = self.other.bump("u1", 9, Duration::from_secs(1)).await;
    }

    /// The other process fills in the dashboard, fresh for 5 s, when it has waited for something.
    async fn fill(&self, rev: u64, first: impl Future<Output = ()>) {
        let view = View { name: "dashboard-data", page: false, fresh_for: Duration::from_secs(5), stale_if_error: false };
        let ask = Ask { scope: Scope::User("u1"), view, min_rev: None, etags: &[], now_ms: self.now().ms() };
        let load = || async {
            first.await;
            let (body, etag) = (Bytes::from_static(b"{}"), "W/\"1\"".to_owned());
            let entry = Entry { rev, status: 200, body, gzip: false, etag, extra: String::new() };
            Ok::<_, ()>(Loaded { entry, cacheable: true })
        };
        self.other.read(ask, |()| None, load).await.expect("the load succeeds");
    }

    fn now(&self) -> Timestamp {
        self.world.app().clock().now()
    }

    /// Reads an entry that expired a moment ago, while the other process refreshes it.
    async fn read_expired(&self) {
        self.forget().await;
        self.world.set_now(NOW);
        self.fill(1, std::future::ready(())).await;
        self.world.set_now("2026-03-05T09:30:10.000Z");
        let (asked, done) = (Notify::new(), Notify::new());
        let refresh = self.fill(1, async {
            asked.notify_one();
            done.notified().await;
        });
        let read = async {
            asked.notified().await;
            self.world.get(READ).await.expect_status(200);
            done.notify_one();
        };
        futures::join!(refresh, read);
    }

    /// Reads where somebody has written what is no entry.
    async fn read_damaged(&self) {
        self.world.get(READ).await.expect_status(200);
        let client = redis::Client::open(self.valkey.url()).expect("a good URL");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Valkey answers");
        let keys: Vec<String> = redis::cmd("KEYS").arg("*u1*").query_async(&mut connection).await.expect("Valkey answers");
        for key in keys {
            let _: () = redis::cmd("SET").arg(key).arg("x").query_async(&mut connection).await.expect("Valkey answers");
        }
        self.world.get(READ).await.expect_status(200);
    }
}

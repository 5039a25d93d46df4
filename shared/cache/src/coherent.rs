//! The cache as the rest of the program sees it: drives the core, one lock and no await at a time.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::config::Config;
use crate::core::{Core, CoreConfig, Effect, Event, Purpose, ReadId, Times};
use crate::keys::ScopeKeys;
use crate::limits::WAIT;
use crate::memory::Memory;
use crate::port::{Command, PortResult};
use crate::stats::Counted;
use crate::types::{Answer, Ask, Loaded, Scope, Trouble, Unacknowledged, Warmed};
use crate::valkey::Valkey;

/// Settings of a process that do not depend on where the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Version of what bodies look like. A program that writes other bodies raises it, and neither sees the other's entries.
    pub schema: u32,
    /// How long an answer may be repeated from this process's memory, although nobody tells it of invalidations. Zero: never.
    pub process_window: Duration,
    /// Bytes that this process's memory may hold.
    pub process_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { schema: 1, process_window: Duration::ZERO, process_bytes_max: 4 << 20 }
    }
}

/// A cache that never answers with what was invalidated. See the crate's documentation for how.
#[derive(Debug)]
pub struct Coherent {
    port: Port,
    state: Mutex<State>,
    started: Instant,
}

/// Where entries are kept.
#[derive(Debug)]
enum Port {
    Off,
    Memory(Box<Mutex<Memory>>),
    Valkey(Box<Valkey>),
}

/// What an error of the source looks like while it travels to those who shared the load.
type Shared = Option<Box<dyn Any + Send>>;

#[derive(Debug)]
struct State {
    core: Core,
    sleepers: HashMap<ReadId, Sender<Shared>>,
}

/// A read under way. Dropped before its end, because its caller went away, it lets those go who wait for it.
#[derive(Debug)]
struct Reading<'a> {
    coherent: &'a Coherent,
    id: ReadId,
}

impl Coherent {
    /// No cache: every answer comes from the source.
    #[must_use]
    pub fn off() -> Self {
        Self::new(Port::Off, Settings::default())
    }

    /// A cache in this process's memory, at most 64 MB.
    #[must_use]
    pub fn memory(settings: Settings) -> Self {
        Self::new(Port::Memory(Box::default()), settings)
    }

    /// A Valkey or Redis server that all processes share, or none if the settings name none. Connects if that is possible within 300 ms;
    /// a server that does not answer is tried again by later reads.
    pub async fn connect(config: Config) -> Self {
        if config.place.is_none() {
            return Self::off();
        }
        let settings = config.settings;
        let valkey = Valkey::new(config);
        valkey.warm_up().await;
        Self::new(Port::Valkey(Box::new(valkey)), settings)
    }

    fn new(port: Port, settings: Settings) -> Self {
        let config = CoreConfig {
            schema: settings.schema,
            near_window_ms: u64::try_from(settings.process_window.as_millis()).unwrap_or(u64::MAX),
            near_bytes_max: settings.process_bytes_max,
            cache: !matches!(port, Port::Off),
        };
        let state = State { core: Core::new(config, rand::random()), sleepers: HashMap::new() };
        Self { port, state: Mutex::new(state), started: Instant::now() }
    }

    /// Answers from the cache, or from the source and then for others from the cache.
    ///
    /// `load` asks the source, strongly consistent, at most once. `outage` tells an error that means that the source cannot be reached, by
    /// copying it for those who share the load; only such an error lets a stale copy out.
    ///
    /// # Errors
    /// The source's error. Trouble with the cache is none: it shows in [`Answer::outcome`].
    pub async fn read<E, F, Fut>(&self, ask: Ask<'_>, outage: impl Fn(&E) -> Option<E>, load: F) -> Result<Answer, E>
    where
        E: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded, E>>,
    {
        match self.drive(&ask, Purpose::Answer, outage, load).await? {
            Ended::Answer(answer) => Ok(*answer),
            Ended::Busy => unreachable!("only a push ends busy"),
        }
    }

    /// Loads an entry and stores it, unless somebody is doing so. The same as a miss, so it can never bring back what was invalidated.
    ///
    /// # Errors
    /// The source's error.
    pub async fn warm<E, F, Fut>(&self, ask: Ask<'_>, load: F) -> Result<Warmed, E>
    where
        E: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded, E>>,
    {
        match self.drive(&ask, Purpose::Push, |_| None, load).await? {
            Ended::Answer(answer) if answer.stored => Ok(Warmed::Stored),
            Ended::Answer(_) => Ok(Warmed::NotStored),
            Ended::Busy => Ok(Warmed::Busy),
        }
    }

    /// Invalidates what a user's entries showed before a committed revision. Idempotent, in any order.
    ///
    /// # Errors
    /// When the cache did not acknowledge it within the budget. It may have been applied, and repeating it does no harm.
    pub async fn bump(&self, user: &str, rev: u64, budget: Duration) -> Result<(), Unacknowledged> {
        let command = self.lock().core.bump(&ScopeKeys::of(Scope::User(user)), rev);
        self.acknowledged(command, budget).await
    }

    /// Makes the cache forget a user, stale copies included. Safe at any time.
    ///
    /// # Errors
    /// As for [`Coherent::bump`].
    pub async fn purge(&self, user: &str, budget: Duration) -> Result<(), Unacknowledged> {
        let command = self.lock().core.purge(&ScopeKeys::of(Scope::User(user)));
        self.acknowledged(command, budget).await
    }

    /// What was counted since the last call.
    pub fn take_counted(&self) -> Counted {
        self.lock().core.take_counted()
    }

    async fn acknowledged(&self, command: Command, budget: Duration) -> Result<(), Unacknowledged> {
        let reply = match tokio::time::timeout(budget, self.call(command, budget)).await {
            Ok(Ok(_)) | Ok(Err(Trouble::Off)) => return Ok(()),
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Timeout,
        };
        self.lock().core.count_trouble(reply);
        Err(Unacknowledged(reply))
    }

    async fn call(&self, command: Command, budget: Duration) -> PortResult {
        match &self.port {
            Port::Off => Err(Trouble::Off),
            Port::Valkey(valkey) => valkey.call(command, budget).await,
            Port::Memory(memory) => {
                let now_ms = self.times().mono_ms;
                Ok(memory.lock().unwrap_or_else(PoisonError::into_inner).apply(command, now_ms))
            }
        }
    }

    async fn drive<E, F, Fut>(&self, ask: &Ask<'_>, purpose: Purpose, outage: impl Fn(&E) -> Option<E>, load: F) -> Result<Ended, E>
    where
        E: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded, E>>,
    {
        let mut load = Some(load);
        let mut failure: Option<E> = None;
        let (reading, mut effect, mut sleep) = self.begin(ask, purpose);
        loop {
            let event = match effect {
                Effect::Cache(command) => Event::Replied(self.call(command, Duration::MAX).await),
                Effect::Load => match load.take().expect("a read loads once")().await {
                    Ok(loaded) => Event::Loaded(loaded),
                    Err(error) => {
                        let event = Event::LoadFailed { outage: outage(&error).is_some() };
                        failure = Some(error);
                        event
                    }
                },
                Effect::Wait => {
                    tokio::time::sleep(WAIT).await;
                    Event::Waited
                }
                Effect::Join => {
                    let shared = match sleep.take() {
                        Some(sleep) => sleep.await.ok().flatten(),
                        None => None,
                    };
                    failure = shared.and_then(|error| error.downcast().ok()).map(|error| *error);
                    Event::Woken
                }
                Effect::Done(answer) => return Ok(Ended::Answer(answer)),
                Effect::Busy => return Ok(Ended::Busy),
                Effect::Fail => return Err(failure.expect("a read fails only after its load did")),
                Effect::FailShared => match failure {
                    Some(error) => return Err(error),
                    None => Event::Unshared,
                },
            };
            let woken;
            (effect, sleep, woken) = self.step(reading.id, event);
            for sleeper in woken {
                let copy = failure.as_ref().and_then(&outage);
                // A sleeper that went away needs nothing.
                let _ = sleeper.send(copy.map(|error| Box::new(error) as Box<dyn Any + Send>));
            }
        }
    }

    fn begin(&self, ask: &Ask<'_>, purpose: Purpose) -> (Reading<'_>, Effect, Option<Receiver<Shared>>) {
        let times = self.times();
        let mut state = self.lock();
        let (id, effect) = state.core.begin(ask, purpose, times);
        let sleep = state.sleep(id, &effect);
        (Reading { coherent: self, id }, effect, sleep)
    }

    fn step(&self, id: ReadId, event: Event) -> (Effect, Option<Receiver<Shared>>, Vec<Sender<Shared>>) {
        let times = self.times();
        let mut state = self.lock();
        let step = state.core.on(id, event, times);
        let sleep = state.sleep(id, &step.effect);
        let woken = step.wake.iter().filter_map(|id| state.sleepers.remove(id)).collect();
        (step.effect, sleep, woken)
    }

    fn times(&self) -> Times {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ms = |time: Duration| time.as_millis();
        Times {
            mono_ms: u64::try_from(ms(self.started.elapsed())).unwrap_or(u64::MAX),
            wall_ms: i64::try_from(ms(wall)).unwrap_or(i64::MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a read or a push ended.
enum Ended {
    Answer(Box<Answer>),
    Busy,
}

impl State {
    fn sleep(&mut self, id: ReadId, effect: &Effect) -> Option<Receiver<Shared>> {
        if !matches!(effect, Effect::Join) {
            return None;
        }
        let (wake, sleep) = oneshot::channel();
        self.sleepers.insert(id, wake);
        Some(sleep)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.coherent.lock();
        state.sleepers.remove(&self.id);
        for id in state.core.abandon(self.id) {
            if let Some(sleeper) = state.sleepers.remove(&id) {
                // As in `drive`: who went away needs nothing.
                let _ = sleeper.send(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}

//! The cache as the rest of the program sees it: drives the core, one lock and no await at a time.

mod blobs;
mod counting;

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use counting::{command, counts};
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::config::Config;
use crate::core::{Core, CoreConfig, Effect, Event, Purpose, ReadId, Times};
use crate::keys::ScopeKeys;
use crate::limits::WAIT;
use crate::memory::Memory;
use crate::port::{Command, PortResult};
use crate::stats::Counted;
use crate::types::{Answer, Ask, Count, Counter, Loaded, Scope, Trouble, Unacknowledged, Warmed};
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
    schema: u32,
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

/// What a read has to pass: counted in the round trip of its first look.
pub struct Toll<'a, E> {
    /// What is counted.
    pub counters: &'a [Counter<'a>],
    /// Takes what was counted, and lets the read go on or ends it. Not called when the read never asks the cache.
    pub admit: &'a (dyn Fn(Result<Vec<Count>, Trouble>) -> Result<(), E> + Sync),
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
        Self { port, schema: settings.schema, state: Mutex::new(state), started: Instant::now() }
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
        self.read_tolled(None, ask, outage, load).await
    }

    /// As [`Coherent::read`], but passes a toll with its first look, in the same round trip.
    ///
    /// # Errors
    /// As [`Coherent::read`], and that of the toll.
    pub async fn read_tolled<E, F, Fut>(
        &self,
        toll: Option<Toll<'_, E>>,
        ask: Ask<'_>,
        outage: impl Fn(&E) -> Option<E>,
        load: F,
    ) -> Result<Answer, E>
    where
        E: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded, E>>,
    {
        match self.drive(&ask, Purpose::Answer, toll, outage, load).await? {
            Ended::Answer(answer) => Ok(*answer),
            Ended::Busy => unreachable!("only a push ends busy"),
        }
    }

    /// Counts by itself what travels with no read: one round trip.
    ///
    /// # Errors
    /// When the cache did not count within its time. It may have counted all the same.
    pub async fn count(&self, counters: &[Counter<'_>]) -> Result<Vec<Count>, Trouble> {
        let counted = counts(self.call_all(counters.iter().map(command).collect(), Duration::MAX).await);
        if let Err(trouble) = &counted {
            self.lock().core.count_trouble(*trouble);
        }
        counted
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
        match self.drive(&ask, Purpose::Push, None, |_| None, load).await? {
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

    /// Makes the cache forget what all users share.
    ///
    /// # Errors
    /// As for [`Coherent::bump`].
    pub async fn purge_shared(&self, budget: Duration) -> Result<(), Unacknowledged> {
        let command = self.lock().core.purge(&ScopeKeys::of(Scope::Shared));
        self.acknowledged(command, budget).await
    }

    /// What was counted since the last call.
    pub fn take_counted(&self) -> Counted {
        let breaker_open = matches!(&self.port, Port::Valkey(valkey) if valkey.is_left_alone());
        Counted { breaker_open, ..self.lock().core.take_counted() }
    }

    async fn acknowledged(&self, command: Command, budget: Duration) -> Result<(), Unacknowledged> {
        match self.call(command, budget).await {
            Ok(_) | Err(Trouble::Off) => Ok(()),
            Err(trouble) => {
                self.lock().core.count_trouble(trouble);
                Err(Unacknowledged(trouble))
            }
        }
    }

    async fn call(&self, command: Command, budget: Duration) -> PortResult {
        self.call_all(vec![command], budget).await.pop().unwrap_or(Err(Trouble::Garbled))
    }

    /// Sends commands in one round trip: a result for each.
    async fn call_all(&self, commands: Vec<Command>, budget: Duration) -> Vec<PortResult> {
        match &self.port {
            Port::Off => commands.iter().map(|_| Err(Trouble::Off)).collect(),
            Port::Valkey(valkey) => {
                let started = Instant::now();
                let results = valkey.call_all(&commands, budget).await;
                self.lock().core.count_round_trip(started.elapsed());
                results
            }
            Port::Memory(memory) => {
                let now_ms = self.times().mono_ms;
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                commands.into_iter().map(|command| Ok(memory.apply(command, now_ms))).collect()
            }
        }
    }

    /// Sends a read's command together with what is counted for it.
    async fn call_with(&self, counters: &[Counter<'_>], first: Command) -> (PortResult, Result<Vec<Count>, Trouble>) {
        let commands = std::iter::once(first).chain(counters.iter().map(command)).collect();
        let mut results = self.call_all(commands, Duration::MAX).await.into_iter();
        let reply = results.next().unwrap_or(Err(Trouble::Garbled));
        (reply, counts(results))
    }

    async fn drive<E, F, Fut>(
        &self,
        ask: &Ask<'_>,
        purpose: Purpose,
        mut toll: Option<Toll<'_, E>>,
        outage: impl Fn(&E) -> Option<E>,
        load: F,
    ) -> Result<Ended, E>
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
                Effect::Cache(command) => Event::Replied(match toll.take() {
                    None => self.call(command, Duration::MAX).await,
                    Some(toll) => {
                        let (reply, counted) = self.call_with(toll.counters, command).await;
                        (toll.admit)(counted)?;
                        reply
                    }
                }),
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

impl<E> std::fmt::Debug for Toll<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toll").field("counters", &self.counters).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

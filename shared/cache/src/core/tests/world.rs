//! A world in which everything goes wrong: three processes, one cache, one table, and time that only moves by steps.

mod environment;
mod mishaps;
mod rest;

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

pub(super) use environment::Environment;

use super::rules::Rules;
use super::{keys, loaded, view_of};
use crate::core::{Effect, Event, Purpose, ReadId};
use crate::memory::Memory;
use crate::mutation::{Mutation, applied};
use crate::port::Command;
use crate::types::{Ask, Loaded, Scope, Trouble};

pub(super) const USERS: usize = 2;
pub(super) const ENVIRONMENTS: usize = 3;
const CLIENTS: usize = 4;
/// A command that was given up may still arrive for so long.
const ORPHAN_MS: u64 = 5_000;
/// A client waits for so long.
pub(super) const PATIENCE_MS: u64 = 60_000;
/// Window of the third process's own memory.
pub(super) const WINDOW_MS: u64 = 400;

/// How often what happens, in thousandths of all steps; the rest is progress. Each world has another.
#[derive(Debug, Clone, Copy)]
struct Mood {
    begin: u32,
    write: u32,
    consume: u32,
    jump: u32,
    trouble: u32,
    /// In hundredths: how often a reply is in no hurry.
    lag: u32,
    /// Whether all clients want the same.
    crowd: bool,
}

/// A read under way, and what was true when it began.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) client: usize,
    pub(super) user: usize,
    pub(super) view: String,
    pub(super) schema: u32,
    pub(super) began_ms: u64,
    pub(super) min_rev: u64,
    pub(super) stale_if_error: bool,
    push: bool,
    next: Next,
    loads: u32,
}

/// What a read waits for.
#[derive(Debug)]
enum Next {
    Wire,
    /// The source: what it saw so far.
    Source(Option<Loaded>),
    Pause,
    Sleep,
    Wake,
}

/// Whose command travels.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Read(usize, ReadId),
    /// An invalidation of a user's revision; from the stream, it is repeated until acknowledged.
    Bump {
        user: usize,
        rev: u64,
        stream: bool,
    },
    Nobody,
}

#[derive(Debug)]
struct Travelling {
    owner: Owner,
    command: Command,
    /// What the cache replied, once it has the command.
    reply: Option<crate::port::Reply>,
    sent_ms: u64,
    applied_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct World {
    rng: SmallRng,
    mood: Mood,
    pub(super) now_ms: u64,
    pub(super) table: [u64; USERS],
    pub(super) cache: Memory,
    replica: (Memory, u64),
    pub(super) environments: Vec<Environment>,
    pub(super) readers: BTreeMap<(usize, ReadId), Reader>,
    wire: Vec<Travelling>,
    stream: Vec<(usize, u64)>,
    tokens: [[u64; USERS]; CLIENTS],
    source_down: bool,
    cache_down: bool,
    /// Whether commands get lost now and then.
    lossy: bool,
    newest_schema: u32,
    pub(super) rules: Rules,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mood = Mood {
            begin: rng.random_range(80..250),
            write: rng.random_range(2..60),
            consume: rng.random_range(2..60),
            jump: rng.random_range(0..20),
            trouble: rng.random_range(1..40),
            lag: rng.random_range(0..95),
            crowd: rng.random_range(0..2) == 0,
        };
        let mut world = Self {
            rng,
            mood,
            now_ms: 1_000_000,
            table: [1; USERS],
            cache: Memory::default(),
            replica: (Memory::default(), 0),
            environments: Vec::new(),
            readers: BTreeMap::new(),
            wire: Vec::new(),
            stream: Vec::new(),
            tokens: [[0; USERS]; CLIENTS],
            source_down: false,
            cache_down: false,
            lossy: true,
            newest_schema: 1,
            rules: Rules::default(),
        };
        for at in 0..ENVIRONMENTS {
            world.environments.push(Environment::new(seed * 100 + at as u64, 1, if at == 2 { WINDOW_MS } else { 0 }));
        }
        world
    }

    /// One random step. `Err` says which rule was broken.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let Mood { begin, write, consume, jump, trouble, .. } = self.mood;
        let pick: u32 = self.rng.random_range(0..1_000);
        let below = |parts: &[u32]| pick < parts.iter().sum::<u32>();
        if below(&[begin]) {
            self.begin()?;
        } else if below(&[begin, write]) {
            self.write();
        } else if below(&[begin, write, consume]) {
            self.consume();
        } else if below(&[begin, write, consume, jump]) {
            match self.rng.random_range(0..10) {
                0..6 => self.pass(0, 200),
                6..8 => self.pass(1_000, 40_000),
                8 => self.pass(275_000, 325_000),
                _ => self.pass(60_000, 700_000),
            }
        } else if below(&[begin, write, consume, jump, trouble]) {
            self.trouble();
        } else if below(&[begin, write, consume, jump, trouble, 5]) {
            self.give_up_somebody();
        } else {
            self.progress()?;
        }
        // Every step has a time of its own: what came first is then never a question.
        self.pass(1, 3);
        self.rules.bounds(self)
    }

    fn pass(&mut self, from_ms: u64, to_ms: u64) {
        let ms = self.rng.random_range(from_ms..=to_ms);
        self.now_ms += ms;
        self.environments.iter_mut().filter(|environment| !environment.frozen).for_each(|environment| environment.mono_ms += ms);
        let now_ms = self.now_ms;
        self.wire.retain(|travelling| !matches!(travelling.owner, Owner::Nobody) || travelling.sent_ms + ORPHAN_MS > now_ms);
    }

    fn begin(&mut self) -> Result<(), String> {
        let at = self.rng.random_range(0..ENVIRONMENTS);
        if self.readers.len() >= 10 || self.environments[at].frozen {
            return Ok(());
        }
        let client = self.rng.random_range(0..CLIENTS);
        let user = self.rng.random_range(0..USERS);
        let (user, range) = if self.mood.crowd { (0, 0..5) } else { (user, 0..10) };
        let view = match self.rng.random_range(range) {
            0..4 => "dashboard".to_owned(),
            4..7 => "billing".to_owned(),
            _ => format!("page:{}", self.rng.random_range(0..40)),
        };
        let push = self.rng.random_range(0..6) == 0;
        self.ask(at, client, user, &view, push).map(|_| ())
    }

    /// Begins a read, and ends it if its process knows the answer.
    pub(super) fn ask(&mut self, at: usize, client: usize, user: usize, view: &str, push: bool) -> Result<(usize, ReadId), String> {
        let min_rev = self.tokens[client][user];
        let (schema, times) = (self.environments[at].schema, self.environments[at].times(self.now_ms));
        let etags = if self.rng.random_range(0..4) == 0 { vec![format!("\"{min_rev}\"")] } else { Vec::new() };
        let name = user.to_string();
        let ask = Ask {
            scope: Scope::User(&name),
            view: view_of(view),
            min_rev: (min_rev > 0).then_some(min_rev),
            etags: &etags,
            // The third process has only its monotonic clock to trust: it never freezes.
            now_ms: if at == 2 { times.wall_ms } else { i64::try_from(self.now_ms).unwrap() },
        };
        let purpose = if push { Purpose::Push } else { Purpose::Answer };
        let (id, effect) = self.environments[at].core.begin(&ask, purpose, times);
        let (view, stale_if_error) = (view.to_owned(), view == "billing");
        let began_ms = self.now_ms;
        let reader = Reader { client, user, view, schema, began_ms, min_rev, stale_if_error, push, next: Next::Sleep, loads: 0 };
        self.readers.insert((at, id), reader);
        self.perform((at, id), effect)?;
        Ok((at, id))
    }

    /// Something that is under way goes on.
    fn progress(&mut self) -> Result<(), String> {
        let ready: Vec<_> = self.readers.iter().filter(|((at, _), reader)| self.is_ready(*at, reader)).map(|(name, _)| *name).collect();
        let pick = self.rng.random_range(0..=(ready.len() + self.wire.len()));
        match ready.get(pick) {
            Some(name) => self.go_on(*name),
            None if pick < ready.len() + self.wire.len() => self.travel(pick - ready.len()),
            None => Ok(()),
        }
    }

    fn is_ready(&self, at: usize, reader: &Reader) -> bool {
        !self.environments[at].frozen && !matches!(reader.next, Next::Wire | Next::Sleep)
    }

    fn go_on(&mut self, name: (usize, ReadId)) -> Result<(), String> {
        let Some(reader) = self.readers.get_mut(&name) else { return Ok(()) };
        let event = match &mut reader.next {
            Next::Pause => Event::Waited,
            Next::Wake => Event::Woken,
            Next::Source(_) if self.source_down => {
                self.rules.source_failed(reader.user, self.now_ms);
                Event::LoadFailed { outage: true }
            }
            Next::Source(seen @ None) => {
                *seen = Some(loaded(reader.user, &reader.view, reader.schema, self.table[reader.user]));
                return Ok(());
            }
            Next::Source(Some(loaded)) => {
                if applied(Mutation::RevAfterData) {
                    loaded.entry.rev = self.table[reader.user];
                }
                Event::Loaded(loaded.clone())
            }
            Next::Wire | Next::Sleep => return Ok(()),
        };
        self.tell(name, event)
    }

    fn tell(&mut self, name: (usize, ReadId), event: Event) -> Result<(), String> {
        let environment = &mut self.environments[name.0];
        let times = environment.times(self.now_ms);
        let step = environment.core.on(name.1, event, times);
        for woken in step.wake {
            if let Some(reader) = self.readers.get_mut(&(name.0, woken)) {
                reader.next = Next::Wake;
            }
        }
        self.perform(name, step.effect)
    }

    fn perform(&mut self, name: (usize, ReadId), effect: Effect) -> Result<(), String> {
        let Some(reader) = self.readers.get_mut(&name) else { return Ok(()) };
        match effect {
            Effect::Cache(command) => {
                reader.next = Next::Wire;
                self.send(Owner::Read(name.0, name.1), command);
                return Ok(());
            }
            Effect::Load => {
                reader.loads += 1;
                reader.next = Next::Source(None);
                return if reader.loads > 1 { Err("a read asked the source twice".to_owned()) } else { Ok(()) };
            }
            Effect::Wait => reader.next = Next::Pause,
            Effect::Join => reader.next = Next::Sleep,
            Effect::FailShared if self.rng.random_range(0..2) == 0 => return self.tell(name, Event::Unshared),
            Effect::FailShared => {
                self.readers.remove(&name);
                self.abandon(name);
            }
            Effect::Fail | Effect::Busy => {
                self.readers.remove(&name);
            }
            Effect::Done(answer) => {
                let reader = self.readers.remove(&name).expect("it was there above");
                self.rules.answered(&reader, &self.environments[name.0], &answer, self.now_ms, self.table[reader.user])?;
                if !reader.push {
                    let token = &mut self.tokens[reader.client][reader.user];
                    *token = answer.entry.rev.max(*token);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, owner: Owner, command: Command) {
        self.wire.push(Travelling { owner, command, reply: None, sent_ms: self.now_ms, applied_ms: 0 });
    }

    /// A command arrives, its reply arrives, or one of both does not.
    fn travel(&mut self, at: usize) -> Result<(), String> {
        let luck = self.rng.random_range(0..100);
        let travelling = &mut self.wire[at];
        let owner = travelling.owner;
        if self.cache_down || (self.lossy && luck < 2) {
            // Given up by its owner; what became of it shows later, or never.
            travelling.owner = Owner::Nobody;
            if luck % 2 == 0 {
                self.wire.swap_remove(at);
            }
            return self.deliver(owner, 0, Err(if self.cache_down { Trouble::Unreachable } else { Trouble::Timeout }));
        }
        let Some(reply) = travelling.reply.take() else {
            travelling.applied_ms = self.now_ms;
            travelling.reply = Some(self.cache.apply(travelling.command.clone(), self.now_ms));
            return Ok(());
        };
        if self.lossy && self.rng.random_range(0..100) < self.mood.lag {
            travelling.reply = Some(reply);
            return Ok(());
        }
        let applied_ms = travelling.applied_ms;
        self.wire.swap_remove(at);
        self.deliver(owner, applied_ms, Ok(reply))
    }

    fn deliver(&mut self, owner: Owner, applied_ms: u64, reply: crate::port::PortResult) -> Result<(), String> {
        match owner {
            Owner::Read(at, id) if self.environments[at].frozen => {
                // It waits in the socket; the process sees a dropped connection when it thaws.
                self.environments[at].frozen = false;
                self.tell((at, id), Event::Replied(reply.and(Err(Trouble::Unreachable))))
            }
            Owner::Read(at, id) => self.tell((at, id), Event::Replied(reply)),
            Owner::Bump { user, rev, stream } => {
                match reply {
                    Ok(_) => self.rules.acknowledged(user, rev, applied_ms, self.now_ms),
                    Err(_) if stream => self.stream.push((user, rev)),
                    Err(_) => {}
                }
                Ok(())
            }
            Owner::Nobody => Ok(()),
        }
    }

    /// A client writes: commit, bump, answer with the token; the stream gets its record, now and then twice.
    fn write(&mut self) {
        let (at, user) = (self.rng.random_range(0..ENVIRONMENTS), self.rng.random_range(0..USERS));
        self.table[user] += 1;
        let rev = self.table[user];
        let command = self.environments[at].core.bump(&keys(user), rev);
        self.send(Owner::Bump { user, rev, stream: false }, command);
        let client = self.rng.random_range(0..CLIENTS);
        self.tokens[client][user] = rev;
        for _ in 0..self.rng.random_range(1..=2) {
            self.stream.push((user, rev));
        }
    }

    /// The stream's consumer takes any of its records.
    fn consume(&mut self) {
        if self.stream.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.stream.len());
        let (user, rev) = self.stream.swap_remove(at);
        self.send(Owner::Bump { user, rev, stream: true }, Command::Bump { key: keys(user).entries, rev });
    }
}

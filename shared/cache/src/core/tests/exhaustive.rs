//! All histories of a small world: three readers, two writes, a repeated invalidation, one flush.
//!
//! Time stands still and leases never hold anybody up: they are advice, and a reader that does not wait can only do more harm. A command
//! and its reply are one step, because nothing that a reader does depends on when the reply travels back. Readers in processes of their own
//! look when they begin: a later look sees a higher floor, while what is asked of its answer stays the same.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{keys, loaded, view_of};
use crate::core::{Core, CoreConfig, Effect, Event, Purpose, ReadId, Times};
use crate::memory::Memory;
use crate::mutation::{self, Mutation};
use crate::port::Command;
use crate::types::{Ask, Scope};

const READERS: usize = 3;
const WRITES: u64 = 2;
/// How often each write is invalidated: repetitions matter between processes; one process has more orders without them.
const REPEATED: [u32; WRITES as usize] = [2, 1];
const ONCE: [u32; WRITES as usize] = [1, 1];
const NOW: Times = Times { mono_ms: 1_000_000, wall_ms: 1_000_000 };

/// A state of the small world.
#[derive(Clone)]
struct Small {
    /// One process for all readers, or one each.
    cores: Vec<Core>,
    cache: Memory,
    rev: u64,
    /// How often each write is still to be invalidated; all invalidations are acknowledged at once.
    bumps: [u32; WRITES as usize],
    acknowledged: u64,
    flushed: bool,
    readers: [Reader; READERS],
}

/// A reader: not begun, under way, or done.
#[derive(Clone)]
enum Reader {
    Idle,
    Busy { id: ReadId, required: u64, push: bool, next: Next },
    Done,
}

#[derive(Clone, Debug)]
enum Next {
    Command(Command),
    /// The source; what a faulty one has read before it reads the rev.
    Load(Option<u64>),
    Sleep,
    Wake,
}

/// What may happen next.
#[derive(Clone, Copy)]
enum Action {
    Read(usize),
    Write,
    Bump(usize),
    Flush,
}

impl Small {
    fn new(processes: usize, bumps: [u32; WRITES as usize]) -> Self {
        let config = CoreConfig { schema: 1, near_window_ms: 0, near_bytes_max: 0, cache: true };
        Self {
            cores: (0..processes).map(|at| Core::new(config, at as u64)).collect(),
            cache: Memory::default(),
            rev: 1,
            bumps,
            acknowledged: 0,
            flushed: false,
            readers: [const { Reader::Idle }; READERS],
        }
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (at, reader) in self.readers.iter().enumerate() {
            // Readers that have not begun are alike, so they begin in order; the push is another matter.
            let turn = at != 1 || !matches!(self.readers[0], Reader::Idle);
            let ready = match reader {
                Reader::Idle => turn,
                Reader::Busy { next, .. } => !matches!(next, Next::Sleep),
                Reader::Done => false,
            };
            actions.extend(ready.then_some(Action::Read(at)));
        }
        actions.extend((self.rev <= WRITES).then_some(Action::Write));
        let committed = usize::try_from(self.rev - 1).unwrap();
        actions.extend((0..committed).filter(|write| self.bumps[*write] > 0).map(Action::Bump));
        actions.extend((!self.flushed).then_some(Action::Flush));
        actions
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Read(at) => return self.read(at),
            Action::Write => self.rev += 1,
            Action::Bump(write) => {
                self.bumps[write] -= 1;
                let rev = write as u64 + 2;
                self.cache.apply(Command::Bump { key: keys(0).entries, rev }, NOW.mono_ms);
                self.acknowledged = self.acknowledged.max(rev);
            }
            Action::Flush => {
                self.flushed = true;
                self.cache = Memory::default();
            }
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result<(), String> {
        let process = at % self.cores.len();
        let effect = match self.readers[at].clone() {
            Reader::Idle => {
                let ask = Ask { scope: Scope::User("0"), view: view_of("dashboard"), min_rev: None, etags: &[], now_ms: NOW.wall_ms };
                // The last reader is a push.
                let push = at == READERS - 1;
                let (id, effect) = self.cores[process].begin(&ask, if push { Purpose::Push } else { Purpose::Answer }, NOW);
                self.readers[at] = Reader::Busy { id, required: self.acknowledged, push, next: Next::Sleep };
                match effect {
                    Effect::Cache(look) if !push && self.cores.len() > 1 => {
                        let event = self.event(Next::Command(look));
                        self.cores[process].on(id, event, NOW).effect
                    }
                    effect => effect,
                }
            }
            Reader::Busy { id, next: Next::Load(None), push, required } if mutation::applied(Mutation::RevAfterData) => {
                self.readers[at] = Reader::Busy { id, required, push, next: Next::Load(Some(self.rev)) };
                return Ok(());
            }
            Reader::Busy { id, next, .. } => {
                let event = self.event(next);
                let step = self.cores[process].on(id, event, NOW);
                for reader in &mut self.readers {
                    if let Reader::Busy { id, next, .. } = reader
                        && step.wake.contains(id)
                    {
                        *next = Next::Wake;
                    }
                }
                step.effect
            }
            Reader::Done => return Ok(()),
        };
        self.perform(at, effect)
    }

    fn event(&mut self, next: Next) -> Event {
        match next {
            Next::Command(command) => {
                self.cache.end_leases(&keys(0).entries);
                Event::Replied(Ok(self.cache.apply(command, NOW.mono_ms)))
            }
            Next::Load(seen) => {
                let mut loaded = loaded(0, "dashboard", 1, seen.unwrap_or(self.rev));
                loaded.entry.rev = self.rev;
                Event::Loaded(loaded)
            }
            Next::Sleep | Next::Wake => Event::Woken,
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) -> Result<(), String> {
        let Reader::Busy { required, push, next, .. } = &mut self.readers[at] else { return Err("an effect for nobody".to_owned()) };
        match effect {
            Effect::Cache(command) => *next = Next::Command(command),
            Effect::Load => *next = Next::Load(None),
            Effect::Join => *next = Next::Sleep,
            Effect::Done(answer) => {
                let shown = answer.entry.body == loaded(0, "dashboard", 1, answer.entry.rev).entry.body;
                if !shown || (answer.entry.rev < *required && !*push) {
                    return Err(format!("{answer:?} where {required} was acknowledged, the table is at {}", self.rev));
                }
                self.readers[at] = Reader::Done;
            }
            Effect::Busy | Effect::Fail | Effect::FailShared | Effect::Wait => return Err(format!("{effect:?} has no place here")),
        }
        Ok(())
    }

    /// Names the state, but for what has no influence on what may follow.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.cores.iter().for_each(|core| core.fingerprint(&mut hasher));
        self.cache.fingerprint(&keys(0).entries).hash(&mut hasher);
        (self.rev, self.bumps, self.acknowledged, self.flushed).hash(&mut hasher);
        for reader in &self.readers {
            match reader {
                Reader::Idle => 0.hash(&mut hasher),
                Reader::Busy { required, next, .. } => {
                    (required, std::mem::discriminant(next)).hash(&mut hasher);
                    matches!(next, Next::Load(Some(_))).then_some(format!("{next:?}")).hash(&mut hasher);
                }
                Reader::Done => 1.hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

/// Visits every state that can be reached. How many there are, or the first rule that is broken.
fn explore(processes: usize, bumps: [u32; WRITES as usize]) -> Result<usize, String> {
    let start = Small::new(processes, bumps);
    let mut seen = HashSet::from([start.fingerprint()]);
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        for action in state.actions() {
            let mut next = state.clone();
            next.act(action)?;
            if seen.insert(next.fingerprint()) {
                open.push(next);
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn no_history_of_three_processes_breaks_a_rule() {
    let states = explore(READERS, REPEATED).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{states} states");
    assert!(states > 10_000, "only {states} states");
}

#[test]
fn no_history_of_three_readers_in_one_process_breaks_a_rule() {
    let states = explore(1, ONCE).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{states} states");
    assert!(states > 10_000, "only {states} states");
}

#[test]
fn a_fault_breaks_a_rule_in_some_history() {
    for (mutation, processes) in [
        (Mutation::NoIncarnationCheck, READERS),
        (Mutation::DeleteInsteadOfFloor, READERS),
        (Mutation::NoFloorCheck, READERS),
        (Mutation::PushWithoutOpen, READERS),
        (Mutation::RevAfterData, READERS),
        (Mutation::JoinAnyFlight, 1),
    ] {
        let found = mutation::with(Some(mutation), || explore(processes, REPEATED).err());
        assert!(found.is_some(), "{mutation:?} was not noticed");
    }
}

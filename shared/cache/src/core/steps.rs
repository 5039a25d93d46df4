//! The protocol's steps: what a read does next, given what happened.

use rand::Rng;

use super::flight::{Evidence, Landed, acceptable};
use super::read::{Purpose, Read, State, hour};
use super::{Core, Effect, Event, ReadId, Times};
use crate::header::Header;
use crate::limits::{BODY_BYTES_MAX, HOUR_MS, TEXT_BYTES_MAX, WAITS_MAX};
use crate::mutation::{Mutation, applied};
use crate::near::Asked;
use crate::port::{Command, Fill, Filled, Reply, Seen};
use crate::types::{Answer, Entry, Loaded, Outcome, Tier, Trouble};

impl Core {
    pub(super) fn advance(&mut self, id: ReadId, read: &mut Read, event: Event, times: Times) -> Effect {
        match (read.state.clone(), event) {
            (State::Looking, Event::Replied(Ok(Reply::Seen(seen)))) => self.looked(id, read, seen, times),
            (State::LookingAgain(left), Event::Replied(Ok(Reply::Seen(seen)))) => self.looked_again(id, read, left, &seen, times),
            (State::Opening, Event::Replied(Ok(Reply::Opened { incarnation, leased }))) => {
                read.opened = Some(incarnation);
                self.opened(id, read, leased, times)
            }
            (State::Waiting(left), Event::Waited) => self.look_again(read, left, times),
            (State::Loading, Event::Loaded(loaded)) => self.loaded(id, read, loaded, times),
            (State::Loading, Event::LoadFailed { outage }) => self.load_failed(id, read, outage),
            (State::Filling(answer), Event::Replied(reply)) => self.filled(*answer, &reply),
            (State::Rescuing, Event::Replied(reply)) => self.rescued(id, read, reply),
            (State::Landed(landed), Event::Woken) => self.woken(id, read, landed),
            (State::Joined, Event::Unshared) => self.lead(id, read),
            (_, Event::Replied(Err(trouble))) => self.troubled(id, read, trouble, times),
            _ => self.troubled(id, read, Trouble::Garbled, times),
        }
    }

    /// The first look is back.
    fn looked(&mut self, id: ReadId, read: &mut Read, seen: Seen, times: Times) -> Effect {
        read.floor = seen.floor;
        read.incarnation_seen.clone_from(&seen.incarnation);
        if seen.damaged {
            self.counters.damaged();
        }
        match read.entry_answer(&seen) {
            Some(answer) if answer.outcome == Outcome::Hit => {
                self.remember(read, &answer, times);
                Effect::Done(Box::new(answer))
            }
            Some(answer) if self.flights.is_under_way(read) => Effect::Done(Box::new(answer)),
            Some(answer) => {
                read.soft = Some(answer);
                self.lead(id, read)
            }
            None => self.join_or_lead(id, read),
        }
    }

    /// Shares the load of another read, or becomes the one that others share.
    pub(super) fn join_or_lead(&mut self, id: ReadId, read: &mut Read) -> Effect {
        if !read.joined && self.flights.join(id, read) {
            read.joined = true;
            read.state = State::Joined;
            return Effect::Join;
        }
        self.lead(id, read)
    }

    /// Opens the scope, which is the licence to fill it, or goes straight to the source if the cache is in trouble.
    pub(super) fn lead(&mut self, id: ReadId, read: &mut Read) -> Effect {
        read.leads = true;
        self.flights.start(id, read);
        if read.trouble.is_some() {
            return self.load(id, read, read.asked.times);
        }
        read.state = State::Opening;
        read.round_trips += 1;
        read.proposed = self.incarnation();
        let (key, field) = (read.spec.keys.entries.clone(), read.spec.field.clone());
        Effect::Cache(Command::Open { key, field, proposed: read.proposed.clone() })
    }

    /// The scope is open: the lease's holder loads; others serve what they have, or wait.
    fn opened(&mut self, id: ReadId, read: &mut Read, leased: bool, times: Times) -> Effect {
        if leased {
            return self.load(id, read, times);
        }
        if read.spec.purpose == Purpose::Push {
            return Effect::Busy;
        }
        match read.soft.take() {
            Some(answer) => {
                let answer = Answer { round_trips: read.round_trips, ..answer };
                Effect::Done(Box::new(answer))
            }
            None => {
                read.state = State::Waiting(WAITS_MAX);
                Effect::Wait
            }
        }
    }

    fn look_again(&mut self, read: &mut Read, left: u32, times: Times) -> Effect {
        read.asked = Asked { times, ..read.asked };
        read.evidence = Some(Evidence { asked: self.tick(), incarnation: None, source: false });
        read.state = State::LookingAgain(left - 1);
        read.looks_up()
    }

    /// A look while another holds the lease. What it finds counts from before the look, like a first look.
    fn looked_again(&mut self, id: ReadId, read: &mut Read, left: u32, seen: &Seen, times: Times) -> Effect {
        match read.entry_answer(seen) {
            Some(answer) if answer.outcome == Outcome::Hit => {
                self.remember(read, &answer, times);
                if let Some(evidence) = read.evidence.clone() {
                    let evidence = Evidence { incarnation: seen.incarnation.clone(), ..evidence };
                    if !answer.not_modified {
                        self.flights.result(id, Landed::Answer(Box::new(answer.clone()), evidence));
                    }
                }
                Effect::Done(Box::new(answer))
            }
            _ if left > 0 => {
                read.state = State::Waiting(left);
                Effect::Wait
            }
            _ => self.load(id, read, times),
        }
    }

    /// Asks the source. From here on the flight is only for those who may use what a load that begins now finds.
    fn load(&mut self, id: ReadId, read: &mut Read, times: Times) -> Effect {
        read.asked = Asked { times, ..read.asked };
        read.state = State::Loading;
        let evidence = Evidence { asked: self.tick(), incarnation: read.opened.clone(), source: true };
        self.flights.loads(id, &evidence);
        read.evidence = Some(evidence);
        Effect::Load
    }

    /// The source answered: store it if that is allowed.
    fn loaded(&mut self, id: ReadId, read: &mut Read, loaded: Loaded, times: Times) -> Effect {
        let Loaded { entry, cacheable } = loaded;
        let fresh_ms = if cacheable { self.fresh_ms(read) } else { 0 };
        let answer = read.source_answer(entry.clone(), fresh_ms);
        if cacheable {
            self.remember(read, &answer, times);
        }
        if let Some(evidence) = read.evidence.clone() {
            self.flights.result(id, Landed::Answer(Box::new(answer.clone()), evidence));
        }
        let answer = read.for_client(answer);
        let licence = read.opened.clone().filter(|_| read.trouble.is_none());
        let Some(incarnation) = licence.filter(|_| cacheable && storable(&entry)) else { return Effect::Done(Box::new(answer)) };
        read.round_trips += 1;
        let incarnation = match read.spec.purpose {
            Purpose::Push if applied(Mutation::PushWithoutOpen) => ANY.to_owned(),
            _ => incarnation,
        };
        let fill = Fill {
            key: read.spec.keys.entries.clone(),
            field: read.spec.field.clone(),
            incarnation,
            page: read.spec.page,
            header: Header::of(&entry, fresh_ms, read.spec.now_ms),
            body: entry.body,
            stale_key: read.spec.stale_if_error.then(|| read.spec.keys.stale.clone()),
        };
        read.state = State::Filling(Box::new(Answer { round_trips: read.round_trips, ..answer }));
        Effect::Cache(Command::Fill(Box::new(fill)))
    }

    /// Whether the entry is stored or not, the answer goes out.
    fn filled(&mut self, mut answer: Answer, reply: &Result<Reply, Trouble>) -> Effect {
        if let Ok(Reply::Filled(filled)) = reply {
            answer.stored = *filled == Filled::Stored;
            self.counters.filled(*filled);
        }
        Effect::Done(Box::new(answer))
    }

    /// The source failed: what expired a moment ago, else the copy, if this view has one, else the error.
    fn load_failed(&mut self, id: ReadId, read: &mut Read, outage: bool) -> Effect {
        if let Some(answer) = read.soft.take().filter(|_| outage) {
            return Effect::Done(Box::new(Answer { round_trips: read.round_trips, ..answer }));
        }
        if outage && read.spec.stale_if_error && read.trouble.is_none() {
            self.flights.close(id);
            read.state = State::Rescuing;
            return read.looks_up_copy();
        }
        self.without_copy(id, outage)
    }

    fn rescued(&mut self, id: ReadId, read: &mut Read, reply: Result<Reply, Trouble>) -> Effect {
        let answer = match reply {
            Ok(Reply::Seen(seen)) => read.copy_answer(&seen),
            _ => None,
        };
        let Some(answer) = answer else { return self.without_copy(id, true) };
        if let Some(evidence) = read.evidence.clone().filter(|_| !answer.not_modified) {
            // Not what the source says now, so a token above it is not served.
            self.flights.result(id, Landed::Answer(Box::new(answer.clone()), Evidence { source: false, ..evidence }));
        }
        Effect::Done(Box::new(answer))
    }

    fn without_copy(&mut self, id: ReadId, outage: bool) -> Effect {
        self.flights.result(id, if outage { Landed::Outage } else { Landed::Nothing });
        Effect::Fail
    }

    /// The flight that this read joined has landed.
    fn woken(&mut self, id: ReadId, read: &mut Read, landed: Landed) -> Effect {
        match landed {
            Landed::Answer(answer, evidence) if acceptable(read, &answer, &evidence) => {
                let outcome = if answer.tier == Tier::Source { Outcome::Joined } else { answer.outcome };
                Effect::Done(Box::new(read.for_client(Answer { outcome, stored: false, ..*answer })))
            }
            Landed::Outage => {
                // If the error cannot be handed over, the event is `Unshared`, and this read asks the source itself.
                read.state = State::Joined;
                Effect::FailShared
            }
            Landed::Answer(..) | Landed::Nothing => self.join_or_lead(id, read),
        }
    }

    /// The cache failed this read. That is not a miss: nothing is opened or filled any more, the source answers.
    fn troubled(&mut self, id: ReadId, read: &mut Read, trouble: Trouble, times: Times) -> Effect {
        read.trouble = Some(trouble);
        read.opened = None;
        match read.state {
            State::Looking => self.join_or_lead(id, read),
            State::Opening if read.spec.purpose == Purpose::Answer && read.soft.is_some() => {
                let answer = read.soft.take().map(|answer| Answer { round_trips: read.round_trips, ..answer });
                answer.map_or(Effect::Fail, |answer| Effect::Done(Box::new(answer)))
            }
            _ if read.leads => self.load(id, read, times),
            _ => self.lead(id, read),
        }
    }

    /// Keeps an answer in process, counted from before it was asked for.
    fn remember(&mut self, read: &Read, answer: &Answer, times: Times) {
        if !self.near.is_on() || answer.not_modified {
            return;
        }
        let asked = if applied(Mutation::WindowFromReply) { read.asked.late(times) } else { read.asked };
        let fresh_ms = u64::try_from(answer.ttl.as_millis()).unwrap_or(u64::MAX);
        self.near.put(&read.spec.keys.entries, &read.spec.field, &answer.entry, asked, fresh_ms);
    }

    /// How long a loaded entry is fresh: up to a tenth less than the view says, so that entries that were made together do not expire
    /// together, and never past the hour.
    fn fresh_ms(&mut self, read: &Read) -> u64 {
        let fresh_ms = read.spec.fresh_ms.saturating_sub(self.rng.random_range(0..=read.spec.fresh_ms / 10));
        let to_hour = hour(read.spec.now_ms).saturating_add(HOUR_MS).saturating_sub(read.spec.now_ms);
        fresh_ms.min(u64::try_from(to_hour).unwrap_or(0))
    }
}

/// What a push that skips OPEN would fill under. Only a mutation sends it, and only the mutated port takes it.
pub(crate) const ANY: &str = "any";

/// Whether an entry may be stored at all.
fn storable(entry: &Entry) -> bool {
    entry.body.len() <= BODY_BYTES_MAX && entry.etag.len() + entry.extra.len() <= TEXT_BYTES_MAX && !entry.etag.contains('\n')
}

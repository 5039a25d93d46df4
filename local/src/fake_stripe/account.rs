//! What the fake holds: objects in the order in which they came to be, events, and the keys of requests that were carried out.

use std::collections::{BTreeMap, HashMap, VecDeque};

use app::Clock;
use serde_json::{Value, json};

use super::objects;
use super::server::Fault;
use super::shape::Shape;

/// An event, and whether the webhook has taken it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// As it was made: with the version of that time.
    pub(super) event: Value,
    pub(super) delivered: bool,
}

/// What a session will turn into.
#[derive(Debug, Clone)]
pub(super) struct Basket {
    pub(super) price: String,
    pub(super) metadata: Value,
}

/// The answer that a key has.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) body: Value,
}

/// An account at Stripe.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) clock: Clock,
    pub(super) shape: Shape,
    /// Where its own pages are.
    pub(super) url: String,
    objects: Vec<Value>,
    pub(super) told: Vec<Told>,
    pub(super) baskets: BTreeMap<String, Basket>,
    pub(super) keys: HashMap<String, Kept>,
    pub(super) requests: BTreeMap<String, u64>,
    pub(super) faults: VecDeque<Fault>,
    numbers: u64,
    /// Events that nobody has begun to deliver.
    pub(super) outbox: Vec<String>,
}

impl Account {
    /// An account with the catalogue's products and prices.
    pub(super) fn new(clock: Clock, url: String) -> Self {
        let now = clock.now().unix_seconds();
        let objects = objects::catalogue(now);
        Self {
            clock,
            shape: Shape::default(),
            url,
            objects,
            told: Vec::new(),
            baskets: BTreeMap::new(),
            keys: HashMap::new(),
            requests: BTreeMap::new(),
            faults: VecDeque::new(),
            // A fake that is started again goes on with other ids: those of before can be in a table that was kept.
            numbers: now.unsigned_abs() * 1_000,
            outbox: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().unix_seconds()
    }

    /// Does something in another shape: what it answers, and the events that it makes.
    pub(super) fn shaped<T>(&mut self, shape: Option<Shape>, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.shape;
        self.shape = shape.unwrap_or(before);
        let done = work(self);
        self.shape = before;
        done
    }

    /// A new id. Later ones are greater, which Stripe does not promise.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.numbers += 1;
        format!("{prefix}_fake{:014}", self.numbers)
    }

    /// The number in the last id.
    pub(super) fn number(&self) -> u64 {
        self.numbers
    }

    /// An object by id.
    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.objects.iter().find(|object| object["id"] == id)
    }

    /// Objects of a kind, newest first.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().rev().filter(move |object| object["object"] == kind)
    }

    /// Adds an object, or replaces the one with its id.
    pub(super) fn put(&mut self, object: Value) {
        match self.objects.iter_mut().find(|old| old["id"] == object["id"]) {
            Some(old) => *old = object,
            None => self.objects.push(object),
        }
    }

    /// Takes an object away.
    pub(super) fn remove(&mut self, id: &str) {
        self.objects.retain(|object| object["id"] != id);
    }

    /// Changes fields of an object, tells of it, and returns what they were before.
    pub(super) fn change(&mut self, id: &str, fields: &Value) -> Option<Value> {
        let object = self.objects.iter_mut().find(|object| object["id"] == id)?;
        let mut before = json!({});
        for (field, value) in fields.as_object().into_iter().flatten() {
            if object[field] != *value {
                before[field] = std::mem::replace(&mut object[field], value.clone());
            }
        }
        Some(before)
    }

    /// Makes an event about an object as it is now: its id.
    pub(super) fn tell(&mut self, kind: &str, object_id: &str, previous: Option<Value>) -> String {
        let object = self.get(object_id).map(|object| self.shape.show(object)).unwrap_or_default();
        self.tell_of(kind, &object, previous)
    }

    /// Makes an event about any object: its id.
    pub(super) fn tell_of(&mut self, kind: &str, object: &Value, previous: Option<Value>) -> String {
        let id = self.id("evt");
        let event = objects::event(&id, kind, self.shape.version(), object, previous, self.now());
        self.told.push(Told { event, delivered: false });
        self.outbox.push(id.clone());
        id
    }

    /// An event by id.
    pub(super) fn event(&self, id: &str) -> Option<&Value> {
        self.told.iter().map(|told| &told.event).find(|event| event["id"] == id)
    }
}

//! One delivery of an event, and what is kept of it.

use std::time::Instant;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use billing::{Event, Marker, Outcome};
use domain::Timestamp;

use super::{Alarm, AlarmKind, Settled};
use crate::item::{self, Item};
use crate::keys::{self, EXPIRES_AT, PACKED};
use crate::write_items::{delete_at, delete_if_there, put, put_new};
use crate::{StoreError, Table};

/// How long it is known that an event was handled, in seconds: 90 days. Stripe repeats one for at most 30.
const MARKER_SECONDS: i64 = 90 * 24 * 3600;
/// Bytes of a body in one item: an item holds 400 KB, so a body of 1 MiB takes four.
const PART_BYTES: usize = 300_000;

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Stripe delivered it.
    Webhook,
    /// Stripe's list of events has it.
    List,
    /// It was in quarantine, and somebody wants it to run again.
    Quarantine,
}

/// A verified event and the bytes it came as.
pub(super) struct Delivery<'a> {
    pub(super) event: &'a Event,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
    pub(super) until: Instant,
    pub(super) origin: Origin,
}

impl Delivery<'_> {
    pub(super) fn marker_key(&self) -> Item {
        item::key_of(keys::event(&self.event.id), keys::EVENT)
    }

    /// The marker that decides whether the event was handled. In quarantine it was not.
    pub(super) fn marker_found(&self, found: Option<&Item>) -> Result<Option<Marker>, StoreError> {
        match self.origin {
            Origin::Quarantine => Ok(None),
            Origin::Webhook | Origin::List => found.map(item::body).transpose(),
        }
    }

    pub(super) fn marker_of(&self, outcome: Outcome) -> Marker {
        Marker { event_type: self.event.event_type.clone(), fingerprint: self.event.fingerprint.clone(), outcome }
    }

    /// Marks the event as handled, on the condition that it is not yet; one in quarantine leaves it in the same transaction.
    pub(super) fn marker_writes(&self, table: &Table, marker: &Marker) -> Vec<TransactWriteItem> {
        match self.origin {
            Origin::Webhook => vec![put_new(table, self.marker(marker))],
            // The list's shape says nothing about the shape of a later delivery.
            Origin::List => vec![put_new(table, self.marker(&Marker { fingerprint: String::new(), ..marker.clone() }))],
            Origin::Quarantine => {
                let note = item::key_of(keys::QUARANTINE, &self.event.id);
                let mut writes = vec![put(table, self.marker(marker)), delete_if_there(table, note)];
                writes.extend(self.part_keys().map(|key| delete_at(table, key)));
                writes
            }
        }
    }

    pub(super) fn marker(&self, marker: &Marker) -> Item {
        self.expiring(item::bodied(self.marker_key(), marker))
    }

    fn part_keys(&self) -> impl Iterator<Item = Item> {
        let count = self.body.len().div_ceil(PART_BYTES);
        (0..count).map(|number| item::key_of(keys::event(&self.event.id), &keys::event_body(number)))
    }

    /// The body, in as many items as hold it.
    pub(super) fn parts(&self) -> impl Iterator<Item = Item> {
        self.part_keys().zip(self.body.chunks(PART_BYTES)).map(|(mut item, part)| {
            item.insert(PACKED.to_owned(), AttributeValue::B(Blob::new(part)));
            self.expiring(item)
        })
    }

    pub(super) fn expiring(&self, mut item: Item) -> Item {
        item.insert(EXPIRES_AT.to_owned(), item::number(self.now.unix_seconds() + MARKER_SECONDS));
        item
    }

    pub(super) fn duplicate(&self, altered: bool) -> Settled {
        let alarm = altered.then(|| Alarm { kind: AlarmKind::Altered, text: "another event came under the same id".to_owned() });
        // Stripe's list and its deliveries may differ in shape.
        let alarm = alarm.filter(|_| self.origin == Origin::Webhook);
        Settled { alarms: alarm.into_iter().collect(), ..Settled::of(Outcome::Duplicate) }
    }
}

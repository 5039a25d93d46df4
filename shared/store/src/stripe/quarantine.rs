//! Events that no repetition can mend: kept for a person to look at, and run again when what was wrong is mended.

use std::time::Instant;

use billing::{Event, Marker, Outcome, Quarantine};
use domain::{Plans, Timestamp};
use serde_json::json;

use super::delivery::{Delivery, Origin};
use super::{Alarm, AlarmKind, Settled};
use crate::calls::{Index, Range, pause};
use crate::item;
use crate::keys;
use crate::write_items::{put, put_new};
use crate::{StoreError, Table};

/// What became of a quarantined event that was to run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reprocessed {
    /// It has left the quarantine.
    Done(Settled),
    /// It still cannot be applied: why.
    Kept(String),
    /// No such event is in quarantine, or no longer.
    NotThere,
}

impl Table {
    /// Keeps an event that no repetition can mend.
    pub(super) async fn try_quarantine(&self, delivery: &Delivery<'_>, reason: &Quarantine) -> Result<Settled, StoreError> {
        let event = delivery.event;
        let kind = if *reason == Quarantine::LinkedToAnother { AlarmKind::LinkConflict } else { AlarmKind::Quarantined };
        let kept = Settled { alarms: vec![Alarm { kind, text: reason.to_string() }], ..Settled::of(Outcome::Parked) };
        if delivery.origin == Origin::Quarantine {
            return Ok(kept);
        }
        let found = self.get(delivery.marker_key()).await?;
        if let Some(marker) = found.as_ref().map(item::body::<Marker>).transpose()? {
            return Ok(delivery.duplicate(marker.is_altered(&event.fingerprint)));
        }
        let marker = delivery.marker_of(Outcome::Parked);
        let note = json!({"eventType": event.event_type, "reason": reason.to_string(), "at": delivery.now});
        let mut items = vec![put_new(self, delivery.marker(&marker))];
        items.push(put(self, delivery.expiring(item::bodied(item::key_of(keys::QUARANTINE, &event.id), &note))));
        items.extend(delivery.parts().map(|part| put(self, part)));
        self.commit(items, delivery.until).await?;
        Ok(kept)
    }

    /// Runs a quarantined event again, once however often it is asked for: its effect and its leaving are one transaction.
    ///
    /// # Errors
    /// As [`Table::stripe_event`].
    pub async fn reprocess(&self, id: &str, live: bool, plans: &Plans, now: Timestamp) -> Result<Reprocessed, StoreError> {
        let until = Instant::now() + self.retry_for;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.try_reprocess(id, live, plans, now).await {
                Err(error) if error.is_transient() && Instant::now() < until => pause(attempt).await,
                done => return done,
            }
        }
    }

    async fn try_reprocess(&self, id: &str, live: bool, plans: &Plans, now: Timestamp) -> Result<Reprocessed, StoreError> {
        if self.get(item::key_of(keys::QUARANTINE, id)).await?.is_none() {
            return Ok(Reprocessed::NotThere);
        }
        let body = self.kept_body(id).await?;
        let event = Event::parse(&body).map_err(|malformed| StoreError::malformed(keys::event(id), malformed))?;
        // Elsewhere such an event is ignored; but it was put here where the mode was its own.
        if !event.is_of_mode(live) {
            return Ok(Reprocessed::Kept(format!("it is of Stripe's other mode, and STRIPE_LIVE says {live} here")));
        }
        let delivery = self.delivery(&event, &body, now, Origin::Quarantine);
        let settled = self.try_event(&delivery, &event.work(live), plans).await?;
        let kept = settled.alarms.iter().find(|alarm| matches!(alarm.kind, AlarmKind::Quarantined | AlarmKind::LinkConflict));
        Ok(match kept {
            Some(alarm) => Reprocessed::Kept(alarm.text.clone()),
            None => Reprocessed::Done(settled),
        })
    }

    /// The bytes of an event that is kept.
    pub(super) async fn kept_body(&self, id: &str) -> Result<Vec<u8>, StoreError> {
        let (from, until) = keys::EVENT_BODIES;
        let pk = keys::event(id);
        let range = Range { index: Index::Table, pk, from: from.to_owned(), until: until.to_owned(), descending: false, limit: None };
        let mut body = Vec::new();
        for part in self.query(range).await? {
            body.extend_from_slice(item::bytes(&part)?);
        }
        Ok(body)
    }
}

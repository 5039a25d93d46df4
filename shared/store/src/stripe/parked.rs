//! Thin events: they name an object, and Stripe has to be asked for it.

use std::time::Instant;

use billing::{Decision, Event, Marker, Outcome, Related};
use domain::Timestamp;

use super::Settled;
use super::delivery::{Delivery, Origin};
use crate::item;
use crate::keys::{self, NEEDS_REFRESH};
use crate::write_items::{put, put_if_marked, put_new};
use crate::{StoreError, Table};

impl Table {
    /// Keeps an event that only Stripe can complete. If its object is of a kind that we know, the stream has it asked for.
    pub(super) async fn try_park(&self, delivery: &Delivery<'_>) -> Result<Settled, StoreError> {
        let found = self.get(delivery.marker_key()).await?;
        match delivery.event.park(delivery.marker_found(found.as_ref())?.as_ref()) {
            Decision::Write(writes) if delivery.origin == Origin::Quarantine => {
                self.commit(delivery.marker_writes(self, &writes.marker), delivery.until).await?;
                Ok(Settled::of(writes.outcome))
            }
            Decision::Write(writes) => {
                let asked_for = delivery.event.related().is_some_and(Related::is_mirrored);
                let mut items = vec![put_new(self, item::marked(delivery.marker(&writes.marker), asked_for))];
                items.extend(delivery.parts().map(|part| put(self, part)));
                self.commit(items, delivery.until).await?;
                Ok(Settled::of(writes.outcome))
            }
            Decision::Duplicate { altered } => Ok(delivery.duplicate(altered)),
            Decision::Quarantine(reason) => self.try_quarantine(delivery, &reason).await,
        }
    }

    /// The object that a parked event waits for; nothing when it waits no longer.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn parked(&self, event: &str) -> Result<Option<Related>, StoreError> {
        let marker = self.get(item::key_of(keys::event(event), keys::EVENT)).await?;
        if !marker.is_some_and(|marker| marker.contains_key(NEEDS_REFRESH)) {
            return Ok(None);
        }
        let body = self.kept_body(event).await?;
        let parsed = Event::parse(&body).map_err(|malformed| StoreError::malformed(keys::event(event), malformed))?;
        Ok(parsed.related().cloned())
    }

    /// Says what became of a parked event. Saying it again changes nothing.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unpark(&self, event: &str, outcome: Outcome, now: Timestamp) -> Result<(), StoreError> {
        let until = Instant::now() + self.retry_for;
        let Some(stored) = self.get(item::key_of(keys::event(event), keys::EVENT)).await? else { return Ok(()) };
        if item::expired(&stored, now) || !stored.contains_key(NEEDS_REFRESH) {
            return Ok(());
        }
        let marker = Marker { outcome, ..item::body(&stored)? };
        let mut done = item::bodied(item::key_of(keys::event(event), keys::EVENT), &marker);
        done.extend(stored.get(keys::EXPIRES_AT).map(|at| (keys::EXPIRES_AT.to_owned(), at.clone())));
        match self.commit(vec![put_if_marked(self, done)], until).await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            result => result,
        }
    }
}

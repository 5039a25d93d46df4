//! The identity provider's keys: read in init, and again at most once a minute when a token names a key that is not known here. One function
//! of its own fetches them from the provider and stores them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::Timestamp;
use serde_json::value::RawValue;
use web::BoxError;
use web::auth::{KeySet, publishable};

use crate::{App, Handled};

/// Time between two tries, because anybody can name a key that is not there.
const PAUSE: Duration = Duration::from_secs(60);
/// The same while there is no key at all, and nobody can be let in.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// Time that reading them may take.
const BUDGET: Duration = Duration::from_millis(300);

/// When the keys were asked for last.
#[derive(Debug)]
pub(crate) struct LastAsked(AtomicI64);

impl LastAsked {
    /// Never.
    pub(crate) fn never() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Whether they may be asked for now; if so, this counts as asking.
    fn due(&self, now: Timestamp, pause: Duration) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let due = last.saturating_add(pause) <= now.ms() || last > now.ms();
        due && self.0.compare_exchange(last, now.ms(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Where an identity provider publishes its keys.
pub trait KeySource: Send + Sync {
    /// The JWKS document as it is published now.
    fn fetch(&self) -> Handled<'_, Result<String, BoxError>>;
}

/// What became of a published key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It is another one than before, and stored.
    Stored,
    /// It is the stored one.
    Unchanged,
}

impl App {
    /// Fetches the identity provider's keys and stores them if they are others than before.
    ///
    /// # Errors
    /// When they cannot be fetched, are no usable set or cannot be stored: the stored set stays.
    pub async fn publish_keys(&self, source: &dyn KeySource) -> Result<Refreshed, BoxError> {
        let set = publishable(&source.fetch().await?)?;
        if self.table.jwks().await?.as_ref() == Some(&set) {
            return Ok(Refreshed::Unchanged);
        }
        self.table.put_jwks(&RawValue::from_string(set)?).await?;
        Ok(Refreshed::Stored)
    }

    /// Reads the stored keys if that is due. The last good set stays when they cannot be read.
    pub(crate) async fn refresh_keys(&self, now: Timestamp) {
        let pause = if self.edge.has_keys() { PAUSE } else { PAUSE_WITHOUT_KEYS };
        if !self.edge.needs_keys() || !self.keys_asked.due(now, pause) {
            return;
        }
        let read = tokio::time::timeout(BUDGET, Box::pin(self.table.jwks())).await;
        let read = read.map_err(Into::into).and_then(|read| read.map_err(BoxError::from));
        let keys = read.and_then(|text| KeySet::from_json(&text.ok_or("there are none in the table")?));
        let _ = keys
            .as_ref()
            .inspect_err(|error| tracing::warn!(%error, "the identity provider's keys cannot be read: the last known ones serve"));
        self.edge.set_keys(keys.ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_once_a_minute_and_again_after_the_clock_was_set_back() {
        let asked = LastAsked::never();
        for (ms, due) in [(5_000, true), (5_000, false), (64_999, false), (65_000, true), (1_000, true), (2_000, false)] {
            assert_eq!(asked.due(Timestamp::from_ms(ms), PAUSE), due, "{ms}");
        }
    }
}

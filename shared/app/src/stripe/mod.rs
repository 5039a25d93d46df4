//! Stripe's webhook: check, decide and commit, invalidate, acknowledge. What is acknowledged is durable.

mod alarms;
mod backfill;
mod reconcile;
mod refetch;
mod stream;

use std::time::Instant;

use billing::signature::{Secrets, verify};
use billing::{Event, Outcome};
use serde::Serialize;
use serde_json::json;
use store::{Reprocessed, Settled, StoreError};
use web::{ApiError, BoxError, ConfigError, Request, Response};

use crate::errors::of_store;
use crate::{App, body};
use alarms::Watched;

pub use backfill::{Backfill, Backfilled};
pub use reconcile::{Found as Reconciled, Job};

/// How Stripe's events are checked.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// `STRIPE_WEBHOOK_SECRETS`: signing secrets separated by commas, several while one is rotated. No default.
    secrets: Secrets,
    /// `STRIPE_LIVE`: `true` in Stripe's live mode, `false` (default) in test mode. Events of the other mode are ignored.
    live: bool,
}

impl StripeConfig {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let unusable = |_| ConfigError { variable: "STRIPE_WEBHOOK_SECRETS", problem: "is no comma list of non-empty secrets" };
        let secrets = Secrets::parse(&lookup("STRIPE_WEBHOOK_SECRETS").unwrap_or_default()).map_err(unusable)?;
        Ok(Self { secrets, live: live_mode(lookup)? })
    }

    /// The deployment's mode.
    pub(crate) fn live(&self) -> bool {
        self.live
    }
}

/// Reads `STRIPE_LIVE` through `lookup`.
///
/// # Errors
/// [`ConfigError`] when it is neither `true` nor `false`.
pub fn live_mode(lookup: &dyn Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
    match lookup("STRIPE_LIVE").as_deref() {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ConfigError { variable: "STRIPE_LIVE", problem: "is neither true nor false" }),
    }
}

/// What Stripe is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledged<'a> {
    received: bool,
    outcome: Outcome,
    message: &'static str,
    event_id: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
    processing_time_ms: u64,
}

impl App {
    /// Takes an event of Stripe.
    ///
    /// # Errors
    /// `400` for a missing or bad signature, or signed bytes that are no event; `503` when the table stays unavailable; `500` without
    /// signing secrets, or when a stored item does not decode.
    pub async fn stripe_event(&self, request: &Request) -> Result<Response, ApiError> {
        let started = Instant::now();
        let config = self.stripe.as_ref().ok_or_else(|| ApiError::Internal("no signing secrets are set".into()))?;
        let header = request.header("stripe-signature").ok_or_else(|| refused("Missing stripe-signature header"))?;
        verify(&config.secrets, header, request.body(), request.now().unix_seconds()).map_err(|_| refused("Invalid webhook signature"))?;
        let event = Event::parse(request.body()).map_err(|_| refused("Invalid webhook signature"))?;

        let plans = self.plans(request.now()).await;
        let settled = match self.table.stripe_event(&event, request.body(), config.live, &plans, request.now()).await {
            Ok(settled) => settled,
            Err(error) if error.is_transient() => return Err(of_store(error)),
            Err(error) => return Ok(failed(&event, &error)),
        };
        self.note(&event, &settled);
        self.show(&settled).await;
        let acknowledged = Acknowledged {
            received: true,
            outcome: settled.outcome,
            message: settled.message,
            event_id: &event.id,
            duplicate: settled.outcome == Outcome::Duplicate,
            processing_time_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        Ok(Response::json(200, body::fields(&acknowledged)))
    }
}

impl App {
    /// Runs a quarantined event again, once however often it is asked for.
    ///
    /// # Errors
    /// When the table fails, or the stored event does not decode.
    pub async fn reprocess(&self, event: &str) -> Result<Reprocessed, BoxError> {
        let now = self.clock.now();
        let plans = self.plans(now).await;
        let reprocessed = self.table.reprocess(event, self.stripe_live, &plans, now).await?;
        match &reprocessed {
            Reprocessed::Done(settled) => {
                tracing::info!(event_id = event, outcome = ?settled.outcome, "quarantined event applied");
                self.show(settled).await;
            }
            Reprocessed::Kept(reason) => tracing::warn!(event_id = event, reason, "the event stays in quarantine"),
            Reprocessed::NotThere => tracing::info!(event_id = event, "no such event is in quarantine"),
        }
        Ok(reprocessed)
    }

    /// Logs what became of an event: never its content.
    fn note(&self, event: &Event, settled: &Settled) {
        let (event_id, event_type, outcome) = (event.id.as_str(), event.event_type.as_str(), settled.outcome);
        tracing::info!(event_id, event_type, ?outcome, "stripe event settled");
        if outcome == Outcome::Ignored {
            self.count(Watched::Ignored);
        }
        for alarm in &settled.alarms {
            let (kind, text) = (alarm.kind, alarm.text.as_str());
            tracing::error!(event_id, event_type, ?kind, alarm = text, "stripe event needs a person");
            self.count(Watched::Alarm(kind));
        }
    }

    /// Makes what an event changed known.
    pub(crate) async fn show(&self, settled: &Settled) {
        if settled.plans_changed && !self.plans_changed().await {
            tracing::warn!("the cache did not acknowledge another catalogue: the stream will repeat it");
        }
        if let Some((user, rev)) = &settled.shown {
            self.bump(user, *rev).await;
        }
    }
}

fn refused(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}

/// A fault that the webhook's own answer tells of: Stripe shows it beside the event, and delivers again.
fn failed(event: &Event, error: &StoreError) -> Response {
    let (event_id, cause) = (event.id.as_str(), error as &(dyn std::error::Error + 'static));
    tracing::error!(event_id, cause, "stripe event failed");
    Response::json(500, json!({"success": false, "error": "Webhook processing failed", "eventId": event_id}).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(secrets: Option<&str>, live: Option<&str>) -> Result<bool, String> {
        let lookup = |variable: &str| match variable {
            "STRIPE_WEBHOOK_SECRETS" => secrets.map(str::to_owned),
            "STRIPE_LIVE" => live.map(str::to_owned),
            _ => None,
        };
        StripeConfig::from_lookup(&lookup).map(|config| config.live).map_err(|error| error.to_string())
    }

    #[test]
    fn a_webhook_without_usable_secrets_does_not_start() {
        for list in [None, Some(""), Some(" "), Some("whsec_a,"), Some("whsec_a,,whsec_b")] {
            assert_eq!(read(list, None).unwrap_err(), "STRIPE_WEBHOOK_SECRETS: is no comma list of non-empty secrets", "{list:?}");
        }
        assert_eq!(read(Some("whsec_a , whsec_b"), None), Ok(false));
    }

    #[test]
    fn live_mode_is_asked_for_by_its_word() {
        assert_eq!(read(Some("whsec_a"), Some("true")), Ok(true));
        assert_eq!(read(Some("whsec_a"), Some("false")), Ok(false));
        assert_eq!(read(Some("whsec_a"), Some("1")).unwrap_err(), "STRIPE_LIVE: is neither true nor false");
    }
}

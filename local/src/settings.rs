//! What the process reads from its environment, with the documented defaults of a laptop (D23).

use app::metrics::Metrics;
use app::{Auditor, Clock, StripeConfig};
use billing::signature::Secrets;
use domain::Timestamp;
use web::edge::EdgeConfig;

use crate::failure::Failure;

/// Secret of the tokens when `JWT_SECRET` is not set. Everybody knows it: the server listens on loopback only.
pub const DEVELOPMENT_SECRET: &str = "callsheets-local-development-secret-0000";

/// Signing secret of Stripe's events when `STRIPE_WEBHOOK_SECRETS` is not set.
pub const DEVELOPMENT_WEBHOOK_SECRET: &str = "whsec_callsheets_local_development";

/// The environment, with defaults: `JWT_SECRET` is [`DEVELOPMENT_SECRET`], `STRIPE_WEBHOOK_SECRETS` [`DEVELOPMENT_WEBHOOK_SECRET`], and `STAGE` is `local`, so every localhost origin may call. `RATE_LIMITS` is `off` (D22), and so is `METRICS`.
#[must_use]
pub fn lookup(variable: &str) -> Option<String> {
    let given = std::env::var(variable).ok().filter(|value| !value.is_empty());
    given.or_else(|| match variable {
        "JWT_SECRET" => Some(DEVELOPMENT_SECRET.to_owned()),
        "STRIPE_WEBHOOK_SECRETS" => Some(DEVELOPMENT_WEBHOOK_SECRET.to_owned()),
        "STAGE" => Some("local".to_owned()),
        "RATE_LIMITS" | "METRICS" => Some("off".to_owned()),
        _ => None,
    })
}

/// Settings of the edge.
///
/// # Errors
/// [`Failure::Usage`] naming the variable that cannot be used.
pub fn edge() -> Result<EdgeConfig, Failure> {
    EdgeConfig::from_lookup(&lookup).map_err(|error| Failure::Usage(error.to_string()))
}

/// Where metrics go, and which hits of the cache are looked behind.
///
/// # Errors
/// [`Failure::Usage`] naming the variable that cannot be used.
pub fn observation() -> Result<(Metrics, Auditor), Failure> {
    let usage = |error: web::ConfigError| Failure::Usage(error.to_string());
    Ok((Metrics::from_lookup(&lookup).map_err(usage)?, Auditor::from_lookup(&lookup).map_err(usage)?))
}

/// How Stripe's events are checked.
///
/// # Errors
/// [`Failure::Usage`] naming the variable that cannot be used.
pub fn stripe() -> Result<StripeConfig, Failure> {
    StripeConfig::from_lookup(&lookup).map_err(|error| Failure::Usage(error.to_string()))
}

/// Stripe, if `STRIPE_SECRET_KEY` says which.
///
/// # Errors
/// [`Failure::Usage`] naming the variable that cannot be used.
pub fn stripe_client() -> Result<Option<stripe_client::Client>, Failure> {
    if lookup("STRIPE_SECRET_KEY").is_none() {
        return Ok(None);
    }
    let config = stripe_client::Config::from_lookup(&lookup).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Some(stripe_client::Client::new(&config)))
}

/// The signing secrets of Stripe's events; the first one signs.
///
/// # Errors
/// [`Failure::Usage`] when they cannot be used.
pub fn webhook_secrets() -> Result<Secrets, Failure> {
    let list = lookup("STRIPE_WEBHOOK_SECRETS").unwrap_or_default();
    Secrets::parse(&list).map_err(|_| Failure::Usage("STRIPE_WEBHOOK_SECRETS: is no comma list of non-empty secrets".to_owned()))
}

/// The clock: the system's, or one that stands still.
#[must_use]
pub fn clock(now: Option<Timestamp>) -> Clock {
    now.map_or(Clock::System, Clock::frozen)
}

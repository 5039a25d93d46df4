//! Where Stripe is and who asks.

use std::net::Ipv4Addr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// Stripe's own address.
const STRIPE: &str = "https://api.stripe.com";
/// Longest single attempt. Stripe answers a checkout session in one to two seconds.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(6);
/// Pause before the first repetition; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// A setting that is missing or unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong with its value; never the value itself.
    pub problem: &'static str,
}

/// How Stripe is called.
#[derive(Debug, Clone)]
pub struct Config {
    /// `STRIPE_SECRET_KEY`: a secret or restricted key. No default.
    pub(crate) key: SecretString,
    /// `STRIPE_API_URL`: another server than Stripe's, without a path: `https://`, or `http://` on this machine (with a test key also at a
    /// private address); default `https://api.stripe.com`.
    pub(crate) url: String,
    /// Longest single attempt.
    pub(crate) attempt_time_max: Duration,
    /// Pause before the first repetition.
    pub(crate) pause: Duration,
}

impl Config {
    /// Reads the settings through `lookup`: beside the two of this crate `STAGE` and `STRIPE_LIVE`, which the key has to fit. A live key
    /// needs the stage `production` and `STRIPE_LIVE=true`; a test key needs neither.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = |variable| lookup(variable).filter(|value| !value.is_empty());
        let of_key = |problem| ConfigError { variable: "STRIPE_SECRET_KEY", problem };
        let key = given("STRIPE_SECRET_KEY").ok_or(of_key("is not set"))?;
        if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(of_key("has characters that no key has"));
        }
        let live = is_live(&key).ok_or(of_key("is no secret key (sk_live_.., sk_test_.., rk_live_.., rk_test_..)"))?;
        // A forgotten STAGE is taken for production, as everywhere.
        let is_production = given("STAGE").is_none_or(|stage| matches!(stage.to_ascii_lowercase().as_str(), "production" | "prod"));
        if live != is_production {
            return Err(of_key("does not fit STAGE: live keys are for production, test keys for every other stage"));
        }
        if live != (given("STRIPE_LIVE").as_deref() == Some("true")) {
            return Err(of_key("does not fit STRIPE_LIVE"));
        }
        let url = given("STRIPE_API_URL").unwrap_or_else(|| STRIPE.to_owned());
        Ok(Self { key: key.into(), url: server(&url, live)?, attempt_time_max: ATTEMPT_TIME_MAX, pause: PAUSE })
    }

    /// Sets the longest single attempt and the pause before the first repetition.
    #[must_use]
    pub fn with_times(self, attempt_time_max: Duration, pause: Duration) -> Self {
        Self { attempt_time_max, pause, ..self }
    }

    pub(crate) fn authorization(&self) -> http::HeaderValue {
        let text = format!("Bearer {}", self.key.expose_secret());
        let mut value = http::HeaderValue::from_str(&text).expect("a key is of letters, digits and underscores");
        value.set_sensitive(true);
        value
    }
}

/// Whether a key is of live mode; nothing when it is no secret key.
fn is_live(key: &str) -> Option<bool> {
    let rest = key.strip_prefix("sk_").or_else(|| key.strip_prefix("rk_"))?;
    let of = |mode| rest.strip_prefix(mode).is_some_and(|secret: &str| !secret.is_empty());
    match (of("live_"), of("test_")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The server of a URL, without a slash at its end. Plain `http` is for this machine only, because the key would go over the wire; a test key
/// may also go to a private address, as from a container to the machine that it runs on.
fn server(url: &str, live: bool) -> Result<String, ConfigError> {
    let unusable = |problem| ConfigError { variable: "STRIPE_API_URL", problem };
    let uri: http::Uri = url.parse().map_err(|_| unusable("is no URL"))?;
    let host = uri.host().ok_or(unusable("is no http:// or https:// URL"))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if matches!(host, "localhost" | "127.0.0.1" | "[::1]") => {}
        Some("http") if !live && host.parse().is_ok_and(|address: Ipv4Addr| address.is_private()) => {}
        Some("http") => return Err(unusable("is not encrypted and not of this machine")),
        _ => return Err(unusable("is no http:// or https:// URL")),
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(unusable("has a path"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, stage: &str, live: &str, url: &str) -> Result<Config, String> {
        let lookup = |variable: &str| match variable {
            "STRIPE_SECRET_KEY" => Some(key.to_owned()),
            "STAGE" => Some(stage.to_owned()),
            "STRIPE_LIVE" => Some(live.to_owned()),
            "STRIPE_API_URL" => Some(url.to_owned()),
            _ => None,
        };
        Config::from_lookup(&lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_fits_its_stage_or_nothing_starts() {
        for (key, stage, live) in
            [("sk_live_1", "production", "true"), ("rk_live_1", "", "true"), ("sk_test_1", "staging", "false"), ("rk_test_1", "local", "")]
        {
            assert!(read(key, stage, live, "").is_ok(), "{key} {stage} {live}");
        }
        for (key, stage, live) in [
            ("sk_live_1", "staging", "true"),
            ("sk_live_1", "production", "false"),
            ("sk_test_1", "production", "false"),
            ("sk_test_1", "", ""),
            ("sk_test_1", "staging", "true"),
        ] {
            let problem = read(key, stage, live, "").unwrap_err();
            assert!(problem.starts_with("STRIPE_SECRET_KEY: does not fit S"), "{key} {stage} {live}: {problem}");
        }
    }

    #[test]
    fn what_is_no_secret_key_is_refused_without_repeating_it() {
        for (key, secret) in [
            ("", None),
            ("sk_test_", None),
            ("pk_test_hidden", Some("hidden")),
            ("sk_hidden", Some("hidden")),
            ("whsec_hidden", Some("hidden")),
            ("sk_test_hid den", Some("den")),
            ("sk_test_hid\nden", Some("den")),
        ] {
            let problem = read(key, "local", "", "").unwrap_err();
            assert!(problem.starts_with("STRIPE_SECRET_KEY: "), "{problem}");
            assert!(secret.is_none_or(|secret| !problem.contains(secret)), "{problem}");
        }
        let config = read("sk_test_hidden", "local", "", "").unwrap();
        assert!(!format!("{config:?} {:?}", config.authorization()).contains("hidden"));
    }

    #[test]
    fn the_key_is_sent_encrypted_or_to_this_machine() {
        for (url, kept) in [
            ("", "https://api.stripe.com"),
            ("http://127.0.0.1:4242/", "http://127.0.0.1:4242"),
            ("http://172.17.0.1:4242", "http://172.17.0.1:4242"),
            ("https://proxy.example.test", "https://proxy.example.test"),
        ] {
            assert_eq!(read("sk_test_1", "local", "", url).unwrap().url, kept);
        }
        for url in ["http://stripe.example.test", "ftp://127.0.0.1", "127.0.0.1:1", "https://a.test/v1", "https://a.test/?x", "http://"] {
            assert!(read("sk_test_1", "local", "", url).unwrap_err().starts_with("STRIPE_API_URL: "), "{url}");
        }
        assert!(read("sk_test_1", "local", "", "http://8.8.8.8").unwrap_err().ends_with("is not encrypted and not of this machine"));
        assert!(read("sk_live_1", "production", "true", "http://172.17.0.1").unwrap_err().starts_with("STRIPE_API_URL: "));
    }
}

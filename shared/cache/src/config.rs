//! Where the cache is and how to log in, read once in init (docs/runbook.md).

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use secrecy::SecretString;

use crate::coherent::Settings;

const BYTES_PER_MB: usize = 1 << 20;
/// Longest window of the in-process tier: it is a promise about staleness.
const WINDOW_MS_MAX: u64 = 10_000;

/// A setting that is missing or unusable. The text names the variable, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Settings of the cache.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where it is; `None` for no cache.
    pub place: Option<Place>,
    /// How to log in; `None` as the URL says.
    pub iam: Option<Iam>,
    /// `CACHE_CA_PEM`: the only certificate authority to trust, as PEM text; by default the public ones.
    pub ca_pem: Option<String>,
    /// `CACHE_PROCESS_WINDOW_MS` (0 to 10000, default 0) and `CACHE_PROCESS_MB` (0 to 1024, default 4): the in-process tier.
    pub settings: Settings,
}

/// Where a cache is.
#[derive(Clone)]
pub enum Place {
    /// `CACHE_URL`: `redis://` or `rediss://`, with or without a password.
    Url(SecretString),
    /// `CACHE_NAME`: an ElastiCache Serverless cache or a replication group, whose endpoint is looked up.
    Name(String, Aws),
}

/// `CACHE_AUTH=iam`: logs in with the credentials that Lambda has.
#[derive(Debug, Clone)]
pub struct Iam {
    /// `CACHE_USER`: the cache's user.
    pub user: String,
    /// `CACHE_NAME`: what the signature is for.
    pub name: String,
    /// `CACHE_SERVERLESS` (default `true`): whether the cache is a serverless one.
    pub serverless: bool,
    /// Who signs.
    pub aws: Aws,
}

/// The account, as Lambda's environment names it.
#[derive(Debug, Clone)]
pub struct Aws {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    pub credentials: Credentials,
    /// `AWS_ENDPOINT_URL_ELASTICACHE`: another address of the service; by default the region's.
    pub endpoint: Option<String>,
}

impl Config {
    /// Reads the settings through `lookup`. Without `CACHE_URL` and `CACHE_NAME` there is no cache.
    ///
    /// # Errors
    /// Names the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |variable: &str| lookup(variable).filter(|value| !value.is_empty());
        let place = match (get("CACHE_URL"), get("CACHE_NAME")) {
            (Some(url), _) => {
                Some(Place::url(&url).ok_or(ConfigError { variable: "CACHE_URL", problem: "is no redis:// or rediss:// URL" })?)
            }
            (None, Some(name)) => Some(Place::Name(name, Aws::from_lookup(&get)?)),
            (None, None) => None,
        };
        let iam = match get("CACHE_AUTH").as_deref() {
            None | Some("password") => None,
            // Without a cache there is nothing to log in to: a function that has none need not unset how.
            Some("iam") if place.is_none() => None,
            Some("iam") => Some(Iam::from_lookup(&get)?),
            Some(_) => return Err(ConfigError { variable: "CACHE_AUTH", problem: "is neither password nor iam" }),
        };
        let window_ms = number(&get, "CACHE_PROCESS_WINDOW_MS", 0, WINDOW_MS_MAX)?;
        let process_mb = number(&get, "CACHE_PROCESS_MB", 4, 1_024)?;
        let settings = Settings {
            process_window: Duration::from_millis(window_ms),
            process_bytes_max: usize::try_from(process_mb).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_MB),
            ..Settings::default()
        };
        Ok(Self { place, iam, ca_pem: get("CACHE_CA_PEM"), settings })
    }
}

impl Place {
    /// A place by its address; `None` when the text is no such URL.
    #[must_use]
    pub fn url(url: &str) -> Option<Self> {
        let scheme = ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
        (scheme && redis::Client::open(url).is_ok()).then(|| Self::Url(url.into()))
    }
}

impl Iam {
    fn from_lookup(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let need = |variable| get(variable).ok_or(ConfigError { variable, problem: "is needed for CACHE_AUTH=iam" });
        let serverless = match get("CACHE_SERVERLESS").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(ConfigError { variable: "CACHE_SERVERLESS", problem: "is neither true nor false" }),
        };
        Ok(Self { user: need("CACHE_USER")?, name: need("CACHE_NAME")?, serverless, aws: Aws::from_lookup(get)? })
    }
}

impl Aws {
    fn from_lookup(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let need = |variable| get(variable).ok_or(ConfigError { variable, problem: "is needed to find the cache or to log in" });
        let (key_id, secret) = (need("AWS_ACCESS_KEY_ID")?, need("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(key_id, secret, get("AWS_SESSION_TOKEN"), None, "environment");
        Ok(Self { region: need("AWS_REGION")?, credentials, endpoint: get("AWS_ENDPOINT_URL_ELASTICACHE") })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => f.write_str("Url(..)"),
            Self::Name(name, aws) => f.debug_tuple("Name").field(name).field(aws).finish(),
        }
    }
}

fn number(get: &dyn Fn(&str) -> Option<String>, variable: &'static str, default: u64, max: u64) -> Result<u64, ConfigError> {
    let Some(text) = get(variable) else { return Ok(default) };
    text.parse().ok().filter(|value| *value <= max).ok_or(ConfigError { variable, problem: "is no number or too large" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(&|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const AWS: [(&str, &str); 3] = [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hush")];

    #[test]
    fn nothing_set_is_no_cache() {
        let config = read(&[("CACHE_URL", ""), ("CACHE_NAME", ""), ("CACHE_AUTH", "iam"), ("CACHE_USER", "u")]).unwrap();
        assert!(config.place.is_none() && config.iam.is_none());
    }

    #[test]
    fn a_bad_setting_names_its_variable_and_never_its_value() {
        for (variable, value) in [
            ("CACHE_URL", "http://secret"),
            ("CACHE_URL", "redis://[secret"),
            ("CACHE_AUTH", "secret"),
            ("CACHE_PROCESS_WINDOW_MS", "10001"),
            ("CACHE_PROCESS_MB", "secret"),
        ] {
            let error = read(&[(variable, value)]).unwrap_err().to_string();
            assert!(error.starts_with(variable) && !error.contains("secret"), "{error}");
        }
        assert_eq!(read(&[("CACHE_URL", "rediss://h"), ("CACHE_AUTH", "iam")]).unwrap_err().variable, "CACHE_USER");
        assert_eq!(read(&[("CACHE_NAME", "c")]).unwrap_err().variable, "AWS_ACCESS_KEY_ID");
        let iam = [&AWS[..], &[("CACHE_AUTH", "iam"), ("CACHE_USER", "u"), ("CACHE_NAME", "c"), ("CACHE_SERVERLESS", "no")]].concat();
        assert_eq!(read(&iam).unwrap_err().variable, "CACHE_SERVERLESS");
    }

    #[test]
    fn settings_do_not_print_secrets() {
        let config = read(
            &[&AWS[..], &[("CACHE_URL", "rediss://u:hush@h"), ("CACHE_AUTH", "iam"), ("CACHE_USER", "u"), ("CACHE_NAME", "c")]].concat(),
        );
        let text = format!("{:?}", config.unwrap());
        assert!(!text.contains("hush"), "{text}");
    }
}

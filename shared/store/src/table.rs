//! The table: its settings and its client.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};

use crate::meter::Meter;

/// Certificates of Amazon's four root authorities. Reading the system's hundreds costs 3 ms of every cold start.
/// Source: https://www.amazontrust.com/repository/
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");
/// How long a change is tried again after conflicts and throttling.
const RETRY_FOR: Duration = Duration::from_secs(5);
/// Attempts of one call. A change is repeated as a whole besides.
const ATTEMPTS: u32 = 3;

/// Where the table is and who asks.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// `TABLE_NAME`: name of the table. No default.
    pub name: String,
    /// `AWS_REGION`: set by Lambda; default `us-east-1`.
    pub region: String,
    /// `TABLE_ENDPOINT`: URL of another server than AWS's; default none.
    pub endpoint: Option<String>,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`: set by Lambda for the life of the environment.
    pub credentials: Credentials,
    /// `TABLE_ROOTS`: `amazon` (default) trusts Amazon's own certificates only, `system` those of the machine.
    pub system_roots: bool,
}

/// A setting of the table that is missing or unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct TableConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl TableConfig {
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// [`TableConfigError`] naming the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, TableConfigError> {
        let need =
            |variable| lookup(variable).filter(|value| !value.is_empty()).ok_or(TableConfigError { variable, problem: "is not set" });
        let system_roots = match lookup("TABLE_ROOTS").as_deref() {
            None | Some("" | "amazon") => false,
            Some("system") => true,
            Some(_) => return Err(TableConfigError { variable: "TABLE_ROOTS", problem: "is neither amazon nor system" }),
        };
        Ok(Self {
            name: need("TABLE_NAME")?,
            region: lookup("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()),
            endpoint: lookup("TABLE_ENDPOINT").filter(|url| !url.is_empty()),
            credentials: Credentials::new(
                need("AWS_ACCESS_KEY_ID")?,
                need("AWS_SECRET_ACCESS_KEY")?,
                lookup("AWS_SESSION_TOKEN"),
                None,
                "environment",
            ),
            system_roots,
        })
    }

    /// A table of a local server, which takes any credentials.
    #[must_use]
    pub fn local(name: &str, endpoint: &str) -> Self {
        Self {
            name: name.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint.to_owned()),
            credentials: Credentials::new("local", "local", None, None, "local"),
            system_roots: false,
        }
    }

    /// The settings of the client. Built by hand: reading profiles and asking for metadata costs 5 ms of a cold start.
    #[must_use]
    pub fn client_config(&self) -> Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_millis(500))
            .operation_attempt_timeout(Duration::from_millis(2_000))
            .operation_timeout(Duration::from_millis(4_500))
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(20))
            .with_max_backoff(Duration::from_millis(200));
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(self.credentials.clone())
            .timeout_config(timeouts)
            .retry_config(retries);
        if !self.system_roots {
            config = config.http_client(amazon_only());
        }
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        config
    }
}

fn amazon_only() -> aws_sdk_dynamodb::config::SharedHttpClient {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let context = TlsContext::builder().with_trust_store(roots).build().expect("a trust store is all that it takes");
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https()
}

/// A handle on the single table.
#[derive(Debug)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) meter: Meter,
    pub(crate) retry_for: Duration,
}

impl Table {
    /// Connects lazily: nothing is sent before the first call.
    #[must_use]
    pub fn connect(config: &TableConfig) -> Self {
        Self::with_client(Client::from_conf(config.client_config().build()), config.name.clone())
    }

    /// Uses a client that was built elsewhere, from [`TableConfig::client_config`] with interceptors added.
    #[must_use]
    pub fn with_client(client: Client, name: String) -> Self {
        Self { client, name, meter: Meter::default(), retry_for: RETRY_FOR }
    }

    /// Changes how long a change is tried again.
    #[must_use]
    pub fn retry_for(mut self, duration: Duration) -> Self {
        self.retry_for = duration;
        self
    }

    /// What was asked of the table through this handle, and what it cost.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}

//! What a function reads from its environment, once, in init (docs/runbook.md).

use store::TableConfig;
use web::BoxError;
use web::edge::EdgeConfig;

use crate::Auditor;
use crate::metrics::Metrics;

/// All settings. Every layer reads its own.
#[derive(Debug)]
pub struct Config {
    /// Where the table is.
    pub table: TableConfig,
    /// Where the cache is, if there is one.
    pub cache: cache::Config,
    /// Tokens, origins and whether there are rate limits.
    pub edge: EdgeConfig,
    /// Where metrics go.
    pub metrics: Metrics,
    /// Which hits of the cache are looked behind.
    pub auditor: Auditor,
}

impl Config {
    /// Reads the settings from the environment of the process.
    ///
    /// # Errors
    /// Names the variable that is missing or unusable.
    pub fn from_env() -> Result<Self, BoxError> {
        Self::with(EdgeConfig::from_lookup(&env)?)
    }

    /// The same for a function that no client calls: nothing of tokens is read.
    ///
    /// # Errors
    /// As [`Config::from_env`].
    pub fn of_events() -> Result<Self, BoxError> {
        Self::with(EdgeConfig::of_nobody())
    }

    fn with(edge: EdgeConfig) -> Result<Self, BoxError> {
        Ok(Self {
            table: TableConfig::from_lookup(&env)?,
            cache: cache::Config::from_lookup(&env)?,
            edge,
            metrics: Metrics::from_lookup(&env)?,
            auditor: Auditor::from_lookup(&env)?,
        })
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

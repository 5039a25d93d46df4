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
    /// Reads the settings through `lookup`.
    ///
    /// # Errors
    /// Names the variable that is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, BoxError> {
        Ok(Self {
            table: TableConfig::from_lookup(lookup)?,
            cache: cache::Config::from_lookup(lookup)?,
            edge: EdgeConfig::from_lookup(lookup)?,
            metrics: Metrics::from_lookup(lookup)?,
            auditor: Auditor::from_lookup(lookup)?,
        })
    }

    /// Reads the settings from the environment of the process.
    ///
    /// # Errors
    /// As [`Config::from_lookup`].
    pub fn from_env() -> Result<Self, BoxError> {
        Self::from_lookup(&|name| std::env::var(name).ok())
    }
}

//! Which table a command works on: an embedded one in memory or in a folder, or one of another server.

use std::path::PathBuf;

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use store::{Table, TableConfig};

use crate::embedded::{Embedded, EmbeddedError};
use crate::stream::Feed;

/// Name of the table, unless `TABLE_NAME` says otherwise.
const NAME: &str = "callsheets";

/// Where the table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this process; gone when it ends.
    Memory,
    /// In a folder.
    Folder(PathBuf),
    /// At another server's URL.
    Server(String),
}

impl Place {
    /// Whether it is a table that somebody else makes: servers on a laptop speak HTTP.
    pub(crate) fn is_aws(&self) -> bool {
        matches!(self, Self::Server(url) if url.starts_with("https://"))
    }
}

/// An opened place: the settings of its table, and what keeps it running.
#[derive(Debug)]
pub struct Opened {
    /// The table's settings.
    pub config: TableConfig,
    /// The server in this process, if it is one.
    pub embedded: Option<Embedded>,
}

impl Place {
    /// Starts or names the server. Nothing is sent yet.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn open(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Opened, EmbeddedError> {
        let name = lookup("TABLE_NAME").filter(|name| !name.is_empty()).unwrap_or_else(|| NAME.to_owned());
        let embedded = match self {
            Self::Memory => Embedded::memory()?,
            Self::Folder(folder) => Embedded::open(folder)?,
            Self::Server(url) => return Ok(Opened { config: of_server(&name, url, lookup), embedded: None }),
        };
        Ok(Opened { config: TableConfig::local(&name, embedded.endpoint()), embedded: Some(embedded) })
    }
}

/// With the credentials of the environment when there are some; a local server takes any.
fn of_server(name: &str, url: &str, lookup: &dyn Fn(&str) -> Option<String>) -> TableConfig {
    let given = |variable: &str| match variable {
        "TABLE_NAME" => Some(name.to_owned()),
        "TABLE_ENDPOINT" => Some(url.to_owned()),
        "TABLE_ROOTS" => Some("system".to_owned()),
        _ => lookup(variable).filter(|value| !value.is_empty()),
    };
    TableConfig::from_lookup(&given).unwrap_or_else(|_| TableConfig { system_roots: true, ..TableConfig::local(name, url) })
}

impl Opened {
    /// The table, its commits told to a feed if there is one.
    #[must_use]
    pub fn table(&self, feed: Option<&Feed>) -> Table {
        let Some(feed) = feed else { return Table::connect(&self.config) };
        let config = self.config.client_config().http_client(feed.observe(http_client())).build();
        Table::with_client(aws_sdk_dynamodb::Client::from_conf(config), self.config.name.clone())
    }
}

/// The SDK's usual client.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https()
}

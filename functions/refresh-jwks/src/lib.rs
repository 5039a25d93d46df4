//! Every hour: stores the keys that the identity provider publishes. While it is down or sends what is no key set, the stored set stays
//! and the function fails, which raises its alarm.
//!
//! It runs outside the private network, because the provider is on the internet. No other function asks it.

use std::sync::Arc;
use std::time::Duration;

use app::{BoxError, Handled, KeySource};
use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use web::ConfigError;

/// Bytes of a document. Real ones have 2,000 to 6,000.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Time for the whole answer.
const TIME_MAX: Duration = Duration::from_secs(5);
const VARIABLE: &str = "JWT_JWKS_URL";

/// Why no document came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Within 5 s there was no whole answer.
    #[error("the identity provider takes too long")]
    Slow,
    /// Another status than 200; redirects are not followed.
    #[error("the identity provider answers {0}")]
    Refused(StatusCode),
    /// There was no connection, or the answer broke off or is too large.
    #[error("the identity provider cannot be asked")]
    Failed(#[source] BoxError),
}

/// The address of a JWKS document, and a client that asks for it by HTTPS, or by HTTP on this machine.
#[derive(Debug)]
pub struct Provider {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Provider {
    /// Reads `JWT_JWKS_URL`, an `https://` URL or one on this machine. The public certificate authorities are trusted.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing or another kind of URL.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self::trusting(&lookup(VARIABLE).unwrap_or_default(), roots)
    }

    /// A provider whose certificate comes from one of `roots`.
    ///
    /// # Errors
    /// As [`Provider::from_lookup`].
    pub fn trusting(url: &str, roots: RootCertStore) -> Result<Self, ConfigError> {
        let bad = |problem| ConfigError { variable: VARIABLE, problem };
        if url.is_empty() {
            return Err(bad("is not set"));
        }
        let url: Uri = url.parse().map_err(|_| bad("is no URL"))?;
        let anonymous = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        // Keys that came unencrypted over a network could be anybody's.
        let trusted = match url.scheme_str() {
            Some("https") => true,
            Some("http") => matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]")),
            _ => false,
        };
        if !(trusted && anonymous) {
            return Err(bad("is no https:// URL without a user"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("the provider has TLS 1.2 and 1.3");
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Self { url, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    async fn document(&self) -> Result<String, FetchError> {
        let failed = |error: BoxError| FetchError::Failed(error);
        let answer = self.client.get(self.url.clone()).await.map_err(|error| failed(error.into()))?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Refused(answer.status()));
        }
        let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX).collect().await.map_err(failed)?;
        String::from_utf8(body.to_bytes().into()).map_err(|error| failed(error.into()))
    }
}

impl KeySource for Provider {
    fn fetch(&self) -> Handled<'_, Result<String, BoxError>> {
        Box::pin(async { tokio::time::timeout(TIME_MAX, self.document()).await.unwrap_or(Err(FetchError::Slow)).map_err(Into::into) })
    }
}

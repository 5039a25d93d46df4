//! The bucket of large exports: one signed `PUT`, and a signed link to what it put.
//!
//! These two requests are all of S3 that an export needs, so they are made with the signer and the HTTP client that the table's SDK has anyway.

use std::fs::File;
use std::io::{Read, Seek};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use app::{BoxError, Download, Downloads, Handled, LINK_LIFE};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use uuid::Uuid;

const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// Time that one upload may take.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(20);
/// Bytes that are read of a file at once.
const READ_BYTES: usize = 64 * 1024;

/// A setting of the bucket that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: is not set")]
pub struct BucketError(&'static str);

/// A bucket whose objects expire by its own rule.
#[derive(Debug)]
pub struct Bucket {
    /// What an object's name is put behind.
    base: String,
    region: String,
    credentials: Credentials,
}

impl Bucket {
    /// Reads `EXPORT_BUCKET`, and what Lambda sets: `AWS_REGION` and the credentials. `EXPORT_ENDPOINT` names another server than AWS's; default
    /// none.
    ///
    /// # Errors
    /// [`BucketError`] naming the variable that is missing.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, BucketError> {
        let need = |name| lookup(name).filter(|value| !value.is_empty()).ok_or(BucketError(name));
        let (bucket, region) = (need("EXPORT_BUCKET")?, need("AWS_REGION")?);
        let credentials =
            Credentials::new(need("AWS_ACCESS_KEY_ID")?, need("AWS_SECRET_ACCESS_KEY")?, lookup("AWS_SESSION_TOKEN"), None, "environment");
        let base = match lookup("EXPORT_ENDPOINT").filter(|url| !url.is_empty()) {
            Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        };
        Ok(Self { base, region, credentials })
    }

    async fn put(&self, connector: &Connector, address: &str, download: &Download) -> Result<(), BoxError> {
        let signed = presigned("PUT", address, &self.region, &self.credentials, SystemTime::now(), LINK_LIFE)?;
        let request = http::Request::put(signed)
            .header("content-type", download.content_type)
            .header("content-length", download.length)
            .header("content-disposition", &download.disposition)
            .header("cache-control", "no-store")
            .body(SdkBody::from_body_1_x(FileBody::of(download)?))?;
        let request = HttpRequest::try_from(request)?;
        let response = tokio::time::timeout(UPLOAD_TIME_MAX, connector.call(request)).await??;
        if !response.status().is_success() {
            return Err(format!("the bucket answers {}", response.status().as_u16()).into());
        }
        Ok(())
    }
}

impl Downloads for Bucket {
    fn publish(&self, download: Download) -> Handled<'_, Result<String, BoxError>> {
        Box::pin(async move {
            // Nobody can guess it, and it names nobody.
            let address = format!("{}/exports/{}", self.base, Uuid::new_v4());
            // Made here and not in init: reading the machine's certificates takes milliseconds, and most exports need no bucket.
            let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
            let mut tries = 1;
            while let Err(error) = self.put(&connector, &address, &download).await {
                if tries == TRIES {
                    return Err(error);
                }
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            presigned("GET", &address, &self.region, &self.credentials, SystemTime::now(), LINK_LIFE)
        })
    }
}

/// An address with a signature that is valid for a time.
///
/// # Errors
/// When the address cannot be signed.
pub fn presigned(
    method: &str,
    address: &str,
    region: &str,
    credentials: &Credentials,
    now: SystemTime,
    valid_for: Duration,
) -> Result<String, BoxError> {
    let identity = credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(valid_for);
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let params = v4::SigningParams::builder().identity(&identity).region(region).name("s3").time(now).settings(settings).build()?;
    let signable = SignableRequest::new(method, address, std::iter::empty(), SignableBody::UnsignedPayload)?;
    let (instructions, _) = sign(signable, &params.into())?.into_parts();
    let mut request = http::Request::builder().uri(address).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}

/// A file as the body of a request, from its beginning, piece by piece.
struct FileBody {
    content: File,
    left: u64,
}

impl FileBody {
    fn of(download: &Download) -> std::io::Result<Self> {
        let mut content = download.content.try_clone()?;
        content.rewind()?;
        Ok(Self { content, left: download.length })
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    // Reading blocks, but only for a copy from the system's memory: the file was written a moment ago.
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; READ_BYTES.min(usize::try_from(self.left).unwrap_or(READ_BYTES))];
        let read = self.content.read_exact(&mut piece);
        self.left -= piece.len() as u64;
        Poll::Ready(Some(read.map(|()| Frame::data(Bytes::from(piece)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

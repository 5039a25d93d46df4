//! ElastiCache: where a cache is, and how to log in with IAM.

use std::time::{Duration, SystemTime};

use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::config::{BehaviorVersion, Builder, Region};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::config::{Aws, Iam};
use crate::types::Trouble;

/// Life of a login token: what ElastiCache accepts at most.
const TOKEN_LIFE: Duration = Duration::from_secs(900);
/// Port that ElastiCache uses unless it says otherwise.
const PORT: i32 = 6379;

/// Looks up the endpoint of a serverless cache or, if there is none of that name, of a replication group.
pub(super) async fn discover(name: &str, aws: &Aws) -> Result<ConnectionInfo, Trouble> {
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .credentials_provider(aws.credentials.clone());
    if let Some(endpoint) = &aws.endpoint {
        config = config.endpoint_url(endpoint);
    }
    let client = Client::from_conf(config.build());
    let url = match serverless(&client, name).await {
        Some(url) => url,
        None => replication_group(&client, name).await.ok_or(Trouble::Unreachable)?,
    };
    url.into_connection_info().map_err(|_| Trouble::Unreachable)
}

async fn serverless(client: &Client, name: &str) -> Option<String> {
    let found = client.describe_serverless_caches().serverless_cache_name(name).send().await.ok()?;
    let endpoint = found.serverless_caches().first()?.endpoint()?;
    Some(url("rediss", endpoint.address()?, endpoint.port()))
}

async fn replication_group(client: &Client, name: &str) -> Option<String> {
    let found = client.describe_replication_groups().replication_group_id(name).send().await.ok()?;
    let group = found.replication_groups().first()?;
    let primary = || group.node_groups().first().and_then(|node| node.primary_endpoint());
    let endpoint = group.configuration_endpoint().or_else(primary)?;
    let scheme = if group.transit_encryption_enabled() == Some(true) { "rediss" } else { "redis" };
    Some(url(scheme, endpoint.address()?, endpoint.port()))
}

fn url(scheme: &str, address: &str, port: Option<i32>) -> String {
    format!("{scheme}://{address}:{}", port.filter(|port| *port > 0).unwrap_or(PORT))
}

/// The password of an IAM login: a presigned `connect` request without its scheme; `None` when it cannot be signed.
pub(super) fn token(iam: &Iam, now: SystemTime) -> Option<String> {
    let identity = iam.aws.credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(TOKEN_LIFE);
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&iam.aws.region)
        .name("elasticache")
        .time(now)
        .settings(settings)
        .build()
        .ok()?;
    let kind = if iam.serverless { "&ResourceType=ServerlessCache" } else { "" };
    let uri = format!("http://{}/?Action=connect&User={}{kind}", iam.name, iam.user);
    let signable = SignableRequest::new("GET", &uri, std::iter::empty(), SignableBody::Bytes(&[])).ok()?;
    let (instructions, _) = sign(signable, &params.into()).ok()?.into_parts();
    let mut request = http::Request::builder().uri(&uri).body(()).ok()?;
    instructions.apply_to_request_http1x(&mut request);
    Some(request.uri().to_string().trim_start_matches("http://").to_owned())
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;
    use crate::valkey::tests::fakes::{elasticache, group, no_serverless, serverless};

    fn aws(endpoint: Option<String>) -> Aws {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("session".to_owned()), None, "test");
        Aws { region: "eu-west-1".to_owned(), credentials, endpoint }
    }

    #[test]
    fn a_token_is_a_presigned_request_to_connect() {
        let iam = |serverless| Iam { user: "api".to_owned(), name: "sheets".to_owned(), serverless, aws: aws(None) };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let password = token(&iam(true), now).unwrap();
        assert!(password.starts_with("sheets/?Action=connect&User=api&ResourceType=ServerlessCache&"), "{password}");
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIDEXAMPLE%2F20231114%2Feu-west-1%2Felasticache%2Faws4_request",
            "X-Amz-Date=20231114T221320Z",
            "X-Amz-Expires=900",
            "X-Amz-SignedHeaders=host",
            "X-Amz-Security-Token=session",
            "X-Amz-Signature=",
        ] {
            assert!(password.contains(part), "{part} is not in {password}");
        }
        assert!(!password.contains("secret") && !token(&iam(false), now).unwrap().contains("ResourceType"));
    }

    async fn discovered(replies: Vec<String>) -> Result<String, Trouble> {
        let aws = aws(Some(elasticache(replies).await));
        discover("sheets", &aws).await.map(|info| format!("{:?}", info.addr()))
    }

    #[tokio::test]
    async fn an_endpoint_is_found_by_the_name_of_a_serverless_cache_or_a_replication_group() {
        let found = discovered(vec![serverless("one.cache", 6390)]).await.unwrap();
        assert!(found.starts_with("TcpTls") && found.contains("one.cache") && found.contains("6390"), "{found}");
        let found = discovered(vec![no_serverless(), group(Some(("two.cache", 6379)))]).await.unwrap();
        assert!(found.starts_with("Tcp(") && found.contains("two.cache"), "{found}");
        assert_eq!(discovered(vec![no_serverless(), group(None)]).await, Err(Trouble::Unreachable));
    }
}

//! Stripe's webhook behind either of API Gateway's payload formats: what is signed are the bytes that Stripe sent, however they travelled.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use testkit::{World, seed};

use super::stripe::{CUSTOMER, NOW, PATH, pro, rev, signed};

const FUNCTION: &str = "stripe-webhook";

/// Payload format 1.0: REST APIs.
fn of_format_1(body: &str, encoded: bool, signature: &str) -> Value {
    let headers = json!({"Content-Type": "application/json; charset=utf-8", "Host": "api.example.com", "Stripe-Signature": signature});
    let several: Value = headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
    json!({"resource": "/{proxy+}", "path": PATH, "httpMethod": "POST", "headers": headers, "multiValueHeaders": several,
        "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": {"proxy": "api/stripe/webhook"},
        "stageVariables": null, "body": body, "isBase64Encoded": encoded,
        "requestContext": {"accountId": "123456789012", "apiId": "api", "httpMethod": "POST", "identity": {"sourceIp": "203.0.113.7"},
            "path": format!("/prod{PATH}"), "protocol": "HTTP/1.1", "requestId": "id", "resourceId": "r", "resourcePath": "/{proxy+}",
            "stage": "prod"}})
}

/// Payload format 2.0: HTTP APIs.
fn of_format_2(body: &str, encoded: bool, signature: &str) -> Value {
    json!({"version": "2.0", "routeKey": format!("POST {PATH}"), "rawPath": PATH, "rawQueryString": "", "body": body,
        "headers": {"content-type": "application/json; charset=utf-8", "host": "api.example.com", "stripe-signature": signature},
        "requestContext": {"accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "requestId": "id",
            "http": {"method": "POST", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "Stripe/1.0"},
            "routeKey": format!("POST {PATH}"), "stage": "$default", "timeEpoch": NOW * 1_000},
        "isBase64Encoded": encoded})
}

/// Makes an envelope of a body, whether it is base64, and its signature.
pub(super) type Envelope = fn(&str, bool, &str) -> Value;

/// Both formats.
pub(super) const FORMATS: [(&str, Envelope); 2] = [("1.0", of_format_1), ("2.0", of_format_2)];

fn right(body: &[u8]) -> String {
    signed(local::DEVELOPMENT_WEBHOOK_SECRET, body, NOW)
}

#[tokio::test]
async fn an_event_is_verified_and_applied_in_every_envelope() {
    for (format, envelope) in FORMATS {
        for encoded in [true, false] {
            let world = World::with(&[seed("u1")]).await;
            // Spaced as Stripe writes it: nothing that is written again would have this signature.
            let body = serde_json::to_string_pretty(&pro("evt_1", NOW - 10)).unwrap();
            let signature = right(body.as_bytes());
            let travelled = if encoded { BASE64_STANDARD.encode(&body) } else { body.clone() };
            for outcome in ["applied", "duplicate"] {
                let reply = world.invoke(FUNCTION, &envelope(&travelled, encoded, &signature).to_string()).await;
                assert_eq!((reply.status, &reply.json["outcome"]), (200, &json!(outcome)), "{format}, base64 {encoded}: {}", reply.json);
            }
            world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "2");

            let altered = body.replace("evt_1", "evt_2");
            let altered = if encoded { BASE64_STANDARD.encode(altered) } else { altered };
            let reply = world.invoke(FUNCTION, &envelope(&altered, encoded, &signature).to_string()).await;
            assert_eq!((reply.status, &reply.json["error"]), (400, &json!("Invalid webhook signature")), "{format}, base64 {encoded}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_text_is_checked_by_its_bytes_and_refused() {
    let world = World::with(&[seed("u1")]).await;
    let mut body = serde_json::to_vec(&pro("evt_1", NOW - 10)).unwrap();
    let at = body.windows(6).position(|bytes| bytes == b"active").unwrap();
    body[at] = 0xff;
    let lossy = String::from_utf8_lossy(&body).into_owned();
    for (format, envelope) in FORMATS {
        let travelled = BASE64_STANDARD.encode(&body);
        // The signature is right over the bytes, which are no event; that over what a decoder would make of them is not.
        for signature in [right(&body), right(lossy.as_bytes())] {
            let reply = world.invoke(FUNCTION, &envelope(&travelled, true, &signature).to_string()).await;
            assert_eq!((reply.status, &reply.json["error"]), (400, &json!("Invalid webhook signature")), "{format}");
        }
    }
    assert_eq!(rev(&world).await, 1);
}

#[tokio::test]
async fn the_largest_body_is_measured_after_it_is_unpacked() {
    let world = World::with(&[seed("u1")]).await;
    let event = pro("evt_1", NOW - 10);
    let bare = serde_json::to_string(&event).unwrap();
    for (format, envelope) in FORMATS {
        for encoded in [true, false] {
            // JSON may end in any number of spaces.
            for (bytes, status) in [(1_048_577, 413), (1_048_576, 200)] {
                let body = format!("{bare}{}", " ".repeat(bytes - bare.len()));
                let signature = right(body.as_bytes());
                let travelled = if encoded { BASE64_STANDARD.encode(&body) } else { body };
                let reply = world.invoke(FUNCTION, &envelope(&travelled, encoded, &signature).to_string()).await;
                assert_eq!(reply.status, status, "{format}, base64 {encoded}, {bytes} bytes");
            }
        }
    }
    assert_eq!(rev(&world).await, 2);
}

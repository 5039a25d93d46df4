//! An HTTP request as the JSON event that API Gateway's HTTP API sends, payload format 2.0.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::Timestamp;
use http::header::{self, HeaderMap};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::routes::Taken;

const LOG_TIME: &[BorrowedFormatItem<'_>] = format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// What the gateway knows beside the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) source_ip: IpAddr,
    pub(super) at: Timestamp,
    pub(super) request_id: &'a str,
}

/// The event; nothing when a header is no text, which API Gateway refuses.
pub(super) fn event(request: &http::Request<Bytes>, taken: &Taken<'_>, arrival: Arrival<'_>) -> Option<Value> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let headers = headers(request.headers(), arrival.source_ip)?;
    let (body, encoded) = body(request);
    let domain = headers.get("host").cloned().unwrap_or_else(|| json!("localhost"));
    let mut event = json!({
        "version": "2.0",
        "routeKey": taken.key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": domain,
            "domainPrefix": "local",
            "http": {
                "method": request.method().as_str(),
                "path": path,
                "protocol": format!("{:?}", request.version()),
                "sourceIp": arrival.source_ip.to_string(),
                "userAgent": headers.get("user-agent").cloned().unwrap_or_else(|| json!("")),
            },
            "requestId": arrival.request_id,
            "routeKey": taken.key,
            "stage": "$default",
            "time": log_time(arrival.at),
            "timeEpoch": arrival.at.ms(),
        },
        "isBase64Encoded": encoded,
    });
    let cookies = cookies(request.headers());
    // API Gateway leaves out what there is none of.
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(parameters(query));
    }
    if !taken.parameters.is_empty() {
        event["pathParameters"] = taken.parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    }
    if let Some(body) = body {
        event["body"] = json!(body);
    }
    Some(event)
}

/// Lower-case names, values of one name joined by commas, cookies left out, and what API Gateway adds.
fn headers(headers: &HeaderMap, source_ip: IpAddr) -> Option<Map<String, Value>> {
    let mut joined = Map::new();
    for name in headers.keys().filter(|name| *name != header::COOKIE) {
        let values: Option<Vec<&str>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
        joined.insert(name.as_str().to_owned(), json!(values?.join(",")));
    }
    let forwarded = joined.get("x-forwarded-for").and_then(Value::as_str).map(|list| format!("{list}, {source_ip}"));
    joined.insert("x-forwarded-for".to_owned(), json!(forwarded.unwrap_or_else(|| source_ip.to_string())));
    joined.insert("x-forwarded-proto".to_owned(), json!("http"));
    Some(joined)
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

/// Decoded; values of one name joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let [name, value] = [name, value].map(|text| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned());
        match joined.get_mut(&name) {
            Some(before) => *before = format!("{before},{value}"),
            None => {
                joined.insert(name, value);
            }
        }
    }
    joined
}

/// The body as text, or base64 when it is none or its type is not a textual one; nothing when it is empty.
fn body(request: &http::Request<Bytes>) -> (Option<String>, bool) {
    let bytes = request.body();
    if bytes.is_empty() {
        return (None, false);
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let textual = kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind)
        || kind.ends_with("+json")
        || kind.ends_with("+xml");
    match std::str::from_utf8(bytes) {
        Ok(text) if textual => (Some(text.to_owned()), false),
        _ => (Some(BASE64_STANDARD.encode(bytes)), true),
    }
}

fn log_time(at: Timestamp) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at.unix_seconds()).expect("a timestamp lies between 1970 and 9999");
    at.format(LOG_TIME).expect("the format needs nothing that a date and time lack")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Routes, TEMPLATE};

    fn shown(request: http::Request<Bytes>) -> Option<Value> {
        let routes = Routes::of_template(TEMPLATE).unwrap();
        let taken = routes.find(request.method().as_str(), request.uri().path());
        event(
            &request,
            &taken,
            Arrival { source_ip: [127, 0, 0, 1].into(), at: "2026-03-05T09:30:00.120Z".parse().unwrap(), request_id: "id" },
        )
    }

    #[test]
    fn a_request_becomes_the_documented_event() {
        let request = http::Request::get("/api/contacts/a%20b?x=1&x=2&y=a+b")
            .header("Host", "127.0.0.1:3000")
            .header("X-List", "a")
            .header("x-list", "b")
            .header("cookie", "rev=3.00ff; other=1")
            .header("user-agent", "test")
            .body(Bytes::new())
            .unwrap();
        let expected = json!({
            "version": "2.0", "routeKey": "GET /api/contacts/{id}", "rawPath": "/api/contacts/a%20b", "rawQueryString": "x=1&x=2&y=a+b",
            "cookies": ["rev=3.00ff", "other=1"],
            "headers": {"host": "127.0.0.1:3000", "x-list": "a,b", "user-agent": "test", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"},
            "queryStringParameters": {"x": "1,2", "y": "a b"},
            "pathParameters": {"id": "a b"},
            "requestContext": {
                "accountId": "000000000000", "apiId": "local", "domainName": "127.0.0.1:3000", "domainPrefix": "local",
                "http": {"method": "GET", "path": "/api/contacts/a%20b", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
                "requestId": "id", "routeKey": "GET /api/contacts/{id}", "stage": "$default",
                "time": "05/Mar/2026:09:30:00 +0000", "timeEpoch": 1_772_703_000_120_i64,
            },
            "isBase64Encoded": false,
        });
        assert_eq!(shown(request).unwrap(), expected);
    }

    #[test]
    fn bodies_that_are_no_text_travel_as_base64() {
        let post = |kind: &str, body: &'static [u8]| {
            let request = http::Request::post("/x").header("content-type", kind).body(Bytes::from_static(body)).unwrap();
            let event = shown(request).unwrap();
            (event["body"].as_str().map(str::to_owned), event["isBase64Encoded"].as_bool().unwrap())
        };
        assert_eq!(post("application/json; charset=utf-8", b"{}"), (Some("{}".into()), false));
        assert_eq!(post("application/json", b"\xff"), (Some("/w==".into()), true));
        assert_eq!(post("application/pdf", b"a"), (Some("YQ==".into()), true));
        assert_eq!(post("application/json", b""), (None, false));
    }

    #[test]
    fn a_header_that_is_no_text_gives_no_event() {
        let request = http::Request::get("/").header("x-a", http::HeaderValue::from_bytes(b"\xff").unwrap()).body(Bytes::new()).unwrap();
        assert!(shown(request).is_none());
    }
}

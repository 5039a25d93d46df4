//! A function's JSON answer as an HTTP response, as API Gateway reads it.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use serde::Deserialize;

use app::BoxError;

/// Payload format 2.0.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    multi_value_headers: HashMap<String, Vec<String>>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Reads the answer.
///
/// # Errors
/// When it is none: API Gateway answers 500 then.
pub(super) fn response(json: &str) -> Result<http::Response<Bytes>, BoxError> {
    let answer: Answer = serde_json::from_str(json)?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { BASE64_STANDARD.decode(body)? } else { body.into_bytes() };
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = http::StatusCode::from_u16(answer.status_code)?;
    let several =
        answer.multi_value_headers.into_iter().flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    for (name, value) in answer.headers.into_iter().chain(several) {
        response.headers_mut().append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    for cookie in answer.cookies {
        response.headers_mut().append(SET_COOKIE, HeaderValue::try_from(cookie)?);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_answer_arrives() {
        let json = r#"{"statusCode":201,"headers":{"x-a":"1"},"multiValueHeaders":{"x-b":["2","3"]},"cookies":["a=1","b=2"],"body":"AP8=","isBase64Encoded":true}"#;
        let response = response(json).unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (201, &b"\x00\xff"[..]));
        let all = |name: &str| response.headers().get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            (all("x-a"), all("x-b"), all("set-cookie")),
            (vec!["1".into()], vec!["2".into(), "3".into()], vec!["a=1".into(), "b=2".into()])
        );
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        for json in [
            "",
            "{}",
            r#"{"statusCode":9}"#,
            r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":{"a b":"1"}}"#,
        ] {
            assert!(response(json).is_err(), "{json}");
        }
    }
}

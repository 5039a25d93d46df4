//! The event that a gateway sends for an HTTP request, of either payload format.
//!
//! Ours sends format 2.0. Format 1.0 is that of REST APIs, and of HTTP APIs that ask for it: a function behind one of those works unchanged.

use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What no URI has as it is, but what a client can send and the gateway hands on. `lambda_http` would panic at it.
const NOT_IN_A_QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
const NOT_IN_A_PATH: &AsciiSet = &NOT_IN_A_QUERY.add(b'?');

/// An event of API Gateway. `lambda_http`'s own reading tries format 1.0 first, so that every event of format 2.0 would be read twice.
#[derive(Debug)]
pub struct Envelope(LambdaRequest);

impl Envelope {
    /// The event as `lambda_http` takes it.
    #[must_use]
    pub fn into_inner(self) -> LambdaRequest {
        self.0
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event: &RawValue = Deserialize::deserialize(deserializer)?;
        // Only format 2.0 has `requestContext.http`.
        let newer = match serde_json::from_str::<ApiGatewayV2httpRequest>(event.get()) {
            Ok(mut request) => {
                request.raw_path = request.raw_path.map(|path| utf8_percent_encode(&path, NOT_IN_A_PATH).to_string());
                request.raw_query_string = request.raw_query_string.map(|query| utf8_percent_encode(&query, NOT_IN_A_QUERY).to_string());
                return Ok(Self(LambdaRequest::ApiGatewayV2(request)));
            }
            Err(error) => error,
        };
        match serde_json::from_str::<ApiGatewayProxyRequest>(event.get()) {
            Ok(mut request) => {
                request.path = request.path.map(|path| utf8_percent_encode(&path, NOT_IN_A_PATH).to_string());
                // `lambda_http` puts the stage before the path, where no route of ours has it.
                request.request_context.stage = None;
                Ok(Self(LambdaRequest::ApiGatewayV1(request)))
            }
            Err(older) => Err(D::Error::custom(format!("no event of API Gateway: {newer} (format 2.0), {older} (format 1.0)"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use serde_json::{Value, json};

    use super::*;

    fn of_format_1(body: &str, encoded: bool) -> Value {
        json!({
            "resource": "/{proxy+}", "path": "/api/stripe/webhook", "httpMethod": "POST", "body": body, "isBase64Encoded": encoded,
            "headers": {"Host": "api.example.com", "Stripe-Signature": "t=1,v1=00", "X-Forwarded-Proto": "https"},
            "multiValueHeaders": {"Host": ["api.example.com"], "Stripe-Signature": ["t=1,v1=00"], "X-Forwarded-Proto": ["https"]},
            "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": {"proxy": "x"}, "stageVariables": null,
            "requestContext": {"accountId": "1", "apiId": "api", "domainName": "api.example.com", "httpMethod": "POST", "stage": "prod",
                "path": "/prod/api/stripe/webhook", "protocol": "HTTP/1.1", "resourcePath": "/{proxy+}", "resourceId": "r",
                "identity": {"sourceIp": "203.0.113.7"}},
        })
    }

    fn of_format_2(body: &str, encoded: bool) -> Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/api/stripe/webhook", "rawQueryString": "", "body": body,
            "isBase64Encoded": encoded, "headers": {"host": "api.example.com", "stripe-signature": "t=1,v1=00", "x-forwarded-proto": "https"},
            "requestContext": {"http": {"method": "POST", "path": "/api/stripe/webhook", "sourceIp": "203.0.113.7"}, "stage": "$default"},
        })
    }

    fn request(event: &Value) -> lambda_http::Request {
        serde_json::from_str::<Envelope>(&event.to_string()).unwrap().into_inner().into()
    }

    #[test]
    fn both_formats_are_the_same_request_down_to_the_bytes() {
        for event in [of_format_1, of_format_2] {
            let text = request(&event("{\n }", false));
            assert_eq!((text.method().as_str(), text.uri().path()), ("POST", "/api/stripe/webhook"));
            assert_eq!(text.headers()["stripe-signature"], "t=1,v1=00");
            assert_eq!(text.uri().host(), Some("api.example.com"));
            assert_eq!(text.body(), &Body::Text("{\n }".to_owned()));
            assert_eq!(request(&event("ewog/30=", true)).body(), &Body::Binary(b"{\n \xff}".to_vec()));
        }
    }

    #[test]
    fn a_path_or_query_that_no_uri_has_is_still_a_request() {
        let mut event = of_format_2("", false);
        event["rawPath"] = json!("/api/<b>{x}|\u{e9} \"#?/%20");
        event["rawQueryString"] = json!("a=<script>&b=%3C+1#c d\u{e9}\u{0}\\^`{|}\"");
        let request = request(&event);
        assert_eq!(request.uri().path(), "/api/%3Cb%3E%7Bx%7D%7C%C3%A9%20%22%23%3F/%20");
        assert_eq!(request.uri().query(), Some("a=%3Cscript%3E&b=%3C+1%23c%20d%C3%A9%00%5C%5E%60%7B%7C%7D%22"));
        let mut event = of_format_1("", false);
        event["path"] = json!("/api/<b>");
        event["multiValueQueryStringParameters"] = json!({"a<": ["<script> \u{e9}#"]});
        let request = self::request(&event);
        assert_eq!((request.uri().path(), request.uri().query()), ("/api/%3Cb%3E", Some("a%3C=%3Cscript%3E+%C3%A9%23")));
    }

    #[test]
    fn what_is_neither_says_why() {
        for event in [json!({}), json!({"version": "2.0", "requestContext": {}}), json!({"Records": []})] {
            let error = serde_json::from_str::<Envelope>(&event.to_string()).unwrap_err().to_string();
            assert!(error.starts_with("no event of API Gateway: missing field"), "{error}");
        }
    }
}

//! The event that a gateway sends for an HTTP request, of either payload format.
//!
//! Ours sends format 2.0. Format 1.0 is that of REST APIs, and of HTTP APIs that ask for it: a function behind one of those works unchanged.

use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use lambda_http::request::LambdaRequest;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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
            Ok(request) => return Ok(Self(LambdaRequest::ApiGatewayV2(request))),
            Err(error) => error,
        };
        match serde_json::from_str::<ApiGatewayProxyRequest>(event.get()) {
            Ok(mut request) => {
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
    fn what_is_neither_says_why() {
        for event in [json!({}), json!({"version": "2.0", "requestContext": {}}), json!({"Records": []})] {
            let error = serde_json::from_str::<Envelope>(&event.to_string()).unwrap_err().to_string();
            assert!(error.starts_with("no event of API Gateway: missing field"), "{error}");
        }
    }
}

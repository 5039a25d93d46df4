//! JSON bodies: limited in size and depth, without duplicate keys.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{ApiError, Request};

/// Bytes of a JSON body. More gives 413.
pub(crate) const JSON_BYTES_MAX: usize = 1_048_576;
/// Objects and arrays within each other.
const DEPTH_MAX: usize = 32;

/// Reads the body as JSON.
///
/// # Errors
/// `413` above 1,048,576 bytes; `415` unless `Content-Type` is `application/json`; `400` when it is not UTF-8, not JSON,
/// nested deeper than 32, or has a key twice in one object.
pub fn json_body(request: &Request) -> Result<Value, ApiError> {
    if request.body().len() > JSON_BYTES_MAX {
        return Err(ApiError::TooLarge);
    }
    if !is_json(request.header("content-type").unwrap_or_default()) {
        return Err(ApiError::UnsupportedType);
    }
    let text = std::str::from_utf8(request.body()).map_err(|_| ApiError::BadRequest("body: not UTF-8".to_owned()))?;
    parse(text)
}

/// Whether a `Content-Type` means JSON; its parameters do not matter.
pub(crate) fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn parse(text: &str) -> Result<Value, ApiError> {
    let invalid = |_| ApiError::BadRequest("Invalid JSON".to_owned());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth_left: DEPTH_MAX }.deserialize(&mut deserializer).map_err(invalid)?;
    deserializer.end().map_err(invalid)?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.depth_left.checked_sub(1).map(|depth_left| Self { depth_left }).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = rows.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if values.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use lambda_http::Body;
    use serde_json::json;

    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<Value, u16> {
        let request = http::Request::builder().header("content-type", content_type).body(Body::Binary(body.to_vec())).unwrap();
        json_body(&Request::new(request, Timestamp::from_ms(0))).map_err(|error| error.status())
    }

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let body = br#" {"a": [1, -2, 0.5, "x\u00e9", null, true], "b": {}} "#;
        assert_eq!(read("application/json; charset=utf-8", body), Ok(json!({"a": [1, -2, 0.5, "xé", null, true], "b": {}})));
        assert!(read("Application/JSON", b"1").is_ok());
    }

    #[test]
    fn what_is_not_strict_json_is_refused() {
        for body in
            [&b""[..], b"{", b"{}{}", b"\xff", b"{'a':1}", b"[1,]", b"NaN", b"1e999", br#"{"a":1,"a":1}"#, br#"[{"b":{"a":1,"a":2}}]"#]
        {
            assert_eq!(read("application/json", body), Err(400), "{}", String::from_utf8_lossy(body));
        }
        for kind in ["", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"] {
            assert_eq!(read(kind, b"{}"), Err(415), "{kind}");
        }
    }

    #[test]
    fn depth_and_size_have_limits() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read("application/json", nested(32).as_bytes()).is_ok());
        assert_eq!(read("application/json", nested(33).as_bytes()), Err(400));
        assert_eq!(read("application/json", nested(400_000).as_bytes()), Err(400));
        let padded = |len: usize| format!("{}{}", " ".repeat(len - 2), "{}");
        assert!(read("application/json", padded(JSON_BYTES_MAX).as_bytes()).is_ok());
        assert_eq!(read("application/json", padded(JSON_BYTES_MAX + 1).as_bytes()), Err(413));
    }
}

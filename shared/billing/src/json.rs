//! Tolerant reading of Stripe's objects: a field of another type than the expected one reads as absent.

use serde_json::Value;

/// Last second of the year 9999; a time beyond it is none.
const SECONDS_MAX: i64 = 253_402_300_799;
/// Bytes of an id: Stripe promises that no id is longer.
const ID_BYTES_MAX: usize = 255;

/// The value at a path, unless it is absent or null.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// A text.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(object, path)?.as_str()
}

/// A text cut to a number of bytes, so that no stored object grows with what somebody typed.
pub(crate) fn clipped(object: &Value, path: &[&str], bytes_max: usize) -> Option<String> {
    text(object, path).map(|text| text[..text.floor_char_boundary(bytes_max)].to_owned())
}

/// A link, dropped when it is too long: half a link is none.
pub(crate) fn link(object: &Value, path: &[&str]) -> Option<String> {
    text(object, path).filter(|url| url.len() <= 2_048).map(str::to_owned)
}

/// A whole number.
pub(crate) fn number(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path)?.as_i64()
}

/// A moment in Unix seconds.
pub(crate) fn seconds(object: &Value, path: &[&str]) -> Option<i64> {
    number(object, path).filter(|seconds| (0..=SECONDS_MAX).contains(seconds))
}

/// A flag; absent is false.
pub(crate) fn flag(object: &Value, path: &[&str]) -> bool {
    at(object, path).and_then(Value::as_bool).unwrap_or_default()
}

/// The elements of a list.
pub(crate) fn list<'a>(object: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> {
    at(object, path).and_then(Value::as_array).into_iter().flatten()
}

/// An id, or the id of the expanded object in its place.
pub(crate) fn id(object: &Value, path: &[&str]) -> Option<String> {
    let found = at(object, path)?;
    let id = found.as_str().or_else(|| text(found, &["id"]))?;
    is_id(id).then(|| id.to_owned())
}

/// Whether a text can be a Stripe id. `#` divides our keys.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expandable_fields_are_a_text_or_an_object() {
        for value in [json!({"c": "cus_1"}), json!({"c": {"id": "cus_1", "object": "customer"}})] {
            assert_eq!(id(&value, &["c"]).as_deref(), Some("cus_1"));
        }
        let long = "x".repeat(256);
        for value in
            [json!({}), json!({"c": null}), json!({"c": 7}), json!({"c": ""}), json!({"c": "a#b"}), json!({"c": {}}), json!({"c": long})]
        {
            assert_eq!(id(&value, &["c"]), None, "{value}");
        }
    }

    #[test]
    fn fields_of_another_type_read_as_absent() {
        let value = json!({"a": [], "b": "1", "c": -1, "d": 1.5, "e": u64::MAX, "f": "äöü"});
        assert_eq!(text(&value, &["a", "b"]), None);
        for path in ["a", "b", "c", "d", "e"] {
            assert_eq!(seconds(&value, &[path]), None, "{path}");
        }
        assert!(!flag(&value, &["b"]));
        assert_eq!(clipped(&value, &["f"], 3).as_deref(), Some("ä"));
        assert_eq!(list(&value, &["b"]).count(), 0);
    }
}

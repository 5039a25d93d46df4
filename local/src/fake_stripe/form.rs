//! Stripe's parameters: `a[b][0][c]=v` in a query string or a form, as JSON objects.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Reads parameters. What stands between brackets, numbers too, becomes a key.
pub(super) fn parse(text: &str) -> Map<String, Value> {
    let mut form = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let mut keys = name.split('[').map(|key| key.trim_end_matches(']'));
        let first = keys.next().unwrap_or_default().to_owned();
        put(form.entry(first).or_insert(Value::Null), keys, value);
    }
    form
}

fn put<'a>(place: &mut Value, mut keys: impl Iterator<Item = &'a str>, value: String) {
    let Some(key) = keys.next() else {
        *place = Value::String(value);
        return;
    };
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    if let Value::Object(map) = place {
        // `types[]=a&types[]=b`: the next free number.
        let key = if key.is_empty() { map.len().to_string() } else { key.to_owned() };
        put(map.entry(key).or_insert(Value::Null), keys, value);
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// A text at a place.
pub(super) fn text<'a>(form: &'a Map<String, Value>, path: &[&str]) -> Option<&'a str> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(form.get(*first)?, |value, key| value.get(*key))?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_make_objects() {
        let form =
            parse("mode=subscription&line_items[0][price]=price_1&line_items%5B0%5D%5Bquantity%5D=1&metadata[userId]=a%7Cb+c&t[]=x&t[]=y");
        assert_eq!(
            Value::Object(form.clone()),
            json!({"mode": "subscription", "line_items": {"0": {"price": "price_1", "quantity": "1"}}, "metadata": {"userId": "a|b c"},
                "t": {"0": "x", "1": "y"}})
        );
        assert_eq!(text(&form, &["line_items", "0", "price"]), Some("price_1"));
        assert_eq!((text(&form, &["mode", "x"]), text(&form, &[]), parse("").len()), (None, None, 0));
    }
}

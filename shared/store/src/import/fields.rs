//! Typed access to the keys of one line, with a reason in words when something does not fit.

use domain::{Month, Timestamp};
use serde_json::{Map, Value};

/// The largest whole number that every JSON reader keeps exact.
const WHOLE_MAX: u64 = 9_007_199_254_740_991;

/// The keys of one line. A key that is absent and one that is `null` are the same, unless a method says otherwise.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The value of a key that is there and not `null`.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Whether the key is there, `null` or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A text of at most `chars_max` characters, as it is.
    pub(super) fn text(&self, key: &str, chars_max: usize) -> Result<Option<&'a str>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| format!("`{key}` must be a string"))?;
        // Bytes bound characters from above, so that the usual short text is not counted.
        if text.len() > chars_max && text.chars().count() > chars_max {
            return Err(format!("`{key}` is longer than {chars_max} characters"));
        }
        Ok(Some(text))
    }

    /// An owned text of at most `chars_max` characters, as it is.
    pub(super) fn owned(&self, key: &str, chars_max: usize) -> Result<Option<String>, String> {
        Ok(self.text(key, chars_max)?.map(str::to_owned))
    }

    /// A text that must be there and not blank.
    pub(super) fn required(&self, key: &str, chars_max: usize) -> Result<&'a str, String> {
        let text = self.text(key, chars_max)?.ok_or_else(|| format!("`{key}` is missing"))?;
        if text.trim().is_empty() {
            return Err(format!("`{key}` is blank"));
        }
        Ok(text)
    }

    /// A text that must parse as an identifier of the expected kind.
    pub(super) fn id<T: std::str::FromStr<Err = domain::InvalidId>>(&self, key: &str) -> Result<T, String> {
        self.optional_id(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    /// An identifier that may be absent.
    pub(super) fn optional_id<T: std::str::FromStr<Err = domain::InvalidId>>(&self, key: &str) -> Result<Option<T>, String> {
        self.text(key, 128)?.map(|text| text.parse().map_err(|error| format!("`{key}` is {error}"))).transpose()
    }

    /// A moment that must be there.
    pub(super) fn time(&self, key: &str) -> Result<Timestamp, String> {
        self.optional_time(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    /// A moment that may be absent.
    pub(super) fn optional_time(&self, key: &str) -> Result<Option<Timestamp>, String> {
        self.text(key, 64)?.map(|text| time(text).ok_or_else(|| format!("`{key}` is {}", domain::InvalidTimestamp))).transpose()
    }

    /// A calendar month that must be there.
    pub(super) fn month(&self, key: &str) -> Result<Month, String> {
        let text = self.text(key, 7)?.ok_or_else(|| format!("`{key}` is missing"))?;
        text.parse().map_err(|_| format!("`{key}` is not a month of the form YYYY-MM"))
    }

    /// A whole number, not negative, that may be absent.
    pub(super) fn whole(&self, key: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if number <= WHOLE_MAX => Ok(Some(number)),
            _ => Err(format!("`{key}` must be a whole number from 0 to {WHOLE_MAX}")),
        }
    }

    /// A truth value that may be absent.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| format!("`{key}` must be true or false"))
    }

    /// An object that may be absent.
    pub(super) fn object(&self, key: &str) -> Result<Option<Fields<'a>>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_object().map(|map| Some(Fields(map))).ok_or_else(|| format!("`{key}` must be an object"))
    }
}

/// Reads RFC 3339, and what Postgres prints: a space for the `T`, an offset of hours alone, or no offset, which is UTC.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let (date, clock) = text.split_at_checked(10)?;
    let clock = clock.strip_prefix([' ', 'T'])?;
    let (clock, offset) = match clock.find(['+', '-', 'Z']) {
        Some(at) => clock.split_at(at),
        None => (clock, "Z"),
    };
    let offset = match offset.len() {
        3 => format!("{offset}:00"),
        5 if offset.is_ascii() => format!("{}:{}", &offset[..3], &offset[3..]),
        _ => offset.to_owned(),
    };
    format!("{date}T{clock}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_postgres_are_read_as_utc() {
        for (given, shown) in [
            ("2026-03-04T10:15:02.120Z", "2026-03-04T10:15:02.120Z"),
            ("2026-03-04 10:15:02.12+00", "2026-03-04T10:15:02.120Z"),
            ("2026-03-04 10:15:02-0130", "2026-03-04T11:45:02.000Z"),
            ("2026-03-04T10:15:02.123456", "2026-03-04T10:15:02.123Z"),
            ("2026-03-04 10:15:02+02:00", "2026-03-04T08:15:02.000Z"),
        ] {
            assert_eq!(time(given).map(|at| at.to_string()).as_deref(), Some(shown), "{given}");
        }
        for bad in
            ["", "2026-03-04", "2026-03-04T", "2026-03-04 25:00:00", "2026-03-04 10:15:02+é", "yesterday at", "2026-03-04 10:15:02+00+00"]
        {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}

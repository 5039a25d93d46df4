//! Query strings and bodies of the endpoints, checked and typed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ContactInput, JobId, Timestamp};
use serde_json::Value;
use uuid::Uuid;
use web::{ApiError, Request};

/// Rows that one request may save.
const SAVE_ROWS_MAX: usize = 1_000;
/// Characters of a cursor of any list.
pub(crate) const CURSOR_CHARS_MAX: usize = 512;
/// What the job list's cursors begin with.
const JOBS_CURSOR: u8 = 3;

/// A place in a list ordered by (creation, id): rows after it, in list order, come next.
type Place = (Timestamp, Uuid);

/// A page of jobs as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsQuery {
    /// Where the answer before ended.
    pub after: Option<(Timestamp, JobId)>,
}

impl JobsQuery {
    /// Reads the query string.
    ///
    /// # Errors
    /// `400` `Invalid cursor`.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        let after = web::query(request, "cursor").map(decode_cursor).transpose()?;
        Ok(Self { after: after.map(|(at, id)| (at, JobId(id))) })
    }

    /// Names the cached answer.
    #[must_use]
    pub fn view(&self) -> String {
        self.after.map_or_else(|| "jobs".to_owned(), |(at, id)| format!("jobs:{}.{}", at.ms(), id.0.simple()))
    }

    /// The cursor for the jobs after `place`.
    #[must_use]
    pub fn next_cursor((at, id): (Timestamp, JobId)) -> String {
        encode_cursor((at, id.0))
    }
}

/// Contacts to save, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveRequest {
    /// An id that may be an owned job's; any other text means a new job.
    pub job: Option<JobId>,
    /// Name of the file that they came from.
    pub file_name: Option<String>,
    /// Rows with a name, cleaned.
    pub rows: Vec<ContactInput>,
}

impl SaveRequest {
    /// Reads the JSON body.
    ///
    /// # Errors
    /// `400` when it is no such object, has no contacts, more than 1,000, or none with a name.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        let body = web::json_body(request)?;
        let Value::Object(body) = body else {
            return Err(bad("body: must be an object"));
        };
        let rows = match body.get("contacts") {
            Some(Value::Array(rows)) if !rows.is_empty() => rows,
            _ => return Err(bad("Contacts array is required and must not be empty")),
        };
        if rows.len() > SAVE_ROWS_MAX {
            return Err(bad("contacts: at most 1000"));
        }
        let job = optional_text(&body, "jobId", usize::MAX)?.and_then(|text| text.parse().ok());
        let file_name = optional_text(&body, "fileName", 255)?.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let inputs = rows.iter().map(contact_input).collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<_> = inputs.iter().filter_map(ContactInput::cleaned).collect();
        if rows.is_empty() {
            return Err(bad("contacts: none has a name"));
        }
        Ok(Self { job, file_name, rows })
    }
}

fn contact_input(row: &Value) -> Result<ContactInput, ApiError> {
    let Value::Object(row) = row else {
        return Err(bad("contacts: each must be an object"));
    };
    let Some(Value::String(name)) = row.get("name") else {
        return Err(bad("contacts.name: required text"));
    };
    for other in ["id", "department", "notes", "source", "section"] {
        if row.get(other).is_some_and(|value| !value.is_string()) {
            return Err(ApiError::BadRequest(format!("contacts.{other}: must be text")));
        }
    }
    if row.get("confidence").is_some_and(|value| !value.as_f64().is_some_and(|c| (0.0..=1.0).contains(&c))) {
        return Err(bad("contacts.confidence: must be a number from 0 to 1"));
    }
    let text = |key| match row.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ApiError::BadRequest(format!("contacts.{key}: must be text or null"))),
    };
    Ok(ContactInput { name: name.clone(), email: text("email")?, phone: text("phone")?, role: text("role")?, company: text("company")? })
}

fn optional_text<'a>(body: &'a serde_json::Map<String, Value>, key: &str, chars_max: usize) -> Result<Option<&'a str>, ApiError> {
    match body.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= chars_max => Ok(Some(text)),
        Some(Value::String(_)) => Err(ApiError::BadRequest(format!("{key}: at most {chars_max} characters"))),
        Some(_) => Err(ApiError::BadRequest(format!("{key}: must be text"))),
    }
}

/// The greatest number that every JSON reader holds exactly.
const NUMBER_MAX: u64 = 9_007_199_254_740_991;

/// The leading decimal digits as a number: `10x` is 10. Nothing without a leading digit; too large stays large.
pub(crate) fn leading_integer(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (digits > 0).then(|| text[..digits].parse().unwrap_or(u64::MAX).min(NUMBER_MAX))
}

fn encode_cursor((at, id): Place) -> String {
    let mut bytes = vec![JOBS_CURSOR];
    bytes.extend(at.ms().to_be_bytes());
    bytes.extend(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode_cursor(text: &str) -> Result<Place, ApiError> {
    let invalid = || bad("Invalid cursor");
    if text.len() > CURSOR_CHARS_MAX {
        return Err(invalid());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
    let (found, rest) = bytes.split_first().ok_or_else(invalid)?;
    let (ms, id) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
    let id = <[u8; 16]>::try_from(id).map_err(|_| invalid())?;
    let ms = i64::from_be_bytes(*ms);
    let at = Timestamp::from_ms(ms);
    if *found != JOBS_CURSOR || at.ms() != ms {
        return Err(invalid());
    }
    Ok((at, Uuid::from_bytes(id)))
}

pub(crate) fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_of_jobs_come_back_and_others_are_refused() {
        let place = (Timestamp::from_ms(1_772_352_000_123), Uuid::from_u128(7));
        let text = encode_cursor(place);
        assert_eq!(decode_cursor(&text).ok(), Some(place));
        for bad in ["", "x", "AAAA", &text[1..], &format!("{text}AAAA"), &"A".repeat(600)] {
            assert!(decode_cursor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_read_from_their_leading_digits() {
        for (text, number) in [("10x", Some(10)), ("007", Some(7)), ("", None), ("-1", None), (" 1", None), ("x", None)] {
            assert_eq!(leading_integer(text), number, "{text}");
        }
        assert_eq!(leading_integer("99999999999999999999999"), Some(NUMBER_MAX));
    }
}

//! Query strings and bodies of the endpoints, checked and typed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ContactId, ContactInput, JobId, ProductionId, Timestamp};
use serde_json::Value;
use store::Slice;
use uuid::Uuid;
use web::{ApiError, Request};

/// Rows of the bare array of v1 (D1).
pub const BARE_ROWS: u32 = 50;
/// Rows of a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 25;
const LIMIT_MAX: u64 = 100;
/// Rows that one request may save.
const SAVE_ROWS_MAX: usize = 1_000;
/// Characters of `search` and `role`.
const SEARCH_CHARS_MAX: usize = 200;
const CURSOR_CHARS_MAX: usize = 512;

const LIST_PARAMETERS: [&str; 10] =
    ["page", "limit", "search", "role", "jobId", "productionId", "sortBy", "sortOrder", "requireContact", "cursor"];
const SORT_KEYS: [&str; 7] = ["created_at", "updated_at", "name", "email", "phone", "role", "company"];

/// A place in a list ordered by (creation, id): rows after it, in list order, come next.
type Place = (Timestamp, Uuid);

/// A page of contacts as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactsQuery {
    /// Whether any list parameter was there, even an empty one: then the answer is a page object (D1).
    pub paged: bool,
    /// Which part.
    pub slice: Slice,
    /// Rows, 1 to 100.
    pub limit: u32,
    /// Narrowed to a job.
    pub job: Option<JobId>,
}

impl ContactsQuery {
    /// Reads the query string.
    ///
    /// # Errors
    /// `400` with the contract's text for a bad value; `422` for a filter or order that is not there yet.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        let given = |name| web::query(request, name);
        if !LIST_PARAMETERS.iter().any(|name| given(name).is_some()) {
            return Ok(Self { paged: false, slice: Slice::Page(1), limit: BARE_ROWS, job: None });
        }
        let page = match given("page") {
            None => 1,
            Some(text) => leading_integer(text).filter(|page| *page >= 1).ok_or_else(|| bad("Invalid page number"))?,
        };
        let limit = match given("limit") {
            None => LIMIT_DEFAULT,
            Some(text) => leading_integer(text)
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .and_then(|limit| u32::try_from(limit).ok())
                .ok_or_else(|| bad("Invalid limit (must be between 1 and 100)"))?,
        };
        let job = web::id_filter::<JobId>(request, "jobId")?;
        refuse_what_is_not_built(request)?;
        let slice = match given("cursor") {
            None => Slice::Page(page),
            Some(cursor) => {
                let (at, id) = decode_cursor(cursor, if job.is_some() { CursorKind::JobContacts } else { CursorKind::Contacts })?;
                Slice::After(at, ContactId(id))
            }
        };
        Ok(Self { paged: true, slice, limit, job })
    }

    /// Names the cached answer: equal queries have equal names.
    #[must_use]
    pub fn view(&self) -> String {
        let slice = match &self.slice {
            Slice::Page(page) => format!("p{page}"),
            Slice::After(at, id) => format!("c{}.{}", at.ms(), id.0.simple()),
        };
        let job = self.job.map_or_else(String::new, |job| format!(":{job}"));
        format!("contacts:{}:{slice}:{}{job}", u8::from(self.paged), self.limit)
    }

    /// The cursor for the rows after `place`.
    #[must_use]
    pub fn next_cursor(&self, (at, id): (Timestamp, ContactId)) -> String {
        encode_cursor((at, id.0), if self.job.is_some() { CursorKind::JobContacts } else { CursorKind::Contacts })
    }
}

/// Checks the remaining parameters; what is valid but needs the packed buckets is refused plainly.
fn refuse_what_is_not_built(request: &Request) -> Result<(), ApiError> {
    let given = |name| web::query(request, name);
    let mut missing = web::id_filter::<ProductionId>(request, "productionId")?.map(|_| "productionId");
    for name in ["search", "role"] {
        let text = given(name).unwrap_or_default();
        if text.chars().count() > SEARCH_CHARS_MAX {
            return Err(ApiError::BadRequest(format!("{name}: at most {SEARCH_CHARS_MAX} characters")));
        }
        if !(text.is_empty() || name == "role" && text == "all") {
            missing = Some(name);
        }
    }
    match given("sortBy") {
        None | Some("created_at") => {}
        Some(key) if SORT_KEYS.contains(&key) => missing = Some("sortBy"),
        Some(_) => return Err(bad("Invalid sortBy")),
    }
    match given("sortOrder") {
        None | Some("desc") => {}
        Some("asc") => missing = Some("sortOrder"),
        Some(_) => return Err(bad("Invalid sortOrder")),
    }
    if given("requireContact") == Some("true") {
        missing = Some("requireContact");
    }
    missing.map_or(Ok(()), |name| Err(ApiError::Unprocessable(format!("{name}: not available yet"))))
}

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
        let after = web::query(request, "cursor").map(|cursor| decode_cursor(cursor, CursorKind::Jobs)).transpose()?;
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
        encode_cursor((at, id.0), CursorKind::Jobs)
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
fn leading_integer(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (digits > 0).then(|| text[..digits].parse().unwrap_or(u64::MAX).min(NUMBER_MAX))
}

/// Which list a cursor belongs to: one of another list is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CursorKind {
    Contacts = 1,
    JobContacts = 2,
    Jobs = 3,
}

fn encode_cursor((at, id): Place, kind: CursorKind) -> String {
    let mut bytes = vec![kind as u8];
    bytes.extend(at.ms().to_be_bytes());
    bytes.extend(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode_cursor(text: &str, kind: CursorKind) -> Result<Place, ApiError> {
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
    if *found != kind as u8 || at.ms() != ms {
        return Err(invalid());
    }
    Ok((at, Uuid::from_bytes(id)))
}

fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_belong_to_their_list() {
        let place = (Timestamp::from_ms(1_772_352_000_123), Uuid::from_u128(7));
        let text = encode_cursor(place, CursorKind::Jobs);
        assert_eq!(decode_cursor(&text, CursorKind::Jobs).ok(), Some(place));
        assert!(decode_cursor(&text, CursorKind::Contacts).is_err());
        for bad in ["", "x", "AAAA", &text[1..], &format!("{text}AAAA"), &"A".repeat(600)] {
            assert!(decode_cursor(bad, CursorKind::Jobs).is_err(), "{bad}");
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

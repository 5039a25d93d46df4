//! `GET /api/contacts` as asked for: page, filters, order, and the cursor that goes on with the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use book::{Filter, Order, Place, Slice, SortBy, fold};
use domain::{ContactId, JobId, ProductionId};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use web::{ApiError, Request};

use crate::query::{CURSOR_CHARS_MAX, bad, leading_integer};

/// Rows of the bare array of v1 (D1).
const BARE_ROWS: u32 = 50;
/// Rows of a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 25;
const LIMIT_MAX: u64 = 100;
/// Characters of `search` and `role`.
const SEARCH_CHARS_MAX: usize = 200;
/// What cursors of this form begin with.
const CURSOR_FORMAT: u8 = 5;
const SUM_BYTES: usize = 8;

const LIST_PARAMETERS: [&str; 10] =
    ["page", "limit", "search", "role", "jobId", "productionId", "sortBy", "sortOrder", "requireContact", "cursor"];

/// A list of contacts as asked for.
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
    /// Narrowed to a production's jobs.
    pub production: Option<ProductionId>,
    /// In which order.
    pub order: Order,
    /// Folded; empty for none.
    search: String,
    role: String,
    reachable: bool,
}

impl ContactsQuery {
    /// Reads the query string.
    ///
    /// # Errors
    /// `400` with the contract's text for a bad value.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        let given = |name| web::query(request, name);
        let bare = Self {
            paged: false,
            slice: Slice::Page(1),
            limit: BARE_ROWS,
            job: None,
            production: None,
            order: Order::NEWEST_FIRST,
            search: String::new(),
            role: String::new(),
            reachable: false,
        };
        if !LIST_PARAMETERS.iter().any(|name| given(name).is_some()) {
            return Ok(bare);
        }
        let page = page(given("page"))?;
        let mut query = Self {
            paged: true,
            slice: Slice::Page(page),
            limit: limit(given("limit"))?,
            job: web::id_filter(request, "jobId")?,
            production: web::id_filter(request, "productionId")?,
            order: Order { by: sort_by(given("sortBy"))?, descending: descending(given("sortOrder"))? },
            search: text(given("search"), "search")?,
            role: text(given("role").filter(|role| *role != "all"), "role")?,
            reachable: given("requireContact") == Some("true"),
        };
        if let Some(cursor) = given("cursor") {
            query.slice = Slice::After(query.place(cursor).ok_or_else(|| bad("Invalid cursor"))?);
        }
        Ok(query)
    }

    /// Names the cached answer: equal queries have equal names.
    #[must_use]
    pub fn view(&self) -> String {
        let slice = match &self.slice {
            Slice::Page(page) => format!("p{page}"),
            Slice::After(place) => format!("c{}", self.next_cursor(place)),
        };
        format!("contacts:{}:{slice}:{}:{}", u8::from(self.paged), self.limit, self.identity())
    }

    /// The cursor for the rows after `place`.
    #[must_use]
    pub fn next_cursor(&self, place: &Place) -> String {
        let mut bytes = vec![CURSOR_FORMAT];
        bytes.extend(self.sum(place));
        bytes.extend(place.id.0.as_bytes());
        bytes.extend(&place.key);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The slice, if the list is one that the table has in this order: a whole account or a job, newest first.
    pub(crate) fn table_slice(&self) -> Option<store::Slice> {
        match &self.slice {
            _ if !self.is_plain() => None,
            Slice::Page(page) => Some(store::Slice::Page(*page)),
            Slice::After(place) => place.moment().map(|at| store::Slice::After(at, place.id)),
        }
    }

    fn is_plain(&self) -> bool {
        let filtered = !self.search.is_empty() || !self.role.is_empty() || self.production.is_some() || self.reachable;
        !filtered && self.order == Order::NEWEST_FIRST
    }

    /// The conditions, all but job and production.
    pub(crate) fn filter(&self) -> Filter {
        Filter::default().search(&self.search).role(&self.role).reachable(self.reachable)
    }

    /// All that decides which contacts are in the list and in which order; empty for all of them, newest first.
    fn identity(&self) -> String {
        let id = |id: Option<Uuid>| id.map_or_else(String::new, |id| id.simple().to_string());
        let job = id(self.job.map(|job| job.0));
        if self.is_plain() {
            return job;
        }
        let production = id(self.production.map(|production| production.0));
        let Order { by, descending } = self.order;
        // The two texts come last, told apart by a length: no text can make one list look like another.
        let (reachable, role) = (self.reachable, &self.role);
        format!("{job}\n{production}\n{by:?}\n{descending}\n{reachable}\n{}\n{role}{}", role.len(), self.search)
    }

    /// The place that a cursor of the same list names.
    fn place(&self, cursor: &str) -> Option<Place> {
        let bytes = (cursor.len() <= CURSOR_CHARS_MAX).then(|| URL_SAFE_NO_PAD.decode(cursor).ok()).flatten()?;
        let (&format, rest) = bytes.split_first()?;
        let (sum, rest) = rest.split_first_chunk::<SUM_BYTES>()?;
        let (id, key) = rest.split_first_chunk::<16>()?;
        let place = Place { key: key.to_vec(), id: ContactId(Uuid::from_bytes(*id)) };
        (format == CURSOR_FORMAT && *sum == self.sum(&place)).then_some(place)
    }

    /// Binds a cursor to its list. A cursor names only a place in the caller's own list, so the sum keeps no secret: it tells what we made,
    /// for this list, from anything else.
    fn sum(&self, place: &Place) -> [u8; SUM_BYTES] {
        let identity = self.identity();
        let hash = Sha256::new()
            .chain_update(b"callsheets contacts cursor")
            .chain_update((identity.len() as u64).to_be_bytes())
            .chain_update(identity)
            .chain_update(place.id.0.as_bytes())
            .chain_update(&place.key)
            .finalize();
        let mut sum = [0; SUM_BYTES];
        sum.copy_from_slice(&hash[..SUM_BYTES]);
        sum
    }
}

fn page(given: Option<&str>) -> Result<u64, ApiError> {
    let Some(text) = given else { return Ok(1) };
    leading_integer(text).filter(|page| *page >= 1).ok_or_else(|| bad("Invalid page number"))
}

fn limit(given: Option<&str>) -> Result<u32, ApiError> {
    let Some(text) = given else { return Ok(LIMIT_DEFAULT) };
    let limit = leading_integer(text).filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.and_then(|limit| u32::try_from(limit).ok()).ok_or_else(|| bad("Invalid limit (must be between 1 and 100)"))
}

fn text(given: Option<&str>, name: &str) -> Result<String, ApiError> {
    let text = given.unwrap_or_default();
    if text.chars().count() > SEARCH_CHARS_MAX {
        return Err(ApiError::BadRequest(format!("{name}: at most {SEARCH_CHARS_MAX} characters")));
    }
    Ok(fold(text))
}

fn sort_by(given: Option<&str>) -> Result<SortBy, ApiError> {
    match given {
        None | Some("created_at") => Ok(SortBy::CreatedAt),
        Some("updated_at") => Ok(SortBy::UpdatedAt),
        Some("name") => Ok(SortBy::Name),
        Some("email") => Ok(SortBy::Email),
        Some("phone") => Ok(SortBy::Phone),
        Some("role") => Ok(SortBy::Role),
        Some("company") => Ok(SortBy::Company),
        Some(_) => Err(bad("Invalid sortBy")),
    }
}

fn descending(given: Option<&str>) -> Result<bool, ApiError> {
    match given {
        None | Some("desc") => Ok(true),
        Some("asc") => Ok(false),
        Some(_) => Err(bad("Invalid sortOrder")),
    }
}

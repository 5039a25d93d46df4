//! One pass over all buckets of an account: counts, and one page in order.

use std::cmp::Ordering;
use std::ops::Range;

use domain::{ContactId, Timestamp};
use uuid::Uuid;

use crate::bucket::{Bucket, Text, flag};
use crate::filter::Filter;

/// Bytes of a text by which contacts are sorted. Names that are equal so far are ordered by id: a place must fit into a cursor.
const KEY_BYTES_MAX: usize = 320;
const UUID_BYTES: usize = 16;

/// What contacts are sorted by. Texts by their folded code points, a missing one like an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// Creation.
    CreatedAt,
    /// Last change.
    UpdatedAt,
    /// Name.
    Name,
    /// E-mail address.
    Email,
    /// Phone.
    Phone,
    /// Role.
    Role,
    /// Company.
    Company,
}

/// An order of contacts; equal ones are ordered by id, so there is exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The sort key.
    pub by: SortBy,
    /// Whether the greatest comes first, ids included.
    pub descending: bool,
}

/// Where a contact stands in an order, whether it is still there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its sort key.
    pub key: Vec<u8>,
    /// Its id.
    pub id: ContactId,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// A page by its number, from 1.
    Page(u64),
    /// What follows a place.
    After(Place),
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Bucket and row of the page's contacts, in order.
    pub rows: Vec<(usize, usize)>,
    /// Contacts of the whole list.
    pub total: u64,
    /// Contacts with `@` in their e-mail address, whether they can be reached or not.
    pub with_email: u64,
    /// Contacts with a phone that is not empty.
    pub with_phone: u64,
    /// The place of the last row if more follow.
    pub next: Option<Place>,
}

/// A pass over buckets.
#[derive(Debug)]
pub struct Scan<'a> {
    filter: &'a Filter,
    order: Order,
    /// Only contacts after this one can be on the page.
    after: Option<&'a Place>,
    candidates: Vec<Candidate>,
    /// Texts of the candidates, one after the other.
    keys: Vec<u8>,
    found: Found,
}

/// A contact that may be on the page.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// The first bytes of its key as a number: most comparisons end here.
    prefix: u64,
    key_start: u32,
    key_bytes: u16,
    id: [u8; UUID_BYTES],
    bucket: u32,
    row: u32,
}

impl SortBy {
    fn text(self) -> Option<Text> {
        match self {
            Self::CreatedAt | Self::UpdatedAt => None,
            Self::Name => Some(Text::Name),
            Self::Email => Some(Text::Email),
            Self::Phone => Some(Text::Phone),
            Self::Role => Some(Text::Role),
            Self::Company => Some(Text::Company),
        }
    }
}

impl Order {
    /// Newest first, as the table has them.
    pub const NEWEST_FIRST: Self = Self { by: SortBy::CreatedAt, descending: true };
}

impl Place {
    /// The place of a contact in the order of creation.
    #[must_use]
    pub fn created(at: Timestamp, id: ContactId) -> Self {
        Self { key: moment(at.ms()).to_vec(), id }
    }

    /// The moment that the place's key is, if it is one.
    #[must_use]
    pub fn moment(&self) -> Option<Timestamp> {
        let biased = u64::from_be_bytes(self.key.as_slice().try_into().ok()?);
        let ms = (biased ^ (1 << 63)) as i64;
        Some(Timestamp::from_ms(ms)).filter(|at| at.ms() == ms)
    }
}

impl<'a> Scan<'a> {
    /// Begins a pass.
    #[must_use]
    pub fn new(filter: &'a Filter, order: Order, slice: &'a Slice) -> Self {
        let after = match slice {
            Slice::Page(_) => None,
            Slice::After(place) => Some(place),
        };
        Self { filter, order, after, candidates: Vec::new(), keys: Vec::new(), found: Found::default() }
    }

    /// Looks at a bucket, which has this number in [`Found::rows`].
    pub fn add(&mut self, number: usize, bucket: &Bucket) {
        for (row, passes) in self.filter.rows(bucket).into_iter().enumerate() {
            if !passes {
                continue;
            }
            self.found.with_email += u64::from(bucket.has(row, flag::EMAIL_WITH_AT));
            self.found.with_phone += u64::from(bucket.has(row, flag::PHONE_NOT_EMPTY));
            if !self.filter.lists(bucket, row) {
                continue;
            }
            self.found.total += 1;
            self.offer(number, bucket, row);
        }
    }

    /// The counts and the page.
    #[must_use]
    pub fn finish(mut self, slice: &Slice, limit: u32) -> Found {
        let limit = limit as usize;
        let skip = match slice {
            Slice::Page(page) => page.saturating_sub(1).saturating_mul(limit as u64),
            Slice::After(_) => 0,
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let more = skip.saturating_add(limit) < self.candidates.len();
        let window = self.window(skip, limit);
        let page = &self.candidates[window];
        let next = page.last().filter(|_| more).map(|last| self.place(last));
        let rows = page.iter().map(|candidate| (candidate.bucket as usize, candidate.row as usize)).collect();
        Found { rows, next, ..self.found }
    }

    fn offer(&mut self, number: usize, bucket: &Bucket, row: usize) {
        let moment_bytes;
        let key = match (self.order.by.text(), self.order.by) {
            (Some(text), _) => cut(bucket.folded(text).get(row)),
            (None, SortBy::UpdatedAt) => {
                moment_bytes = moment(bucket.updated_ms[row]);
                &moment_bytes[..]
            }
            (None, _) => {
                moment_bytes = moment(bucket.created_ms[row]);
                &moment_bytes[..]
            }
        };
        let id = *bucket.ids[row].as_bytes();
        if self.after.is_some_and(|after| !self.follows((key, &id), (&after.key, after.id.0.as_bytes()))) {
            return;
        }
        let (Ok(key_start), Ok(bucket), Ok(row)) = (u32::try_from(self.keys.len()), u32::try_from(number), u32::try_from(row)) else {
            unreachable!("an account that is searched has at most 200,000 contacts");
        };
        self.keys.extend_from_slice(key);
        self.candidates.push(Candidate { prefix: prefix(key), key_start, key_bytes: key.len() as u16, id, bucket, row });
    }

    fn follows(&self, this: (&[u8], &[u8; UUID_BYTES]), other: (&[u8], &[u8; UUID_BYTES])) -> bool {
        this.cmp(&other) == if self.order.descending { Ordering::Less } else { Ordering::Greater }
    }

    /// Brings the candidates from `skip` on into order, `limit` of them: where they are then.
    fn window(&mut self, skip: usize, limit: usize) -> Range<usize> {
        let (keys, descending) = (&self.keys, self.order.descending);
        let compare = |a: &Candidate, b: &Candidate| {
            let ascending = a.prefix.cmp(&b.prefix).then_with(|| a.key(keys).cmp(b.key(keys))).then_with(|| a.id.cmp(&b.id));
            if descending { ascending.reverse() } else { ascending }
        };
        let count = self.candidates.len();
        if skip >= count {
            return count..count;
        }
        if skip > 0 {
            self.candidates.select_nth_unstable_by(skip, compare);
        }
        let rest = &mut self.candidates[skip..];
        let limit = limit.min(rest.len());
        if limit < rest.len() {
            rest.select_nth_unstable_by(limit, compare);
        }
        rest[..limit].sort_unstable_by(compare);
        skip..skip + limit
    }

    fn place(&self, candidate: &Candidate) -> Place {
        Place { key: candidate.key(&self.keys).to_vec(), id: ContactId(Uuid::from_bytes(candidate.id)) }
    }
}

impl Candidate {
    fn key<'k>(&self, keys: &'k [u8]) -> &'k [u8] {
        let start = self.key_start as usize;
        &keys[start..start + usize::from(self.key_bytes)]
    }
}

/// Bytes in the order of the moments.
fn moment(ms: i64) -> [u8; 8] {
    ((ms as u64) ^ (1 << 63)).to_be_bytes()
}

fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let count = key.len().min(8);
    bytes[..count].copy_from_slice(&key[..count]);
    u64::from_be_bytes(bytes)
}

fn cut(key: &[u8]) -> &[u8] {
    &key[..key.len().min(KEY_BYTES_MAX)]
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

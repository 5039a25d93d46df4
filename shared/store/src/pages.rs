//! Access patterns 8 to 10: a page of contacts, newest first: of the account or of one job, by its number or after a place.

use std::collections::BTreeMap;

use domain::{Contact, ContactId, Job, JobId, Root, Timestamp, UserId};

use crate::calls::{Index, Range};
use crate::directory::{Directory, Key};
use crate::draft::{to_chunk, to_directory};
use crate::item::{self, Item};
use crate::keys;
use crate::reads::{Found, root_of};
use crate::{StoreError, Table};

/// Tries before a page is answered that a change came into.
const TRIES: u32 = 4;
/// Rows that are read from an end of the list rather than through a chunk of the directory.
const NEAR_ROWS: u64 = 256;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// A page by its number, from 1.
    Page(u64),
    /// What follows a place.
    After(Timestamp, ContactId),
}

/// A page of contacts with their jobs and what is counted beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows, newest first.
    pub contacts: Vec<Contact>,
    /// The jobs of the rows.
    pub jobs: BTreeMap<JobId, Job>,
    /// Rows of the whole list.
    pub total: u64,
    /// Of them with `@` in their e-mail address.
    pub with_email: u64,
    /// Of them with a phone that is not empty.
    pub with_phone: u64,
    /// Jobs with contacts, narrowed as the list is.
    pub total_jobs: u64,
    /// The last row if more follow.
    pub next: Option<(Timestamp, ContactId)>,
}

impl Table {
    /// A page of the account's contacts, or of one job's: nothing when there is no such job. At most four trips.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn contact_page(
        &self,
        user: &UserId,
        job: Option<JobId>,
        slice: Slice,
        limit: u32,
    ) -> Result<Found<Option<Page>>, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let found = match job {
                None => self.account_page(user, slice, limit).await,
                Some(job) => self.job_page(user, job, slice, limit).await,
            };
            match found {
                Err(StoreError::Conflict { .. }) if tries < TRIES => {}
                Ok(found) if !found.settled && tries < TRIES => {}
                found => return found,
            }
        }
    }

    async fn account_page(&self, user: &UserId, slice: Slice, limit: u32) -> Result<Found<Option<Page>>, StoreError> {
        let found = self.transact_get(&[item::key(user, keys::ROOT), item::key(user, keys::DIRECTORY)]).await?;
        let root = root_of(found.first())?.unwrap_or_default();
        let directory = found.get(1).and_then(Option::as_ref).map(to_directory).transpose()?.unwrap_or_default();
        let total = root.contacts.all;
        let window = match slice {
            Slice::Page(page) => match Window::of_page(page, limit, total) {
                None => None,
                Some(window) => Some(self.locate(user, &directory, window, total).await?),
            },
            Slice::After(at, id) => {
                (total > 0).then(|| Cut::after(user, Index::L1, keys::CONTACTS_L1.0.to_owned(), keys::contact_l1(at, id), limit))
            }
        };
        let page = Page {
            total,
            with_email: root.contacts.email_with_at,
            with_phone: root.contacts.phone_not_empty,
            total_jobs: root.jobs.with_contacts,
            ..Page::default()
        };
        self.fill(user, &root, page, window, slice, limit).await
    }

    async fn job_page(&self, user: &UserId, id: JobId, slice: Slice, limit: u32) -> Result<Found<Option<Page>>, StoreError> {
        let (root, job) = self.root_and_job(user, id).await?;
        let Some(job) = job else { return Ok(Found::at(&root, None)) };
        let total = job.counts.all;
        let (from, until) = keys::job_contacts_l2(id);
        let window = match slice {
            Slice::Page(page) => {
                Window::of_page(page, limit, total).map(|window| Cut::from_end(user, Index::L2, (from, until), window, total))
            }
            Slice::After(at, contact) => (total > 0).then(|| Cut::after(user, Index::L2, from, keys::contact_l2(id, at, contact), limit)),
        };
        let page = Page {
            total,
            with_email: job.counts.email_with_at,
            with_phone: job.counts.phone_not_empty,
            total_jobs: u64::from(total > 0),
            ..Page::default()
        };
        self.fill(user, &root, page, window, slice, limit).await
    }

    /// Where the window's rows lie: from an end of the list, or through the chunk that holds it.
    async fn locate(&self, user: &UserId, directory: &Directory, window: Window, total: u64) -> Result<Cut, StoreError> {
        let ends = (keys::CONTACTS_L1.0.to_owned(), keys::CONTACTS_L1.1.to_owned());
        if window.until <= NEAR_ROWS || total - window.from <= NEAR_ROWS {
            return Ok(Cut::from_end(user, Index::L1, ends, window, total));
        }
        let moved = || StoreError::malformed(keys::DIRECTORY, "the directory and the root disagree");
        let (first, before_first) = directory.chunk_at(window.from).ok_or_else(moved)?;
        let (last, _) = directory.chunk_at(window.until - 1).ok_or_else(moved)?;
        let chunks: Vec<Item> = directory.chunks[first..=last].iter().map(|chunk| item::key(user, &keys::chunk(chunk.number))).collect();
        let found = self.batch_get(chunks).await?;
        let mut starts = Vec::new();
        let mut position = before_first;
        for chunk in &directory.chunks[first..=last] {
            let sk = keys::chunk(chunk.number);
            // A chunk that went away or changed meanwhile shows when the root is read again.
            let item = found.iter().find(|item| item::sk(item) == sk).ok_or(StoreError::Conflict { operation: "reading a page" })?;
            for bucket in to_chunk(item)?.0 {
                starts.push((position, Key::first_of(&bucket.start)));
                position += u64::from(bucket.count);
            }
        }
        let next = directory.chunks.get(last + 1).map(|chunk| Key::first_of(&chunk.start));
        let low = starts.iter().rev().find(|(at, _)| *at <= window.from).ok_or(StoreError::Conflict { operation: "reading a page" })?;
        let high = starts.iter().find(|(at, _)| *at >= window.until).map_or((position, next), |(at, key)| (*at, Some(*key)));
        // Both ends of a range belong to it, the start of the next bucket does not.
        Ok(Cut::between(user, window, (low.0, low.1.l1()), (high.0, high.1.map(|key| key.before().l1()))))
    }

    /// Reads the rows, then their jobs and the root again in one snapshot: if the root is still the same, all are of its revision.
    async fn fill(
        &self,
        user: &UserId,
        root: &Root,
        mut page: Page,
        cut: Option<Cut>,
        slice: Slice,
        limit: u32,
    ) -> Result<Found<Option<Page>>, StoreError> {
        let Some(cut) = cut else { return Ok(Found::at(root, Some(page))) };
        let mut rows = self.rows(&cut).await?;
        let more = match slice {
            Slice::Page(number) => number.saturating_mul(u64::from(limit)) < page.total,
            Slice::After(at, id) => {
                rows.retain(|row| (row.created_at, row.id) < (at, id));
                let more = rows.len() > limit as usize;
                rows.truncate(limit as usize);
                more
            }
        };
        page.next = rows.last().filter(|_| more).map(|row| (row.created_at, row.id));
        let ids = rows.iter().map(|row| row.job_id).collect();
        let (jobs, settled) = self.jobs_at(user, &ids, root.rev).await?;
        page.jobs = jobs;
        if rows.iter().any(|row| !page.jobs.contains_key(&row.job_id)) {
            return Err(StoreError::Conflict { operation: "reading a page" });
        }
        page.contacts = rows;
        Ok(Found::at(root, Some(page)).settled(settled))
    }

    /// The rows of a cut. What is skipped is dropped page by page: the middle of a large job needs the memory of one page.
    async fn rows(&self, cut: &Cut) -> Result<Vec<Contact>, StoreError> {
        let (mut skip, mut left) = (cut.skip, cut.range.limit);
        let (mut rows, mut start) = (Vec::new(), None);
        loop {
            let (found, next) = self.query_page(&cut.range, left, start).await?;
            for item in found.iter().skip(skip) {
                rows.push(item::to_contact(item)?);
            }
            skip = skip.saturating_sub(found.len());
            left = left.map(|left| left.saturating_sub(found.len()));
            start = next;
            if start.is_none() || left == Some(0) {
                break;
            }
        }
        if !cut.range.descending {
            rows.reverse();
        }
        Ok(rows)
    }

    /// Jobs and the root in one snapshot.
    pub(crate) async fn jobs_and_root(&self, user: &UserId, ids: &[JobId]) -> Result<(Option<Root>, Vec<Job>), StoreError> {
        let sks = [keys::ROOT.to_owned()].into_iter().chain(ids.iter().map(|id| keys::job(*id)));
        let keys: Vec<Item> = sks.map(|sk| item::key(user, &sk)).collect();
        let found = self.transact_get(&keys).await?;
        let jobs = found.iter().skip(1).flatten().map(item::body).collect::<Result<_, _>>()?;
        Ok((root_of(found.first())?, jobs))
    }
}

/// Positions of a page's rows, counted from the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    from: u64,
    until: u64,
}

impl Window {
    /// The window of a page that is counted from the newest; none past the end.
    fn of_page(page: u64, limit: u32, total: u64) -> Option<Self> {
        let newer = page.checked_sub(1)?.checked_mul(u64::from(limit)).filter(|newer| *newer < total)?;
        let until = total - newer;
        Some(Self { from: until.saturating_sub(u64::from(limit)), until })
    }
}

/// A range whose rows, after some that are skipped, are the page's.
#[derive(Debug)]
struct Cut {
    range: Range,
    skip: usize,
}

impl Cut {
    fn new(user: &UserId, index: Index, from: String, until: String, descending: bool, skip: u64, rows: u64) -> Self {
        let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let limit = Some(count(skip + rows));
        Self { range: Range { index, pk: keys::user(user), from, until, descending, limit }, skip: count(skip) }
    }

    /// From the nearer end of a list of `total` rows.
    fn from_end(user: &UserId, index: Index, (from, until): (String, String), window: Window, total: u64) -> Self {
        let descending = total - window.until <= window.from;
        let skip = if descending { total - window.until } else { window.from };
        Self::new(user, index, from, until, descending, skip, window.until - window.from)
    }

    /// From the nearer of two bucket starts around the window; the upper one may be the end of the list.
    fn between(user: &UserId, window: Window, low: (u64, String), high: (u64, Option<String>)) -> Self {
        let descending = high.0 - window.until <= window.from - low.0;
        let skip = if descending { high.0 - window.until } else { window.from - low.0 };
        let until = high.1.unwrap_or_else(|| keys::CONTACTS_L1.1.to_owned());
        Self::new(user, Index::L1, low.1, until, descending, skip, window.until - window.from)
    }

    /// The rows below a place, which is in the range itself, and one more to know whether others follow.
    fn after(user: &UserId, index: Index, from: String, place: String, limit: u32) -> Self {
        Self::new(user, index, from, place, true, 0, u64::from(limit) + 2)
    }
}

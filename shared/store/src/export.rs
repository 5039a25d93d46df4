//! Access pattern 11: many contacts with their jobs, newest first, page by page, all of one revision.

use std::collections::HashMap;

use domain::{Contact, ContactId, Job, JobId, Rev, Root, UserId};

use crate::calls::{Index, Range};
use crate::item::{self, Item};
use crate::keys;
use crate::{StoreError, Table};

/// Jobs that are remembered from page to page.
const JOBS_KEPT_MAX: usize = 2_000;

/// Which contacts are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of the account.
    All,
    /// Those of a job.
    Job(JobId),
    /// Those of some ids that are there, of a job if one is given.
    Ids(Vec<ContactId>, Option<JobId>),
}

/// Contacts being read. A page is what one query answers, at most 1 MB of items, so an account of any size needs the memory of one page.
///
/// All that is shown is of the revision at the beginning, or [`StoreError::Conflict`] says that a change came between: then begin again.
#[derive(Debug)]
pub struct ContactReader<'a> {
    table: &'a Table,
    user: &'a UserId,
    root: Root,
    total: u64,
    /// Whether the table itself counts `total`.
    counted: bool,
    read: u64,
    left: Left,
    jobs: HashMap<JobId, Job>,
}

/// What is still to be read.
#[derive(Debug)]
enum Left {
    /// A range from a place on.
    Range(Box<Range>, Option<Item>),
    /// Contacts that were read already.
    Rows(Vec<Contact>),
    Nothing,
}

/// A page of contacts with their jobs.
#[derive(Debug)]
pub struct Rows<'r> {
    contacts: Vec<Contact>,
    jobs: &'r HashMap<JobId, Job>,
}

impl Rows<'_> {
    /// The contacts, newest first, each with its job.
    pub fn iter(&self) -> impl Iterator<Item = (&Contact, &Job)> {
        // A page is handed out only with the jobs of all its contacts.
        self.contacts.iter().filter_map(|contact| Some((contact, self.jobs.get(&contact.job_id)?)))
    }
}

impl Table {
    /// Begins to read contacts.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read_contacts<'a>(&'a self, user: &'a UserId, selection: &Selection) -> Result<ContactReader<'a>, StoreError> {
        let counted = !matches!(selection, Selection::Ids(..));
        let begin = |root: Root, total, left| {
            let left = if total == 0 { Left::Nothing } else { left };
            ContactReader { table: self, user, root, total, counted, read: 0, left, jobs: HashMap::new() }
        };
        let range = |index, from, until| {
            let range = Range { index, pk: keys::user(user), from, until, descending: true, limit: None };
            Left::Range(Box::new(range), None)
        };
        match selection {
            Selection::All => {
                let root = self.root(user).await?.unwrap_or_default();
                let total = root.contacts.all;
                Ok(begin(root, total, range(Index::L1, keys::CONTACTS_L1.0.to_owned(), keys::CONTACTS_L1.1.to_owned())))
            }
            Selection::Job(id) => {
                let (root, job) = self.root_and_job(user, *id).await?;
                let (from, until) = keys::job_contacts_l2(*id);
                Ok(begin(root, job.map_or(0, |job| job.counts.all), range(Index::L2, from, until)))
            }
            Selection::Ids(ids, job) => {
                let Some(root) = self.root(user).await? else { return Ok(begin(Root::default(), 0, Left::Nothing)) };
                let mut rows = self.contacts_of_ids(user, ids, root.rev).await?;
                rows.retain(|contact| job.is_none_or(|job| contact.job_id == job));
                Ok(begin(root, rows.len() as u64, Left::Rows(rows)))
            }
        }
    }

    /// The contacts of some ids, newest first.
    async fn contacts_of_ids(&self, user: &UserId, ids: &[ContactId], rev: Rev) -> Result<Vec<Contact>, StoreError> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(100) {
            let keys = ids.iter().map(|id| item::key(user, &keys::contact(*id))).collect();
            for found in self.batch_get(keys).await? {
                rows.push(item::to_contact(unchanged(&found, rev)?)?);
            }
        }
        rows.sort_unstable_by_key(|contact| std::cmp::Reverse((contact.created_at, contact.id)));
        Ok(rows)
    }
}

impl ContactReader<'_> {
    /// The root of the revision that is read.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Contacts in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The next page; nothing after the last.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Conflict`] as soon as something newer shows.
    pub async fn next(&mut self) -> Result<Option<Rows<'_>>, StoreError> {
        let contacts = match std::mem::replace(&mut self.left, Left::Nothing) {
            Left::Nothing => return Ok(None),
            Left::Rows(rows) => rows,
            Left::Range(range, start) => {
                let (found, next) = self.table.query_page(&range, None, start).await?;
                if next.is_some() {
                    self.left = Left::Range(range, next);
                }
                found.iter().map(|item| item::to_contact(unchanged(item, self.root.rev)?)).collect::<Result<_, _>>()?
            }
        };
        self.read += contacts.len() as u64;
        self.load_jobs(&contacts).await?;
        Ok(Some(Rows { contacts, jobs: &self.jobs }))
    }

    /// After the last page: that all pages together were the revision's contacts.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when they were not; else see [`StoreError`].
    pub async fn finish(self) -> Result<(), StoreError> {
        // No row or job was newer than the root. Then as many rows as the root, or its job, counts are exactly those of its revision, whatever was
        // written since. For ids nothing is counted.
        let whole = self.read == self.total && (self.counted || self.table.rev(self.user).await? == self.root.rev);
        if whole { Ok(()) } else { Err(moved()) }
    }

    /// Reads the jobs of some contacts as far as they are not known.
    async fn load_jobs(&mut self, contacts: &[Contact]) -> Result<(), StoreError> {
        if self.jobs.len() > JOBS_KEPT_MAX {
            self.jobs.clear();
        }
        let mut ids: Vec<JobId> = contacts.iter().map(|contact| contact.job_id).filter(|id| !self.jobs.contains_key(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        for ids in ids.chunks(100) {
            let found = self.table.batch_get(ids.iter().map(|id| item::key(self.user, &keys::job(*id))).collect()).await?;
            if found.len() < ids.len() {
                return Err(moved());
            }
            for found in &found {
                let job: Job = item::body(unchanged(found, self.root.rev)?)?;
                self.jobs.insert(job.id, job);
            }
        }
        Ok(())
    }
}

/// An item, if no transaction after `rev` wrote it.
fn unchanged(found: &Item, rev: Rev) -> Result<&Item, StoreError> {
    if item::rev(found)? > rev { Err(moved()) } else { Ok(found) }
}

fn moved() -> StoreError {
    StoreError::Conflict { operation: "reading contacts" }
}

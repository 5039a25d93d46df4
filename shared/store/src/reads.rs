//! Reads of single things, each labelled with the `rev` of what it shows. Numbers of access patterns: docs/table.md.

use std::collections::BTreeMap;

use domain::{Contact, ContactId, FeedName, Job, JobId, Plans, Rev, Root, Stats, Timestamp, UserId};

use crate::calls::{Index, Range};
use crate::item::{self, Item};
use crate::keys;
use crate::writes::job_contacts;
use crate::{StoreError, Table};

/// Where a user's data stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// The newest revision; 0 without an account.
    pub rev: Rev,
    /// When it was committed, if the root says so.
    pub at: Option<Timestamp>,
}

/// What was read, and of which state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The revision that was read before, or in one snapshot with, the value.
    pub rev: Rev,
    /// Set when the account was deleted (D14).
    pub deleted_at: Option<Timestamp>,
    /// Whether the value is exactly that revision's. If not, a change came between two calls: it may be shown, not kept.
    pub settled: bool,
    /// The value.
    pub value: T,
}

impl<T> Found<T> {
    pub(crate) fn at(root: &Root, value: T) -> Self {
        Self { rev: root.rev, deleted_at: root.deleted_at, settled: true, value }
    }

    pub(crate) fn settled(self, settled: bool) -> Self {
        Self { settled, ..self }
    }
}

/// Jobs, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jobs {
    /// The rows.
    pub jobs: Vec<Job>,
    /// The last row if more follow.
    pub next: Option<(Timestamp, JobId)>,
}

/// Tries of a read that takes two trips.
const CONTACT_TRIES: u32 = 4;

impl Table {
    /// Access pattern 1: the root; nothing for a user that has no account yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn root(&self, user: &UserId) -> Result<Option<Root>, StoreError> {
        self.get(item::key(user, keys::ROOT)).await?.as_ref().map(item::body).transpose()
    }

    /// Access pattern 2: the stats, with the groups that live in items of their own.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn stats(&self, user: &UserId) -> Result<Found<Stats>, StoreError> {
        let found = self.get(item::key(user, keys::STATS)).await?;
        let stats: Stats = found.as_ref().map(item::body).transpose()?.unwrap_or_default();
        let mut found = Found { rev: stats.rev, deleted_at: stats.deleted_at, settled: true, value: stats };
        if found.value.spilled() {
            let groups = self.groups(user).await?;
            // The groups are read after the stats: they are of the same state if the root is.
            found.settled = self.rev(user).await? == found.rev;
            found.value.merge_groups(groups);
        }
        Ok(found)
    }

    /// Groups that live in items of their own.
    pub(crate) async fn groups(&self, user: &UserId) -> Result<BTreeMap<domain::GroupKey, u64>, StoreError> {
        let mut groups = BTreeMap::new();
        for found in self.query(whole(user, keys::GROUPS)).await? {
            if let Some(key) = keys::group_of(item::sk(&found)) {
                groups.insert(key, item::count(&found)?);
            }
        }
        Ok(groups)
    }

    /// Where a user's data stands: read to look behind an answer of the cache.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn head(&self, user: &UserId) -> Result<Head, StoreError> {
        let Some(root) = self.get(item::key(user, keys::ROOT)).await? else { return Ok(Head::default()) };
        Ok(Head { rev: item::rev(&root)?, at: item::at(&root) })
    }

    /// The revision of a user; 0 without an account.
    pub(crate) async fn rev(&self, user: &UserId) -> Result<Rev, StoreError> {
        Ok(self.root(user).await?.map(|root| root.rev).unwrap_or_default())
    }

    /// Access pattern 3: one contact with its job, in one snapshot; two trips.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn contact(&self, user: &UserId, id: ContactId) -> Result<Found<Option<(Contact, Job)>>, StoreError> {
        // A contact can be created, or moved to another job, between the two trips: then the job asked for is not its own.
        for _ in 0..CONTACT_TRIES {
            if let Some(found) = self.try_contact(user, id).await? {
                return Ok(found);
            }
        }
        Err(StoreError::Conflict { operation: "reading a contact" })
    }

    async fn try_contact(&self, user: &UserId, id: ContactId) -> Result<Option<Found<Option<(Contact, Job)>>>, StoreError> {
        let contact_key = item::key(user, &keys::contact(id));
        let hint = self.get(contact_key.clone()).await?.as_ref().map(item::to_contact).transpose()?;
        let mut keys = vec![item::key(user, keys::ROOT), contact_key];
        keys.extend(hint.iter().map(|contact| item::key(user, &keys::job(contact.job_id))));
        let found = self.transact_get(&keys).await?;
        let root = root_of(found.first())?;
        let contact = found.get(1).and_then(Option::as_ref).map(item::to_contact).transpose()?;
        let job = found.get(2).and_then(Option::as_ref).map(item::body::<Job>).transpose()?;
        let Some(root) = root else { return Ok(Some(Found::at(&Root::default(), None))) };
        Ok(match (contact, job) {
            (None, _) => Some(Found::at(&root, None)),
            (Some(contact), Some(job)) if contact.job_id == job.id => Some(Found::at(&root, Some((contact, job)))),
            (Some(_), _) => None,
        })
    }

    /// Access pattern 4: a job with its contacts, oldest first; two trips.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job_contacts(&self, user: &UserId, id: JobId) -> Result<Found<Option<(Job, Vec<Contact>)>>, StoreError> {
        let (root, job) = self.root_and_job(user, id).await?;
        let Some(job) = job else { return Ok(Found::at(&root, None)) };
        let (range, mut start) = (job_contacts(user, id, None), None);
        let (mut contacts, mut newest) = (Vec::new(), Rev::default());
        loop {
            // An item takes several times the memory of its contact, so they are converted page by page.
            let (found, next) = self.query_page(&range, None, start).await?;
            for item in &found {
                newest = newest.max(item::rev(item)?);
                contacts.push(item::to_contact(item)?);
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        let settled = self.is_whole(user, &root, (contacts.len() as u64, job.counts.all), newest).await?;
        Ok(Found::at(&root, Some((job, contacts))).settled(settled))
    }

    /// Access pattern 25: the root and one job in one snapshot. Without an account there is no job.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn root_and_job(&self, user: &UserId, id: JobId) -> Result<(Root, Option<Job>), StoreError> {
        let found = self.transact_get(&[item::key(user, keys::ROOT), item::key(user, &keys::job(id))]).await?;
        let Some(root) = root_of(found.first())? else { return Ok((Root::default(), None)) };
        let job = found.get(1).and_then(Option::as_ref).map(item::body).transpose()?;
        Ok((root, job))
    }

    /// Whether rows that were read after the root, the newest of them of revision `newest`, are all of its revision.
    ///
    /// Rows that no later transaction wrote, as many as there were: then they are the rows of that revision. Otherwise the root is
    /// asked again.
    async fn is_whole(&self, user: &UserId, root: &Root, (rows, count): (u64, u64), newest: Rev) -> Result<bool, StoreError> {
        Ok(rows == count && newest <= root.rev || self.rev(user).await? == root.rev)
    }

    /// Access pattern 5: at most `limit` jobs, newest first, or those after a place; two trips.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn jobs(&self, user: &UserId, after: Option<(Timestamp, JobId)>, limit: usize) -> Result<Found<Jobs>, StoreError> {
        let Some(root) = self.root(user).await? else {
            return Ok(Found::at(&Root::default(), Jobs { jobs: Vec::new(), next: None }));
        };
        // The place itself is in the range: it is dropped below.
        let until = after.map_or_else(|| keys::JOBS_L1.1.to_owned(), |(at, id)| keys::job_l1(at, id));
        let range = Range {
            index: Index::L1,
            pk: keys::user(user),
            from: keys::JOBS_L1.0.to_owned(),
            until,
            descending: true,
            limit: Some(limit + 2),
        };
        let found = self.query(range).await?;
        let revs = found.iter().map(item::rev).collect::<Result<Vec<_>, _>>()?;
        let newest = revs.into_iter().max().unwrap_or_default();
        let settled = self.is_whole(user, &root, (found.len() as u64, root.jobs.all), newest).await?;
        let mut jobs = found.iter().map(item::body::<Job>).collect::<Result<Vec<_>, _>>()?;
        jobs.retain(|job| after != Some((job.created_at, job.id)));
        let next = (jobs.len() > limit).then(|| (jobs[limit - 1].created_at, jobs[limit - 1].id));
        jobs.truncate(limit);
        Ok(Found::at(&root, Jobs { jobs, next }).settled(settled))
    }

    /// Reads the file names that are too long for the root's feed: no trip when there are none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn fill_feed_names(&self, user: &UserId, root: &mut Root) -> Result<(), StoreError> {
        let long = root.feed.iter().filter(|entry| matches!(entry.file_name, FeedName::Long(_)));
        let keys: Vec<Item> = long.map(|entry| item::key(user, &keys::job(entry.key.1))).collect();
        if keys.is_empty() {
            return Ok(());
        }
        for found in self.batch_get(keys).await? {
            let job: Job = item::body(&found)?;
            if let Some(entry) = root.feed.iter_mut().find(|entry| entry.key.1 == job.id) {
                entry.file_name = FeedName::Known(job.file_name);
            }
        }
        Ok(())
    }

    /// Access pattern 6: the stored catalogue; nothing until one was stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn plans(&self) -> Result<Option<Plans>, StoreError> {
        let Some(text) = self.catalogue(keys::PLANS).await? else { return Ok(None) };
        Plans::from_json(&text).map(Some).map_err(|source| StoreError::malformed(keys::PLANS, source))
    }

    /// Access pattern 7: the identity provider's key set as JSON; nothing until one was stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn jwks(&self) -> Result<Option<String>, StoreError> {
        self.catalogue(keys::JWKS).await
    }

    /// Stores the identity provider's key set in the place of the one before.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn put_jwks(&self, set: &serde_json::value::RawValue) -> Result<(), StoreError> {
        self.put_all(vec![item::bodied(item::key_of(keys::CATALOG, keys::JWKS), &set)]).await
    }

    /// An item that all users share.
    async fn catalogue(&self, sk: &str) -> Result<Option<String>, StoreError> {
        let found = self.get(item::key_of(keys::CATALOG, sk)).await?;
        let json = found.as_ref().map(item::body::<Box<serde_json::value::RawValue>>).transpose()?;
        Ok(json.map(|json| json.get().to_owned()))
    }
}

/// All items whose sort keys begin alike.
pub(crate) fn whole(user: &UserId, (from, until): (&str, &str)) -> Range {
    Range { index: Index::Table, pk: keys::user(user), from: from.to_owned(), until: until.to_owned(), descending: false, limit: None }
}

pub(crate) fn root_of(found: Option<&Option<Item>>) -> Result<Option<Root>, StoreError> {
    found.and_then(Option::as_ref).map(item::body).transpose()
}

//! Access patterns 21 to 24: what a search goes over: the buckets of an account, each one's rows, the jobs of a production, jobs by id.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use domain::{Contact, Counts, Job, JobId, ProductionId, Rev, Root, UserId};
use futures::future::try_join_all;

use crate::calls::{Index, Range};
use crate::directory::{Bucket, Chunk, Directory, Key};
use crate::draft::{to_chunk, to_directory};
use crate::item::{self, Item};
use crate::keys;
use crate::reads::{Found, root_of};
use crate::{StoreError, Table};

/// Keys of one `BatchGetItem`.
const BATCH: usize = 100;
/// Jobs of one snapshot, which the root is part of too.
const SNAPSHOT_JOBS: usize = 99;

/// The buckets of an account's contacts at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Counters over all contacts.
    pub counts: Counts,
    /// Jobs with contacts.
    pub jobs_with_contacts: u64,
    /// The buckets, oldest first; none when there are more contacts than asked for.
    pub buckets: Vec<BucketRef>,
}

/// One bucket: where it lies, and what is known of it without reading its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRef {
    start: Vec<u8>,
    /// Start of the next one.
    until: Option<Vec<u8>>,
    /// Rows.
    pub count: u32,
    /// Rows that can be reached.
    pub reachable: u32,
    version: u64,
}

/// Rows of a bucket as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRows {
    /// Oldest first.
    pub contacts: Vec<Contact>,
    /// Whether they are exactly the rows of the revision that the bucket was named at. Only then they may be kept under its name.
    pub whole: bool,
}

impl BucketRef {
    /// Names the bucket's content among those of its user: what is under one name never changes.
    #[must_use]
    pub fn name(&self) -> String {
        let start: String = self.start.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{start}.{}", self.version)
    }
}

impl Table {
    /// Access pattern 21: the buckets of an account with at most `rows_max` contacts, as of one revision; two trips.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a change came between the trips; else see [`StoreError`].
    pub async fn buckets(&self, user: &UserId, rows_max: u64) -> Result<Found<Buckets>, StoreError> {
        let found = self.transact_get(&[item::key(user, keys::ROOT), item::key(user, keys::DIRECTORY)]).await?;
        let root = root_of(found.first())?.unwrap_or_default();
        let directory = found.get(1).and_then(Option::as_ref).map(to_directory).transpose()?.unwrap_or_default();
        let mut value = Buckets { counts: root.contacts, jobs_with_contacts: root.jobs.with_contacts, buckets: Vec::new() };
        if value.counts.all > 0 && value.counts.all <= rows_max {
            value.buckets = refs(self.chunks(user, &root, &directory).await?);
        }
        Ok(Found::at(&root, value))
    }

    /// The directory's chunks as they were at the root's revision.
    async fn chunks(&self, user: &UserId, root: &Root, directory: &Directory) -> Result<Vec<Chunk>, StoreError> {
        let keys: Vec<Item> = directory.chunks.iter().map(|chunk| item::key(user, &keys::chunk(chunk.number))).collect();
        let found = try_join_all(keys.chunks(BATCH).map(|keys| self.batch_get(keys.to_vec()))).await?;
        let mut by_sk: BTreeMap<&str, &Item> = found.iter().flatten().map(|found| (item::sk(found), found)).collect();
        let changed = || StoreError::Conflict { operation: "reading the directory" };
        let mut chunks = Vec::new();
        for known in &directory.chunks {
            let chunk = to_chunk(by_sk.remove(keys::chunk(known.number).as_str()).ok_or_else(changed)?)?;
            // A later change leaves its revision on a bucket, or takes buckets away: then the totals differ.
            let later = chunk.0.iter().any(|bucket| bucket.version > root.rev.0);
            if later || chunk.totals() != (known.count, known.reachable) {
                return Err(changed());
            }
            chunks.push(chunk);
        }
        Ok(chunks)
    }

    /// Access pattern 22: the rows of a bucket that [`Table::buckets`] named at revision `at`; one trip.
    ///
    /// Every change writes its revision on its row. So rows that are as many as there were, none of them later than `at`, are those of `at`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn bucket_rows(&self, user: &UserId, bucket: &BucketRef, at: Rev) -> Result<BucketRows, StoreError> {
        // Both ends of a range belong to it, the start of the next bucket does not.
        let until = bucket.until.as_ref().map(|until| Key::first_of(until).before().l1());
        let range = Range {
            index: Index::L1,
            pk: keys::user(user),
            from: if bucket.start.is_empty() { keys::CONTACTS_L1.0.to_owned() } else { Key::first_of(&bucket.start).l1() },
            until: until.unwrap_or_else(|| keys::CONTACTS_L1.1.to_owned()),
            descending: false,
            limit: None,
        };
        let found = self.query(range).await?;
        let mut whole = found.len() == bucket.count as usize;
        for row in &found {
            whole &= item::rev(row)? <= at;
        }
        Ok(BucketRows { contacts: found.iter().map(item::to_contact).collect::<Result<_, _>>()?, whole })
    }

    /// Access pattern 23: the jobs of a production that have contacts. Of no revision: who reads them looks at the root again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn jobs_of_production(&self, user: &UserId, production: ProductionId) -> Result<HashSet<JobId>, StoreError> {
        let (from, until) = (keys::JOBS_L2.0.to_owned(), keys::JOBS_L2.1.to_owned());
        let range = Range { index: Index::L2, pk: keys::user(user), from, until, descending: false, limit: None };
        let mut jobs = HashSet::new();
        let mut start = None;
        loop {
            // Page by page: an account may have as many jobs as contacts.
            let (found, next) = self.query_page(&range, None, start).await?;
            for job in &found {
                let job: Job = item::body(job)?;
                jobs.extend((job.production_id == Some(production)).then_some(job.id));
            }
            start = next;
            if start.is_none() {
                return Ok(jobs);
            }
        }
    }

    /// Access pattern 24: jobs by their ids, and whether the user is still at revision `at`; one trip for up to 99 jobs. Jobs that are gone are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn jobs_at(&self, user: &UserId, ids: &BTreeSet<JobId>, at: Rev) -> Result<(BTreeMap<JobId, Job>, bool), StoreError> {
        let ids: Vec<JobId> = ids.iter().copied().collect();
        // Without jobs the root is looked at nevertheless.
        let parts: Vec<&[JobId]> = if ids.is_empty() { vec![&[]] } else { ids.chunks(SNAPSHOT_JOBS).collect() };
        let snapshots = try_join_all(parts.into_iter().map(|ids| self.jobs_and_root(user, ids))).await?;
        let settled = snapshots.iter().all(|(root, _)| root.as_ref().map(|root| root.rev).unwrap_or_default() == at);
        let jobs = snapshots.into_iter().flat_map(|(_, jobs)| jobs).map(|job| (job.id, job)).collect();
        Ok((jobs, settled))
    }
}

/// All buckets in order, each with the start of the next.
fn refs(chunks: Vec<Chunk>) -> Vec<BucketRef> {
    let buckets: Vec<Bucket> = chunks.into_iter().flat_map(|chunk| chunk.0).collect();
    let starts = buckets.iter().skip(1).map(|next| Some(next.start.clone())).chain([None]);
    let refs = starts.collect::<Vec<_>>().into_iter().zip(buckets).map(|(until, bucket)| {
        let Bucket { start, count, reachable, version } = bucket;
        BucketRef { start, until, count, reachable, version }
    });
    refs.filter(|bucket| bucket.count > 0).collect()
}

//! Recomputes a user's aggregates from the rows, says what was different, and repairs it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use domain::{Account, Billing, Contact, GroupKey, Job, JobId, JobKey, Rev, Root, Stats, Timestamp, UserId};
use uuid::Uuid;

use crate::calls::{Index, Range};
use crate::directory::{self, Bucket, Chunk, Directory, Editor, Key};
use crate::draft::{Draft, place, to_chunk, to_directory};
use crate::item;
use crate::keys;
use crate::reads::whole;
use crate::write_items::{delete, guard, put, put_root};
use crate::{StoreError, Table};

/// Puts and deletions of one repairing transaction, beside the check of the root.
const REPAIRS: usize = 90;

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The revision that is right now.
    pub rev: Rev,
    /// What was different, in words; normally nothing. All of it is repaired.
    pub differences: Vec<String>,
}

/// What is stored, read before the rows.
struct Stored {
    root: Option<Root>,
    stats: Stats,
    directory: Directory,
    importing: bool,
}

/// What the rows add up to.
struct Counted {
    account: Account,
    groups: BTreeMap<GroupKey, u64>,
    /// Jobs whose counters are wrong, with the right ones.
    jobs: Vec<Job>,
    entries: Vec<(Key, bool)>,
    /// Contacts of jobs that are not there, left by an import that was cut off.
    orphans: Vec<Contact>,
}

impl Table {
    /// Recounts one user and repairs what differs.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the user's data changed meanwhile: a repeat starts again; else see [`StoreError`].
    pub async fn rebuild(&self, user: &UserId, now: Timestamp) -> Result<Rebuilt, StoreError> {
        let stored = self.stored(user).await?;
        let mut counted = self.counted(user, &stored, now).await?;
        let mut differences = Vec::new();
        self.compare(user, &stored, &counted, now, &mut differences).await?;
        let nothing_there = stored.root.is_none() && counted.entries.is_empty() && counted.account.root.jobs.all == 0;
        if !stored.importing && (differences.is_empty() || nothing_there) {
            return Ok(Rebuilt { rev: stored.root.map(|root| root.rev).unwrap_or_default(), differences: Vec::new() });
        }
        let rev = self.repair(user, &stored, &mut counted, now).await?;
        Ok(Rebuilt { rev, differences })
    }

    async fn stored(&self, user: &UserId) -> Result<Stored, StoreError> {
        let keys = [keys::ROOT, keys::STATS, keys::DIRECTORY, keys::IMPORT].map(|sk| item::key(user, sk));
        let found = self.transact_get(&keys).await?;
        let at = |n: usize| found.get(n).and_then(Option::as_ref);
        Ok(Stored {
            root: at(0).map(item::body).transpose()?,
            stats: at(1).map(item::body).transpose()?.unwrap_or_default(),
            directory: at(2).map(to_directory).transpose()?.unwrap_or_default(),
            importing: at(3).is_some(),
        })
    }

    /// Adds up the rows, page by page.
    async fn counted(&self, user: &UserId, stored: &Stored, now: Timestamp) -> Result<Counted, StoreError> {
        let mut account = Account::new(user.clone());
        for found in self.query(whole(user, keys::USAGES)).await? {
            let month = keys::month_of(item::sk(&found)).ok_or_else(|| StoreError::malformed(item::sk(&found), "no month in its key"))?;
            account.set_usage(month, item::body(&found)?);
        }
        if let Some(billing) = self.get(item::key(user, keys::BILLING)).await? {
            account.set_billing(item::body::<Billing>(&billing)?);
        }
        let mut before: Vec<Job> = self.query(whole(user, keys::JOBS)).await?.iter().map(item::body).collect::<Result<_, _>>()?;
        before.sort_by_key(JobKey::of);
        let mut jobs: HashMap<JobId, Job> = HashMap::with_capacity(before.len());
        for job in &before {
            let job = Job { counts: domain::Counts::default(), ..job.clone() };
            account.add_job(&job);
            jobs.insert(job.id, job);
        }
        let (mut entries, mut orphans) = (Vec::new(), Vec::new());
        let (from, until) = keys::CONTACTS_L1;
        let range =
            Range { index: Index::L1, pk: keys::user(user), from: from.into(), until: until.into(), descending: false, limit: None };
        let mut start = None;
        loop {
            let (page, next) = self.query_page(&range, None, start).await?;
            for found in &page {
                let contact = item::to_contact(found)?;
                match jobs.get_mut(&contact.job_id) {
                    Some(job) => {
                        account.add_contact(job, &contact);
                        entries.push((place(&contact), contact.flags().reachable()));
                    }
                    None => orphans.push(contact),
                }
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        if let Some(root) = &stored.root {
            account.root.deleted_at = root.deleted_at;
            account.root.rev = root.rev;
        }
        account.commit(now);
        let groups = account.take_group_deltas().into_iter().map(|(key, count)| (key, count.unsigned_abs())).collect();
        let jobs = before.iter().filter(|job| jobs[&job.id].counts != job.counts).map(|job| jobs[&job.id].clone()).collect();
        Ok(Counted { account, groups, jobs, entries, orphans })
    }

    /// Says what differs.
    async fn compare(
        &self,
        user: &UserId,
        stored: &Stored,
        counted: &Counted,
        now: Timestamp,
        out: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        let (mut root, mut right) = (stored.root.clone().unwrap_or_default(), counted.account.root.clone());
        right.leave_out_as(&root);
        root.leave_out_as(&right);
        differ(out, "contact counters", &root.contacts, &right.contacts);
        differ(out, "job counters", &root.jobs, &right.jobs);
        differ(out, "newest job with contacts", &root.last_extraction, &right.last_extraction);
        differ(out, "usage", &root.usage, &right.usage);
        differ(out, "newest jobs", &root.feed, &right.feed);
        differ(out, "billing", &root.billing, &right.billing);
        let mut seen = stored.stats.clone();
        differ(out, "revision of the stats", &seen.rev, &root.rev);
        if seen.spilled() {
            seen.merge_groups(self.groups(user).await?);
        }
        let mut expected = counted.account.stats.clone();
        expected.merge_groups(counted.groups.clone());
        let shown = |counts: &BTreeMap<String, u64>| {
            counts.iter().filter(|(_, n)| **n > 0).map(|(k, n)| (k.clone(), *n)).collect::<BTreeMap<_, _>>()
        };
        differ(out, "contacts by role", &shown(&seen.roles.inline), &shown(&expected.roles.inline));
        differ(out, "contacts by production", &shown(&seen.productions.inline), &shown(&expected.productions.inline));
        differ(out, "contacts by hour", &seen.hours.reachable(now), &expected.hours.reachable(now));
        differ(out, "contact counters of the stats", &seen.contacts, &expected.contacts);
        differ(out, "jobs with contacts of the stats", &seen.jobs_with_contacts, &expected.jobs_with_contacts);
        differ(out, "newest job with contacts of the stats", &seen.last_extraction, &expected.last_extraction);
        out.extend(counted.jobs.iter().map(|job| format!("contact counters of job {}", job.id)));
        if !counted.orphans.is_empty() {
            out.push(format!("{} contacts without a job", counted.orphans.len()));
        }
        if !self.directory_is_right(user, &stored.directory, &counted.entries).await? {
            out.push("directory of contacts".to_owned());
        }
        Ok(())
    }

    async fn directory_is_right(&self, user: &UserId, stored: &Directory, entries: &[(Key, bool)]) -> Result<bool, StoreError> {
        let found = self.query(whole(user, keys::CHUNKS)).await?;
        // One that nobody names was left by a rebuild that was cut off; one that cannot be read is as good as missing.
        let mut chunks: HashMap<&str, Chunk> = found.iter().filter_map(|found| Some((item::sk(found), to_chunk(found).ok()?))).collect();
        if found.len() != stored.chunks.len() {
            return Ok(false);
        }
        let mut buckets: Vec<Bucket> = Vec::new();
        for chunk in &stored.chunks {
            let Some(found) = chunks.remove(keys::chunk(chunk.number).as_str()) else { return Ok(false) };
            if found.totals() != (chunk.count, chunk.reachable) || found.0.first().is_none_or(|first| first.start != chunk.start) {
                return Ok(false);
            }
            buckets.extend(found.0);
        }
        Ok(stored.top >= entries.last().map(|(key, _)| *key) && fits(&buckets, entries))
    }

    /// Writes what was counted, all on the condition that the root is still the one that was read.
    async fn repair(&self, user: &UserId, stored: &Stored, counted: &mut Counted, now: Timestamp) -> Result<Rev, StoreError> {
        let read = stored.root.as_ref().map(|root| root.rev);
        let rev = counted.account.root.rev;
        let mut writes: Vec<_> = counted.jobs.iter().map(|job| put(self, item::job(user, job, rev))).collect();
        writes.extend(counted.orphans.iter().map(|contact| delete(self, user, &keys::contact(contact.id))));
        writes.extend(counted.groups.iter().map(|(key, count)| put(self, item::group(user, &keys::group(key), *count))));
        let old = self.query(whole(user, keys::GROUPS)).await?;
        let gone = old.iter().filter(|found| keys::group_of(item::sk(found)).is_none_or(|key| !counted.groups.contains_key(&key)));
        writes.extend(gone.map(|found| delete(self, user, item::sk(found))));
        // New chunks get new numbers: until the directory names them nobody looks at them.
        let editor: Editor = directory::build(counted.entries.drain(..), rev.0, stored.directory.next_number);
        let (chunks, _) = editor.changes();
        writes.extend(chunks.iter().map(|(number, chunk)| put(self, item::packed(user, &keys::chunk(*number), chunk.encode()))));
        for part in writes.chunks(REPAIRS) {
            let mut part = part.to_vec();
            part.push(guard(self, user, read));
            self.transact_write(part, &Uuid::new_v4().to_string()).await?;
        }
        let account = &counted.account;
        let last = vec![
            put_root(self, user, read, &account.root, now),
            put(self, item::with_rev(user, keys::STATS, rev, &account.stats)),
            put(self, item::with_body(user, keys::BILLING, &account.root.billing)),
            put(self, item::packed(user, keys::DIRECTORY, editor.directory.encode())),
            delete(self, user, keys::IMPORT),
        ];
        self.transact_write(last, &Uuid::new_v4().to_string()).await?;
        self.sweep_chunks(user, now).await?;
        Ok(rev)
    }

    /// Deletes chunks that the directory does not name.
    async fn sweep_chunks(&self, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
        let found: Vec<u32> =
            self.query(whole(user, keys::CHUNKS)).await?.iter().filter_map(|found| keys::chunk_of(item::sk(found))).collect();
        let (draft, _) = Draft::begin(self, user, now, &[]).await?;
        let named = draft.chunk_numbers();
        let unnamed = found.into_iter().filter(|number| !named.contains(number));
        self.delete_all(unnamed.map(|number| item::key(user, &keys::chunk(number))).collect()).await
    }
}

/// Whether each bucket has the rows of its range.
fn fits(buckets: &[Bucket], entries: &[(Key, bool)]) -> bool {
    let mut left = entries;
    for (at, bucket) in buckets.iter().enumerate() {
        let rows = match buckets.get(at + 1) {
            Some(next) => left.partition_point(|(key, _)| *key < Key::first_of(&next.start)),
            None => left.len(),
        };
        let reachable = left[..rows].iter().filter(|(_, reachable)| *reachable).count();
        if (bucket.count as usize, bucket.reachable as usize) != (rows, reachable) {
            return false;
        }
        left = &left[rows..];
    }
    left.is_empty()
}

fn differ<T: PartialEq + Debug>(out: &mut Vec<String>, what: &str, stored: &T, counted: &T) {
    if stored != counted {
        out.push(format!("{what}: stored {stored:?}, counted {counted:?}"));
    }
}

//! One transaction being put together: a snapshot of the aggregates, the changes, and what they touch.
//!
//! Everything is decided on what was read after the root, and committed on the condition that the root did not change, so
//! nothing else needs a condition of its own.

mod commit;

use std::collections::{BTreeMap, BTreeSet};

use domain::{Account, Billing, Contact, ContactId, Job, JobId, Month, Production, Rev, Root, Stats, Timestamp, Usage, UserId};

use crate::calls::{Index, Range};
use crate::directory::{Chunk, Directory, Editor, Key};
use crate::item::{self, Item};
use crate::keys;
use crate::{StoreError, Table};

/// Items of one transaction.
pub(crate) const ITEMS_MAX: usize = 100;
/// What one more contact can add at most when it moves: itself, two jobs, two chunks and what splits add to them, four groups.
const CONTACT_ITEMS_MAX: usize = 12;
/// Contacts that one transaction changes.
pub(crate) const FOLD: usize = 80;

/// A job before and after.
#[derive(Debug, Clone, Default)]
struct Kept {
    before: Option<Job>,
    now: Option<Job>,
}

/// A transaction of one user's data.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) table: &'a Table,
    pub(crate) user: &'a UserId,
    pub(crate) now: Timestamp,
    /// The aggregates with the changes so far.
    pub(crate) account: Account,
    /// Revision that was read; none when there is no account yet.
    read: Option<Rev>,
    /// The rows of a new account are being written by an import.
    importing: bool,
    /// Revision that the commit makes.
    pub(crate) rev: Rev,
    editor: Editor,
    jobs: BTreeMap<JobId, Kept>,
    contacts: BTreeMap<ContactId, Option<Contact>>,
    /// Directory rows that this transaction adds (with whether they can be reached) or takes away.
    rows: BTreeMap<Key, Option<bool>>,
    others: BTreeMap<String, Option<Item>>,
}

impl<'a> Draft<'a> {
    /// Reads the aggregates, and `more` items in the same snapshot.
    pub(crate) async fn begin(
        table: &'a Table,
        user: &'a UserId,
        now: Timestamp,
        more: &[String],
    ) -> Result<(Self, Vec<Option<Item>>), StoreError> {
        let sks = [keys::ROOT, keys::STATS, keys::DIRECTORY, keys::IMPORT].into_iter().chain(more.iter().map(String::as_str));
        let keys: Vec<Item> = sks.map(|sk| item::key(user, sk)).collect();
        let mut found = table.transact_get(&keys).await?;
        let rest = found.split_off(4.min(found.len()));
        let [root, stats, directory, marker] =
            <[_; 4]>::try_from(found).map_err(|_| StoreError::malformed(keys::ROOT, "a snapshot lacks items"))?;
        let account = match (&root, &stats) {
            (Some(root), Some(stats)) => Account::from_parts(user.clone(), item::body::<Root>(root)?, item::body::<Stats>(stats)?),
            (None, None) => Account::new(user.clone()),
            _ => return Err(StoreError::malformed(keys::STATS, "root and stats are not both there")),
        };
        let directory = directory.as_ref().map(to_directory).transpose()?.unwrap_or_default();
        let rev = account.root.rev.next();
        let draft = Self {
            table,
            user,
            now,
            read: root.is_some().then_some(account.root.rev),
            importing: root.is_none() && marker.is_some(),
            account,
            rev,
            editor: Editor::new(directory, [], rev.0),
            jobs: BTreeMap::new(),
            contacts: BTreeMap::new(),
            rows: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        Ok((draft, rest))
    }

    /// Whether there is an account.
    pub(crate) fn exists(&self) -> bool {
        self.read.is_some()
    }

    /// Refuses what the owner of a deleted account asks for.
    pub(crate) fn alive(&self) -> Result<(), StoreError> {
        match self.account.root.deleted_at {
            Some(_) => Err(StoreError::AccountDeleted),
            None => Ok(()),
        }
    }

    /// Reads jobs and the directory chunks of keys, as far as they were not read yet.
    pub(crate) async fn load(
        &mut self,
        jobs: impl IntoIterator<Item = JobId>,
        places: impl IntoIterator<Item = Key>,
    ) -> Result<(), StoreError> {
        let jobs: BTreeSet<JobId> = jobs.into_iter().filter(|id| !self.jobs.contains_key(id)).collect();
        let chunks: BTreeSet<u32> = places.into_iter().filter_map(|key| self.editor.missing(key)).collect();
        let sks = jobs.iter().map(|id| keys::job(*id)).chain(chunks.iter().map(|number| keys::chunk(*number)));
        let keys: Vec<Item> = sks.map(|sk| item::key(self.user, &sk)).collect();
        let mut found = Vec::with_capacity(keys.len());
        for page in keys.chunks(100) {
            found.extend(self.table.batch_get(page.to_vec()).await?);
        }
        let mut found: BTreeMap<String, Item> = found.into_iter().map(|item| (item::sk(&item).to_owned(), item)).collect();
        for id in jobs {
            let job = found.remove(&keys::job(id)).map(|item| item::body::<Job>(&item)).transpose()?;
            self.jobs.insert(id, Kept { before: job.clone(), now: job });
        }
        for number in chunks {
            let sk = keys::chunk(number);
            let item = found.remove(&sk).ok_or_else(|| StoreError::malformed(&sk, "the directory names a chunk that is not there"))?;
            self.editor.load(number, to_chunk(&item)?);
        }
        Ok(())
    }

    /// A job that was loaded, as it is now.
    pub(crate) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)?.now.as_ref()
    }

    /// Takes a job over that was read in the snapshot.
    pub(crate) fn know_job(&mut self, id: JobId, found: Option<&Item>) -> Result<Option<Job>, StoreError> {
        let job = found.map(item::body::<Job>).transpose()?;
        self.jobs.insert(id, Kept { before: job.clone(), now: job.clone() });
        Ok(job)
    }

    /// Adds a job that was loaded, or changes its own fields: its counters stay those of its contacts.
    pub(crate) fn put_job(&mut self, mut job: Job) {
        let kept = self.jobs.entry(job.id).or_default();
        match &kept.now {
            Some(old) => {
                job.counts = old.counts;
                self.account.change_job(old, &job);
            }
            None => {
                job.counts = domain::Counts::default();
                self.account.add_job(&job);
            }
        }
        kept.now = Some(job);
    }

    /// Removes a loaded job whose contacts are gone.
    pub(crate) fn remove_job(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id).and_then(|kept| kept.now.take()) {
            self.account.remove_job(&job);
        }
    }

    /// Adds a contact to a job, or replaces one. `stored` is what the table has under its id.
    pub(crate) async fn put_contact(&mut self, stored: Option<&Contact>, new: Contact) -> Result<(), StoreError> {
        // The same contact twice in one transaction: the second replaces the first.
        let old = self.contacts.get(&new.id).cloned().unwrap_or_else(|| stored.cloned());
        match &old {
            Some(old) if old.job_id == new.job_id && old.created_at == new.created_at => {
                self.load([new.job_id], [place(&new)]).await?;
                let mut job = self.take_job(new.job_id)?;
                self.account.replace_contact(&mut job, old, &new);
                self.keep_job(job);
                self.editor.touch(place(&new), old.flags().reachable(), new.flags().reachable());
                self.rows.insert(place(&new), Some(new.flags().reachable()));
            }
            Some(old) => {
                self.remove_contact(old).await?;
                self.add_contact(&new).await?;
            }
            None => self.add_contact(&new).await?,
        }
        self.contacts.insert(new.id, Some(new));
        Ok(())
    }

    /// Takes a contact away that the table has.
    pub(crate) async fn remove_contact(&mut self, contact: &Contact) -> Result<(), StoreError> {
        self.load([contact.job_id], [place(contact)]).await?;
        let mut job = self.take_job(contact.job_id)?;
        self.account.remove_contact(&mut job, contact);
        self.keep_job(job);
        self.editor.remove(place(contact), contact.flags().reachable());
        self.rows.insert(place(contact), None);
        self.contacts.insert(contact.id, None);
        Ok(())
    }

    async fn add_contact(&mut self, contact: &Contact) -> Result<(), StoreError> {
        let (key, reachable) = (place(contact), contact.flags().reachable());
        self.load([contact.job_id], [key]).await?;
        let mut job = self.take_job(contact.job_id)?;
        self.account.add_contact(&mut job, contact);
        self.keep_job(job);
        if let Some(range) = self.editor.overfull(key) {
            let rows = self.bucket_rows(range.from, range.until).await?;
            self.editor.split(&rows);
        }
        self.editor.add(key, reachable);
        self.rows.insert(key, Some(reachable));
        Ok(())
    }

    fn take_job(&mut self, id: JobId) -> Result<Job, StoreError> {
        self.job(id).cloned().ok_or_else(|| StoreError::malformed(keys::job(id), "a contact names a job that is not there"))
    }

    fn keep_job(&mut self, job: Job) {
        let kept = self.jobs.entry(job.id).or_default();
        kept.now = Some(job);
    }

    /// Keys of a bucket as they are with this transaction's changes so far.
    async fn bucket_rows(&self, from: Key, until: Option<Key>) -> Result<Vec<(Key, bool)>, StoreError> {
        let range = Range {
            index: Index::L1,
            pk: keys::user(self.user),
            from: from.l1(),
            until: until.map_or_else(|| keys::CONTACTS_L1.1.to_owned(), |until| until.l1()),
            descending: false,
            limit: None,
        };
        let mut rows = BTreeMap::new();
        for item in self.table.query(range).await? {
            let contact = item::to_contact(&item)?;
            rows.insert(place(&contact), contact.flags().reachable());
        }
        for (key, change) in self.rows.range(from..) {
            match change {
                Some(reachable) => drop(rows.insert(*key, *reachable)),
                None => drop(rows.remove(key)),
            }
        }
        Ok(rows.into_iter().take_while(|(key, _)| until.is_none_or(|until| *key < until)).collect())
    }

    /// Adds to the usage of the month of `now`.
    pub(crate) async fn record_usage(&mut self, delta: Usage) -> Result<(), StoreError> {
        let month = self.now.month();
        let stored = self.table.get(item::key(self.user, &keys::usage(month))).await?;
        let mut usage: Usage = stored.as_ref().map(item::body).transpose()?.unwrap_or_default();
        usage.jobs_processed += delta.jobs_processed;
        usage.contacts_extracted += delta.contacts_extracted;
        usage.api_calls += delta.api_calls;
        self.set_usage(month, usage);
        Ok(())
    }

    /// Sets a month's usage.
    pub(crate) fn set_usage(&mut self, month: Month, usage: Usage) {
        self.account.set_usage(month, usage);
        self.put_other(keys::usage(month), item::with_body(self.user, &keys::usage(month), &usage));
    }

    /// Sets the billing state.
    pub(crate) fn set_billing(&mut self, billing: Billing) {
        self.put_other(keys::BILLING.to_owned(), item::with_body(self.user, keys::BILLING, &billing));
        self.account.set_billing(billing);
    }

    /// Stores a production.
    pub(crate) fn put_production(&mut self, production: &Production) {
        let sk = keys::production(production.id);
        self.put_other(sk.clone(), item::with_body(self.user, &sk, production));
    }

    /// Those of some contacts that the table has, by their ids.
    pub(crate) async fn contacts_by_id(&self, ids: impl Iterator<Item = ContactId>) -> Result<BTreeMap<ContactId, Contact>, StoreError> {
        let ids: BTreeSet<ContactId> = ids.collect();
        let keys: Vec<Item> = ids.iter().map(|id| item::key(self.user, &keys::contact(*id))).collect();
        let mut contacts = BTreeMap::new();
        for page in keys.chunks(100) {
            for found in self.table.batch_get(page.to_vec()).await? {
                let contact = item::to_contact(&found)?;
                contacts.insert(contact.id, contact);
            }
        }
        Ok(contacts)
    }

    /// Puts an item that no aggregate counts.
    pub(crate) fn put_other(&mut self, sk: String, item: Item) {
        self.others.insert(sk, Some(item));
    }

    /// Deletes an item that no aggregate counts.
    pub(crate) fn delete_other(&mut self, sk: String) {
        self.others.insert(sk, None);
    }

    /// Whether one more contact fits into the transaction.
    pub(crate) fn has_room(&self) -> bool {
        self.contacts.len() < FOLD && self.items() + CONTACT_ITEMS_MAX <= ITEMS_MAX
    }

    /// Whether the changes so far fit into one transaction.
    pub(crate) fn fits(&self) -> bool {
        self.items() <= ITEMS_MAX
    }

    /// Items that the commit writes: root, stats, a check, directory and chunks, jobs, contacts, groups, others.
    fn items(&self) -> usize {
        let jobs = self.jobs.values().filter(|kept| kept.before != kept.now).count();
        3 + self.editor.items() + jobs + self.contacts.len() + self.account.open_groups() + self.others.len()
    }

    /// Numbers of the chunks that the directory names.
    pub(crate) fn chunk_numbers(&self) -> BTreeSet<u32> {
        self.editor.directory.chunks.iter().map(|chunk| chunk.number).collect()
    }
}

pub(crate) fn place(contact: &Contact) -> Key {
    Key::of(contact.created_at, contact.id)
}

pub(crate) fn to_directory(found: &Item) -> Result<Directory, StoreError> {
    Directory::decode(item::bytes(found)?).map_err(|source| StoreError::malformed(item::sk(found), source))
}

pub(crate) fn to_chunk(found: &Item) -> Result<Chunk, StoreError> {
    Chunk::decode(item::bytes(found)?).map_err(|source| StoreError::malformed(item::sk(found), source))
}

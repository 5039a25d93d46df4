//! Deletions, and changes row by row.

use domain::{Billing, Contact, ContactId, Job, JobId, Month, Production, Rev, Timestamp, Usage, UserId};

use crate::calls::{Index, Range};
use crate::draft::{Draft, FOLD, place};
use crate::item::{self, Item};
use crate::keys;
use crate::transaction::{Change, Decision};
use crate::{StoreError, Table};

/// A row that is put as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// One month's usage.
    Usage(Month, Usage),
    /// A production.
    Production(Production),
    /// A job; its counters are those of its contacts, whatever is given here.
    Job(Job),
    /// A contact. Its job must be there.
    Contact(Contact),
}

/// One change among those of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The account is deleted, or not.
    DeletedAt(Option<Timestamp>),
    /// The billing state.
    Billing(Billing),
    /// A new or another row. A contact that has moved is taken out and put in.
    Put(Record),
}

impl Table {
    /// Deletes a contact: the revision that shows it, or nothing when there is no such contact.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was changed then, or it is unknown whether it was and a repeat finds out.
    pub async fn delete_contact(&self, user: &UserId, id: ContactId, now: Timestamp) -> Result<Option<Rev>, StoreError> {
        let changed = self.change(user, now, &DeleteContact(id)).await?;
        Ok(changed.value.then_some(changed.rev))
    }

    /// Deletes a job with its contacts: the revision that shows it, or nothing when there is no such job.
    ///
    /// More contacts than one transaction holds go in several, each exact by itself; the job goes with the last.
    ///
    /// # Errors
    /// See [`StoreError`]; what was deleted until then is gone and counted, and a repeat deletes the rest.
    pub async fn delete_job(&self, user: &UserId, id: JobId, now: Timestamp) -> Result<Option<Rev>, StoreError> {
        let mut first = true;
        loop {
            let changed = self.change(user, now, &DeleteJobPart(id)).await?;
            match changed.value {
                Part::Absent if first => return Ok(None),
                // Somebody else deleted the rest meanwhile.
                Part::Absent | Part::Last => return Ok(Some(changed.rev)),
                Part::More => first = false,
            }
        }
    }

    /// Applies edits in order, in as few transactions as hold them.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Malformed`] when a contact names a job that is not there. The edits before the one that failed
    /// may be applied.
    pub async fn apply(&self, user: &UserId, edits: &[Edit], now: Timestamp) -> Result<Rev, StoreError> {
        let mut left = edits;
        loop {
            let part = &left[..left.len().min(FOLD)];
            let changed = self.change(user, now, &Apply(part)).await?;
            left = &left[changed.value..];
            if left.is_empty() {
                return Ok(changed.rev);
            }
        }
    }
}

struct DeleteContact(ContactId);

impl Change for DeleteContact {
    type Output = bool;

    fn reads(&self) -> Vec<String> {
        vec![keys::contact(self.0)]
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<bool>, StoreError> {
        draft.alive()?;
        // The rows of an account that is being imported are invisible.
        let Some(Some(found)) = found.first().filter(|_| draft.exists()) else { return Ok(Decision::Leave(false)) };
        draft.remove_contact(&item::to_contact(found)?).await?;
        Ok(Decision::Commit(true))
    }
}

/// How far the deletion of a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// There is no such job.
    Absent,
    /// Some contacts are left.
    More,
    /// The job is gone.
    Last,
}

struct DeleteJobPart(JobId);

impl Change for DeleteJobPart {
    type Output = Part;

    fn reads(&self) -> Vec<String> {
        vec![keys::job(self.0)]
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<Part>, StoreError> {
        draft.alive()?;
        let found = found.into_iter().next().flatten();
        if !draft.exists() || draft.know_job(self.0, found.as_ref())?.is_none() {
            return Ok(Decision::Leave(Part::Absent));
        }
        let contacts = draft.contacts_of(self.0, Some(FOLD + 1)).await?;
        draft.load([], contacts.iter().take(FOLD).map(place)).await?;
        for contact in &contacts {
            if !draft.has_room() {
                return Ok(Decision::Commit(Part::More));
            }
            draft.remove_contact(contact).await?;
        }
        draft.remove_job(self.0);
        Ok(Decision::Commit(Part::Last))
    }
}

impl Draft<'_> {
    /// Contacts of a job as the table has them, oldest first.
    pub(crate) async fn contacts_of(&self, job: JobId, limit: Option<usize>) -> Result<Vec<Contact>, StoreError> {
        let found = self.table.query(job_contacts(self.user, job, limit)).await?;
        found.iter().map(item::to_contact).collect()
    }
}

/// The contacts of a job, oldest first.
pub(crate) fn job_contacts(user: &UserId, job: JobId, limit: Option<usize>) -> Range {
    let (from, until) = keys::job_contacts_l2(job);
    Range { index: Index::L2, pk: keys::user(user), from, until, descending: false, limit }
}

struct Apply<'a>(&'a [Edit]);

impl Apply<'_> {
    fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.0.iter().filter_map(|edit| match edit {
            Edit::Put(Record::Contact(contact)) => Some(contact),
            _ => None,
        })
    }

    fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.0.iter().filter_map(|edit| match edit {
            Edit::Put(Record::Contact(contact)) => Some(contact.job_id),
            Edit::Put(Record::Job(job)) => Some(job.id),
            _ => None,
        })
    }
}

/// Applies the edits that fit: how many.
impl Change for Apply<'_> {
    type Output = usize;

    async fn decide(&self, draft: &mut Draft<'_>, _found: Vec<Option<Item>>) -> Result<Decision<usize>, StoreError> {
        let old = draft.contacts_by_id(self.contacts().map(|contact| contact.id)).await?;
        let jobs = self.jobs().chain(old.values().map(|contact| contact.job_id));
        draft.load(jobs, old.values().chain(self.contacts()).map(place)).await?;
        for (done, edit) in self.0.iter().enumerate() {
            if !draft.has_room() {
                return Ok(Decision::Commit(done));
            }
            match edit {
                Edit::DeletedAt(at) => draft.account.root.deleted_at = *at,
                Edit::Billing(billing) => draft.set_billing(billing.clone()),
                Edit::Put(Record::Usage(month, usage)) => draft.set_usage(*month, *usage),
                Edit::Put(Record::Production(production)) => draft.put_production(production),
                Edit::Put(Record::Job(job)) => draft.put_job(job.clone()),
                Edit::Put(Record::Contact(contact)) => draft.put_contact(old.get(&contact.id), contact.clone()).await?,
            }
        }
        Ok(Decision::Commit(self.0.len()))
    }
}

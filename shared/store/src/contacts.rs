//! Changes of contacts that their owner names one by one.

use std::collections::BTreeSet;

use domain::{Contact, ContactChange, ContactId, Job, Rev, Timestamp, UserId};

use crate::draft::{Draft, place};
use crate::item::{self, Item};
use crate::keys;
use crate::transaction::{Change, Decision};
use crate::{StoreError, Table};

/// Contacts that one transaction deletes: with their jobs, chunks and groups there is room for as many whatever they are.
const DELETED_AT_ONCE: usize = 40;

/// What a change of a contact came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// There is no such contact.
    Missing,
    /// Its version is none that the caller accepts.
    Stale,
    /// The contact has the values now.
    Done {
        /// The revision that shows it.
        rev: Rev,
        /// Whether this call wrote it: a contact that has the values already is left alone.
        changed: bool,
        /// The contact.
        contact: Box<Contact>,
        /// Its job.
        job: Box<Job>,
    },
}

/// What a deletion of several contacts came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// The revision that shows it.
    pub rev: Rev,
    /// Contacts that this call deleted.
    pub contacts: u64,
}

impl Table {
    /// Changes fields of a contact if `accepts` takes its version.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing was changed then, or it is unknown whether it was: a repeat without a version finds out.
    pub async fn update_contact(
        &self,
        user: &UserId,
        id: ContactId,
        change: &ContactChange,
        accepts: &(dyn Fn(u64) -> bool + Sync),
        now: Timestamp,
    ) -> Result<Updated, StoreError> {
        let done = self.change(user, now, &UpdateContact { id, change, accepts }).await?;
        Ok(match done.value {
            Outcome::Missing => Updated::Missing,
            Outcome::Stale => Updated::Stale,
            Outcome::Done { changed, contact, job } => Updated::Done { rev: done.rev, changed, contact, job },
        })
    }

    /// Deletes those of some contacts that are there, at most 40 in a transaction, each exact by itself.
    ///
    /// # Errors
    /// See [`StoreError`]; what was deleted until then is gone and counted, and a repeat deletes the rest.
    pub async fn delete_contacts(&self, user: &UserId, ids: &[ContactId], now: Timestamp) -> Result<Deleted, StoreError> {
        let ids: Vec<ContactId> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut left = ids.as_slice();
        let mut deleted = Deleted { rev: Rev::default(), contacts: 0 };
        loop {
            let part = &left[..left.len().min(DELETED_AT_ONCE)];
            let changed = self.change(user, now, &DeleteContacts(part)).await?;
            deleted.rev = changed.rev;
            deleted.contacts += changed.value.deleted;
            left = &left[changed.value.handled..];
            if left.is_empty() {
                return Ok(deleted);
            }
        }
    }
}

struct UpdateContact<'a> {
    id: ContactId,
    change: &'a ContactChange,
    accepts: &'a (dyn Fn(u64) -> bool + Sync),
}

/// [`Updated`] without the revision, which is known after the commit.
enum Outcome {
    Missing,
    Stale,
    Done { changed: bool, contact: Box<Contact>, job: Box<Job> },
}

impl Change for UpdateContact<'_> {
    type Output = Outcome;

    fn reads(&self) -> Vec<String> {
        vec![keys::contact(self.id)]
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<Outcome>, StoreError> {
        draft.alive()?;
        // The rows of an account that is being imported are invisible.
        let Some(Some(found)) = found.first().filter(|_| draft.exists()) else { return Ok(Decision::Leave(Outcome::Missing)) };
        let old = item::to_contact(found)?;
        if !(self.accepts)(old.cv) {
            return Ok(Decision::Leave(Outcome::Stale));
        }
        draft.load([old.job_id], []).await?;
        let new = self.change.applied_to(&old, draft.now);
        if let Some(new) = &new {
            draft.put_contact(Some(&old), new.clone()).await?;
        }
        let missing = || StoreError::malformed(keys::job(old.job_id), "a contact names a job that is not there");
        let job = Box::new(draft.job(old.job_id).cloned().ok_or_else(missing)?);
        let changed = new.is_some();
        let done = Outcome::Done { changed, contact: Box::new(new.unwrap_or(old)), job };
        Ok(if changed { Decision::Commit(done) } else { Decision::Leave(done) })
    }
}

struct DeleteContacts<'a>(&'a [ContactId]);

/// How far one transaction of a deletion came.
struct Part {
    /// Ids that need no other transaction.
    handled: usize,
    /// Contacts that it deletes.
    deleted: u64,
}

impl Change for DeleteContacts<'_> {
    type Output = Part;

    fn reads(&self) -> Vec<String> {
        self.0.iter().map(|id| keys::contact(*id)).collect()
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<Part>, StoreError> {
        draft.alive()?;
        let mut part = Part { handled: self.0.len(), deleted: 0 };
        if !draft.exists() {
            return Ok(Decision::Leave(part));
        }
        let contacts = found.iter().map(|item| item.as_ref().map(item::to_contact).transpose()).collect::<Result<Vec<_>, _>>()?;
        let there = || contacts.iter().flatten();
        draft.load(there().map(|contact| contact.job_id), there().map(place)).await?;
        for (position, contact) in contacts.iter().enumerate() {
            let Some(contact) = contact else { continue };
            if !draft.has_room() {
                part.handled = position;
                break;
            }
            draft.remove_contact(contact).await?;
            part.deleted += 1;
        }
        Ok(if part.deleted > 0 { Decision::Commit(part) } else { Decision::Leave(part) })
    }
}

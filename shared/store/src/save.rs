//! Saving reviewed contacts into a job (D20, D21).
//!
//! Up to 80 old and new rows are one transaction. More are folded: the job is PROCESSING and carries the fingerprint of what is
//! saved; ids follow from (user, job, row), so that a repeat of the same request continues where the first one was cut off. Another request for the same
//! job takes it over, and the first one learns that.

use std::collections::BTreeSet;

use domain::{Contact, ContactId, ContactInput, Job, JobId, JobStatus, Rev, Timestamp, Usage, UserId, derive_uuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::draft::{Draft, FOLD, place};
use crate::item::{self, Item};
use crate::keys::{self, EXPIRES_AT};
use crate::transaction::{Change, Decision};
use crate::writes::job_contacts;
use crate::{StoreError, Table};

/// How long an unfinished save can be continued.
const RESUME_HOURS: i64 = 24;

/// What is to be saved. Rows are cleaned and have a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// The job whose contacts are replaced if it is the user's; else a new one.
    pub job: Option<JobId>,
    /// Name of the file that the rows came from.
    pub file_name: Option<String>,
    /// The rows.
    pub rows: Vec<ContactInput>,
}

/// What a save came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// All rows are there.
    Done {
        /// The revision that shows it.
        rev: Rev,
        /// The job.
        job: JobId,
    },
    /// Somebody deleted the job or saved something else into it meanwhile.
    Superseded,
}

/// A save on its way.
struct Plan<'a> {
    save: &'a Save,
    fingerprint: String,
    /// Id of the job if a new one is made.
    fresh: JobId,
}

/// Where an unfinished save puts its rows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Marker {
    job: JobId,
    at: Timestamp,
}

impl Table {
    /// Replaces the contacts of an owned job, else creates a job with them.
    ///
    /// # Errors
    /// See [`StoreError`]. Up to 80 rows nothing was changed then; more stay with a PROCESSING job until a repeat finishes it.
    pub async fn save_contacts(&self, user: &UserId, save: &Save, now: Timestamp) -> Result<Saved, StoreError> {
        let random: [u8; 16] = rand::random();
        let plan =
            Plan { save, fingerprint: fingerprint(save), fresh: JobId(derive_uuid(now, &[b"job", user.as_str().as_bytes(), &random])) };
        let started = self.change(user, now, &Start(&plan)).await?;
        let (job, at) = match started.value {
            Started::Done(job) => return Ok(Saved::Done { rev: started.rev, job }),
            Started::Folded(Marker { job, at }) => (job, at),
        };
        let rows = plan.rows(user, job, at);
        let target: BTreeSet<ContactId> = rows.iter().map(|row| row.id).collect();
        let present = self.query(job_contacts(user, job, None)).await?.iter().map(item::to_contact).collect::<Result<Vec<_>, _>>()?;
        let there: BTreeSet<ContactId> = present.iter().map(|contact| contact.id).collect();
        let removed = present.iter().filter(|contact| !target.contains(&contact.id)).map(|contact| Step::Remove(contact.id));
        let mut steps: Vec<Step> = removed.chain(rows.into_iter().filter(|row| !there.contains(&row.id)).map(Step::Add)).collect();
        steps.reverse();
        while !steps.is_empty() {
            let part = &steps[steps.len().saturating_sub(FOLD)..];
            match self.change(user, now, &SavePart { plan: &plan, job, steps: part }).await?.value {
                Some(done) => steps.truncate(steps.len() - done),
                None => return Ok(Saved::Superseded),
            }
        }
        let finished = self.change(user, now, &Finish { plan: &plan, job }).await?;
        Ok(if finished.value { Saved::Done { rev: finished.rev, job } } else { Saved::Superseded })
    }
}

fn fingerprint(save: &Save) -> String {
    let rows: Vec<_> = save.rows.iter().map(|row| (&row.name, &row.email, &row.phone, &row.role, &row.company)).collect();
    let text = serde_json::to_vec(&(save.job, &save.file_name, rows)).expect("texts serialize");
    Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Plan<'_> {
    /// The rows as contacts of a job. The same job, moment and fingerprint give the same ids.
    fn rows(&self, user: &UserId, job: JobId, at: Timestamp) -> Vec<Contact> {
        let rows = self.save.rows.iter().zip(0_u64..);
        rows.map(|(row, number)| {
            let parts: [&[u8]; 4] = [user.as_str().as_bytes(), job.0.as_bytes(), self.fingerprint.as_bytes(), &number.to_be_bytes()];
            Contact {
                id: ContactId(derive_uuid(at, &parts)),
                job_id: job,
                name: row.name.clone(),
                email: row.email.clone(),
                phone: row.phone.clone(),
                role: row.role.clone(),
                company: row.company.clone(),
                is_selected: true,
                created_at: at,
                updated_at: at,
                cv: 1,
            }
        })
        .collect()
    }

    fn new_job(&self, now: Timestamp) -> Job {
        Job {
            id: self.fresh,
            title: Job::default_title(self.save.file_name.as_deref()),
            file_name: self.save.file_name.clone(),
            file_url: None,
            status: JobStatus::Completed,
            production_id: None,
            file_hash: None,
            file_size: None,
            created_at: now,
            updated_at: now,
            completed_at: Some(now),
            saving: None,
            counts: domain::Counts::default(),
        }
    }

    fn saved(&self) -> Usage {
        Usage { contacts_extracted: self.save.rows.len() as u64, ..Usage::default() }
    }
}

enum Started {
    Done(JobId),
    Folded(Marker),
}

/// Does it all at once if it is small, else opens the job for what follows.
struct Start<'a>(&'a Plan<'a>);

impl Change for Start<'_> {
    type Output = Started;

    fn reads(&self) -> Vec<String> {
        let job = self.0.save.job.map(keys::job);
        [keys::save(&self.0.fingerprint)].into_iter().chain(job).collect()
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<Started>, StoreError> {
        draft.alive()?;
        let Self(plan) = self;
        let mut found = found.into_iter();
        let marker =
            found.next().flatten().filter(|item| !item::expired(item, draft.now)).map(|item| item::body::<Marker>(&item)).transpose()?;
        let named = found.next().flatten().filter(|_| draft.exists());
        let owned = match plan.save.job {
            Some(id) => draft.know_job(id, named.as_ref())?,
            None => None,
        };
        if let Some(marker) = marker {
            draft.load([marker.job], []).await?;
            let open = draft.job(marker.job).is_some_and(|job| job.saving.as_deref() == Some(&plan.fingerprint));
            if open && owned.as_ref().is_none_or(|job| job.id == marker.job) {
                return Ok(Decision::Leave(Started::Folded(marker)));
            }
        }
        let job = owned.unwrap_or_else(|| plan.new_job(draft.now));
        let old = draft.contacts_of(job.id, Some(FOLD + 1)).await?;
        let rows = plan.rows(draft.user, job.id, draft.now);
        if old.len() + rows.len() > FOLD {
            return Ok(Decision::Commit(Started::Folded(open(draft, plan, job))));
        }
        let id = job.id;
        let untouched = draft.clone();
        draft.put_job(completed(job.clone(), draft.now));
        draft.load([], old.iter().chain(&rows).map(place)).await?;
        for contact in &old {
            draft.remove_contact(contact).await?;
        }
        for row in rows {
            draft.put_contact(None, row).await?;
        }
        draft.record_usage(plan.saved()).await?;
        if !draft.fits() {
            // Each rare role is an item of its own beside its contact.
            *draft = untouched;
            return Ok(Decision::Commit(Started::Folded(open(draft, plan, job))));
        }
        Ok(Decision::Commit(Started::Done(id)))
    }
}

/// Marks the job as being saved into, and where a repeat finds it.
fn open(draft: &mut Draft<'_>, plan: &Plan<'_>, job: Job) -> Marker {
    let marker = Marker { job: job.id, at: draft.now };
    let sk = keys::save(&plan.fingerprint);
    let mut stored = item::with_body(draft.user, &sk, &marker);
    let expires = draft.now.unix_seconds() + RESUME_HOURS * 3600;
    stored.insert(EXPIRES_AT.to_owned(), item::number(expires));
    draft.put_other(sk, stored);
    draft.put_job(Job { status: JobStatus::Processing, saving: Some(plan.fingerprint.clone()), updated_at: draft.now, ..job });
    marker
}

fn completed(job: Job, now: Timestamp) -> Job {
    let completed_at = if job.status == JobStatus::Completed { job.completed_at } else { job.completed_at.or(Some(now)) };
    Job { status: JobStatus::Completed, saving: None, updated_at: now, completed_at, ..job }
}

enum Step {
    Remove(ContactId),
    Add(Contact),
}

/// Works off steps from the end of the list: how many, or nothing when the job is no longer ours.
struct SavePart<'a> {
    plan: &'a Plan<'a>,
    job: JobId,
    steps: &'a [Step],
}

impl Change for SavePart<'_> {
    type Output = Option<usize>;

    fn reads(&self) -> Vec<String> {
        vec![keys::job(self.job)]
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<Option<usize>>, StoreError> {
        if !is_open(draft, self.plan, self.job, &found)? {
            return Ok(Decision::Leave(None));
        }
        let ids = self.steps.iter().map(|step| match step {
            Step::Remove(id) => *id,
            Step::Add(row) => row.id,
        });
        let there = draft.contacts_by_id(ids).await?;
        let added = self.steps.iter().filter_map(|step| match step {
            Step::Add(row) => Some(row),
            Step::Remove(_) => None,
        });
        draft.load([], there.values().chain(added).map(place)).await?;
        let mut done = 0;
        for step in self.steps.iter().rev() {
            if !draft.has_room() {
                break;
            }
            match step {
                // Deleted meanwhile by its owner, or added before an answer was lost.
                Step::Remove(id) => {
                    if let Some(contact) = there.get(id) {
                        draft.remove_contact(contact).await?;
                    }
                }
                Step::Add(row) if there.contains_key(&row.id) => {}
                Step::Add(row) => draft.put_contact(None, row.clone()).await?,
            }
            done += 1;
        }
        Ok(Decision::Commit(Some(done)))
    }
}

/// Completes the job and counts what was saved: false when the job is no longer ours.
struct Finish<'a> {
    plan: &'a Plan<'a>,
    job: JobId,
}

impl Change for Finish<'_> {
    type Output = bool;

    fn reads(&self) -> Vec<String> {
        vec![keys::job(self.job)]
    }

    async fn decide(&self, draft: &mut Draft<'_>, found: Vec<Option<Item>>) -> Result<Decision<bool>, StoreError> {
        if !is_open(draft, self.plan, self.job, &found)? {
            return Ok(Decision::Leave(false));
        }
        let job = draft.job(self.job).cloned().ok_or_else(|| StoreError::malformed(keys::job(self.job), "gone within a snapshot"))?;
        let now = draft.now;
        draft.put_job(completed(job, now));
        draft.record_usage(self.plan.saved()).await?;
        draft.delete_other(keys::save(&self.plan.fingerprint));
        Ok(Decision::Commit(true))
    }
}

/// Whether the job still waits for this save.
fn is_open(draft: &mut Draft<'_>, plan: &Plan<'_>, id: JobId, found: &[Option<Item>]) -> Result<bool, StoreError> {
    let job = draft.know_job(id, found.first().and_then(Option::as_ref))?;
    Ok(job.is_some_and(|job| job.saving.as_deref() == Some(&plan.fingerprint)))
}

//! Writes: commit, then invalidate, then answer. The stream invalidates again.

use bytes::Bytes;
use domain::{ContactId, JobId, Rev, UserId};
use store::{Save, Saved};
use web::{ApiError, Caller, Request, Response};

use crate::App;
use crate::errors::of_store;
use crate::query::SaveRequest;

/// Contacts that were saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedContacts {
    /// The revision that shows them.
    pub rev: Rev,
    /// Their job.
    pub job: JobId,
    /// How many.
    pub contacts: u64,
}

impl App {
    /// Deletes a contact: the revision that shows it.
    ///
    /// # Errors
    /// `404` when the caller has no such contact; `401` for a deleted account; `503` when the table stays unavailable.
    pub async fn delete_contact(&self, request: &Request, id: ContactId) -> Result<Rev, ApiError> {
        let user = &Caller::of(request)?.user;
        let rev = self.table.delete_contact(user, id, request.now()).await.map_err(of_store)?;
        self.invalidated(user, rev.ok_or(ApiError::NotFound("Contact"))?).await
    }

    /// Deletes a job with its contacts: the revision that shows it.
    ///
    /// # Errors
    /// `404` when the caller has no such job; `401` for a deleted account; `503` when the table stays unavailable.
    pub async fn delete_job(&self, request: &Request, id: JobId) -> Result<Rev, ApiError> {
        let user = &Caller::of(request)?.user;
        let rev = self.table.delete_job(user, id, request.now()).await.map_err(of_store)?;
        self.invalidated(user, rev.ok_or(ApiError::NotFound("Job"))?).await
    }

    /// Saves contacts into an owned job, or into a new one.
    ///
    /// # Errors
    /// `409` when the job was deleted or saved into by another request meanwhile; `401` for a deleted account; `503` when the table stays
    /// unavailable.
    pub async fn save_contacts(&self, request: &Request, save: SaveRequest) -> Result<SavedContacts, ApiError> {
        let user = &Caller::of(request)?.user;
        let contacts = save.rows.len() as u64;
        let save = Save { job: save.job, file_name: save.file_name, rows: save.rows };
        match self.table.save_contacts(user, &save, request.now()).await.map_err(of_store)? {
            Saved::Done { rev, job } => Ok(SavedContacts { rev: self.invalidated(user, rev).await?, job, contacts }),
            Saved::Superseded => Err(ApiError::Conflict("Job was changed meanwhile".to_owned())),
        }
    }

    /// The answer to a change that made `rev`.
    #[must_use]
    pub fn written(&self, rev: Rev, body: Bytes) -> Response {
        Response::json(200, body).raised_rev(rev)
    }

    /// Tells the cache of a committed revision, within its budget. The answer carries the revision in any case, and the stream tells the
    /// cache again.
    async fn invalidated(&self, user: &UserId, rev: Rev) -> Result<Rev, ApiError> {
        self.bump(user, rev).await;
        Ok(rev)
    }
}

//! Writes: commit, then invalidate, then answer. The stream invalidates again.

use std::time::Duration;

use bytes::Bytes;
use domain::{ContactChange, ContactId, JobId, Rev, UserId, views};
use store::{Save, Saved, StoreError, Updated};
use web::{ApiError, Caller, Request, Response, strong_etag};

use crate::errors::of_store;
use crate::query::SaveRequest;
use crate::{App, body};

/// Time to find out what a write that failed has committed. The stream finds it out in any case.
const LOOK_BACK: Duration = Duration::from_millis(200);

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

/// Contacts that were deleted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletedContacts {
    /// The revision that shows it.
    pub rev: Rev,
    /// How many this request deleted.
    pub contacts: u64,
}

impl App {
    /// Changes a contact if its version is one that `If-Match` accepts, and shows it. What is so already raises no revision.
    ///
    /// # Errors
    /// `404` when the caller has no such contact; `412` when it has another version; `401` for a deleted account; `503` when the table stays
    /// unavailable.
    pub async fn update_contact(&self, request: &Request, id: ContactId, change: &ContactChange) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        let if_match = request.if_match();
        let accepts = |cv| if_match.as_ref().is_none_or(|if_match| if_match.accepts(&strong_etag(cv)));
        match self.settled(user, self.table.update_contact(user, id, change, &accepts, request.now()).await).await? {
            Updated::Missing => Err(ApiError::NotFound("Contact")),
            Updated::Stale => Err(ApiError::Stale),
            Updated::Done { rev, changed, contact, job } => {
                let shown = Response::json(200, body::data(&views::contact_detail(user, &contact, &job))).strong_etag(contact.cv);
                Ok(if changed { shown.raised_rev(self.invalidated(user, rev).await?) } else { shown.rev(rev) })
            }
        }
    }

    /// Deletes those of some contacts that the caller has.
    ///
    /// # Errors
    /// `401` for a deleted account; `503` when the table stays unavailable: a repeat deletes what is left.
    pub async fn delete_contacts(&self, request: &Request, ids: &[ContactId]) -> Result<DeletedContacts, ApiError> {
        let user = &Caller::of(request)?.user;
        let deleted = self.settled(user, self.table.delete_contacts(user, ids, request.now()).await).await?;
        if deleted.contacts > 0 {
            self.invalidated(user, deleted.rev).await?;
        }
        Ok(DeletedContacts { rev: deleted.rev, contacts: deleted.contacts })
    }

    /// Deletes a contact: the revision that shows it.
    ///
    /// # Errors
    /// `404` when the caller has no such contact; `401` for a deleted account; `503` when the table stays unavailable.
    pub async fn delete_contact(&self, request: &Request, id: ContactId) -> Result<Rev, ApiError> {
        let user = &Caller::of(request)?.user;
        let rev = self.settled(user, self.table.delete_contact(user, id, request.now()).await).await?;
        self.invalidated(user, rev.ok_or(ApiError::NotFound("Contact"))?).await
    }

    /// Deletes a job with its contacts: the revision that shows it.
    ///
    /// # Errors
    /// `404` when the caller has no such job; `401` for a deleted account; `503` when the table stays unavailable.
    pub async fn delete_job(&self, request: &Request, id: JobId) -> Result<Rev, ApiError> {
        let user = &Caller::of(request)?.user;
        let rev = self.settled(user, self.table.delete_job(user, id, request.now()).await).await?;
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
        match self.settled(user, self.table.save_contacts(user, &save, request.now()).await).await? {
            Saved::Done { rev, job } => Ok(SavedContacts { rev: self.invalidated(user, rev).await?, job, contacts }),
            Saved::Superseded => Err(ApiError::Conflict("Job was changed meanwhile".to_owned())),
        }
    }

    /// The answer to a change that made `rev`.
    #[must_use]
    pub fn written(&self, rev: Rev, body: Bytes) -> Response {
        Response::json(200, body).raised_rev(rev)
    }

    /// What a write came to. One that failed may have committed a part, or all but its answer: the cache hears of whatever revision is there.
    async fn settled<T>(&self, user: &UserId, written: Result<T, StoreError>) -> Result<T, ApiError> {
        if let Err(StoreError::Conflict { .. } | StoreError::Unavailable { .. }) = &written
            && let Ok(Ok(Some(root))) = tokio::time::timeout(LOOK_BACK, self.table.root(user)).await
        {
            self.bump(user, root.rev).await;
        }
        written.map_err(of_store)
    }

    /// Tells the cache of a committed revision, within its budget. The answer carries the revision in any case, and the stream tells the
    /// cache again.
    async fn invalidated(&self, user: &UserId, rev: Rev) -> Result<Rev, ApiError> {
        self.bump(user, rev).await;
        Ok(rev)
    }
}

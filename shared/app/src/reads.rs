//! Reads: through the cache to the table, each labelled with the `rev` of what it shows.

use bytes::Bytes;
use domain::{Contact, ContactId, Job, JobId, Plans, Root, Stats, Timestamp, UserId, views};
use web::{ApiError, Caller, Request, Response};

use crate::cached::{CONTACT, JOB, Loaded, View};
use crate::contacts_query::ContactsQuery;
use crate::errors::of_store;
use crate::pages::Listing;
use crate::query::JobsQuery;
use crate::{App, body};

/// What a view of the root is computed from.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Whose data it is.
    pub user: &'a UserId,
    /// The root.
    pub root: &'a Root,
    /// The catalogue.
    pub plans: &'a Plans,
    /// The moment of the request.
    pub now: Timestamp,
}

/// Jobs of one answer of the job list (D24).
const JOBS_MAX: usize = 1_000;

impl App {
    /// Shows a view of the root: one `GetItem` on a miss.
    ///
    /// # Errors
    /// `401` for a deleted account; `503` when the table fails and nothing usable is cached.
    pub async fn show_root(
        &self,
        request: &Request,
        view: &'static str,
        show: impl Fn(Seen<'_>) -> Bytes + Send + Sync,
    ) -> Result<Response, ApiError> {
        self.show_of_root(request, View::dashboard(view), show).await
    }

    async fn show_of_root(
        &self,
        request: &Request,
        view: View,
        show: impl Fn(Seen<'_>) -> Bytes + Send + Sync,
    ) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, view, || async {
            let root = self.root(user).await?;
            let plans = self.plans(request.now()).await;
            Ok(Loaded::new(root.rev, show(Seen { user, root: &root, plans: &plans, now: request.now() })))
        })
        .await
    }

    /// Shows the billing state: one `GetItem` on a miss, and the last known one while the table fails.
    ///
    /// # Errors
    /// As [`App::show_root`].
    pub async fn show_billing(&self, request: &Request, show: impl Fn(Seen<'_>) -> Bytes + Send + Sync) -> Result<Response, ApiError> {
        self.show_of_root(request, View::billing("billing-customer"), show).await
    }

    /// Shows the activity feed: one `GetItem`; a file name too long for the root costs one trip more.
    ///
    /// # Errors
    /// As [`App::show_root`].
    pub async fn show_activity(&self, request: &Request, show: impl Fn(Seen<'_>) -> Bytes + Send + Sync) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::dashboard("dashboard-activity"), || async {
            let mut root = self.root(user).await?;
            self.table.fill_feed_names(user, &mut root).await.map_err(of_store)?;
            let plans = self.plans(request.now()).await;
            Ok(Loaded::new(root.rev, show(Seen { user, root: &root, plans: &plans, now: request.now() })))
        })
        .await
    }

    /// Shows a view of the stats: one `GetItem`, and a query when rare groups live in items of their own.
    ///
    /// # Errors
    /// As [`App::show_root`].
    pub async fn show_stats(
        &self,
        request: &Request,
        view: &'static str,
        show: impl Fn(&Stats, Timestamp) -> Bytes + Send + Sync,
    ) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::stats(view), || async {
            let found = self.table.stats(user).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            Ok(Loaded::new(found.rev, show(&found.value, request.now())).cacheable(found.settled))
        })
        .await
    }

    /// Shows a view of one job's contacts: two trips.
    ///
    /// # Errors
    /// `404` when the caller has no such job; else as [`App::show_root`].
    pub async fn show_job_stats(
        &self,
        request: &Request,
        job: JobId,
        show: impl Fn(&Job, &[Contact], Timestamp) -> Bytes + Send + Sync,
    ) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::job_stats(job), || async {
            let found = self.table.job_contacts(user, job).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            Ok(match &found.value {
                None => Loaded::missing(found.rev, JOB),
                Some((job, contacts)) => Loaded::new(found.rev, show(job, contacts, request.now())).cacheable(found.settled),
            })
        })
        .await
    }

    /// Shows one contact with its job and its strong `ETag`.
    ///
    /// # Errors
    /// `404` when the caller has no such contact; else as [`App::show_root`].
    pub async fn show_contact(&self, request: &Request, id: ContactId) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::contact(id), || async {
            let found = self.table.contact(user, id).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            Ok(match &found.value {
                None => Loaded::missing(found.rev, CONTACT),
                Some((contact, job)) => {
                    let body = body::data(&views::contact_detail(user, contact, job));
                    Loaded::new(found.rev, body).strong_etag(contact.cv).cacheable(found.settled)
                }
            })
        })
        .await
    }

    /// Shows a page of contacts, or the bare array of v1.
    ///
    /// # Errors
    /// `404` when the caller has no such job; `422` when a search would go over more than 200,000 contacts; else as [`App::show_root`].
    pub async fn show_contacts(&self, request: &Request, query: &ContactsQuery) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::page(query.view()), || async {
            let Some(slice) = query.table_slice() else { return Box::pin(self.search(user, query)).await };
            let found = self.table.contact_page(user, query.job, slice, query.limit).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            Ok(match found.value.map(Listing::from) {
                None => Loaded::missing(found.rev, JOB),
                Some(listing) => Loaded::new(found.rev, crate::pages::contacts(user, query, &listing)).cacheable(found.settled),
            })
        })
        .await
    }

    /// Shows the newest jobs, or those after a cursor.
    ///
    /// # Errors
    /// As [`App::show_root`].
    pub async fn show_jobs(&self, request: &Request, query: JobsQuery) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::page(query.view()), || async {
            let found = self.table.jobs(user, query.after, JOBS_MAX).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            let rows: Vec<_> = found.value.jobs.iter().map(views::job_list_item).collect();
            let next = found.value.next.map(JobsQuery::next_cursor);
            Ok(Loaded::new(found.rev, body::data(&rows)).cacheable(found.settled).next_cursor(next))
        })
        .await
    }

    pub(crate) async fn root(&self, user: &UserId) -> Result<Root, ApiError> {
        let root = self.table.root(user).await.map_err(of_store)?.unwrap_or_default();
        alive(root.deleted_at)?;
        Ok(root)
    }
}

/// A deleted account is told so (D14).
pub(crate) fn alive(deleted_at: Option<Timestamp>) -> Result<(), ApiError> {
    match deleted_at {
        Some(_) => Err(ApiError::UserNotFound),
        None => Ok(()),
    }
}

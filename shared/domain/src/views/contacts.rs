//! Contacts and jobs as rows of an answer (contract sections 8 and 10).

use serde::Serialize;

use crate::{Contact, ContactId, Job, JobId, JobStatus, ProductionId, Timestamp, UserId};

/// The job of a contact. `file_name` is shown in pages only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRef<'a> {
    id: JobId,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<Option<&'a str>>,
    status: JobStatus,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    production_id: Option<Option<ProductionId>>,
}

/// One contact with its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactView<'a> {
    id: ContactId,
    job_id: JobId,
    user_id: &'a UserId,
    name: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    role: Option<&'a str>,
    company: Option<&'a str>,
    is_selected: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    job: JobRef<'a>,
}

/// `GET /api/contacts/{id}`: the job carries `productionId`.
pub type ContactDetail<'a> = ContactView<'a>;

fn view<'a>(user: &'a UserId, contact: &'a Contact, job: JobRef<'a>) -> ContactView<'a> {
    ContactView {
        id: contact.id,
        job_id: contact.job_id,
        user_id: user,
        name: &contact.name,
        email: contact.email.as_deref(),
        phone: contact.phone.as_deref(),
        role: contact.role.as_deref(),
        company: contact.company.as_deref(),
        is_selected: contact.is_selected,
        created_at: contact.created_at,
        updated_at: contact.updated_at,
        job,
    }
}

fn job_ref(job: &Job) -> JobRef<'_> {
    JobRef { id: job.id, title: &job.title, file_name: None, status: job.status, created_at: job.created_at, production_id: None }
}

/// A row of the contact list; `in_page` adds the job's file name, which the bare array of v1 lacks.
#[must_use]
pub fn contact_view<'a>(user: &'a UserId, contact: &'a Contact, job: &'a Job, in_page: bool) -> ContactView<'a> {
    let file_name = in_page.then_some(job.file_name.as_deref());
    view(user, contact, JobRef { file_name, ..job_ref(job) })
}

/// One contact with its job and the job's production.
#[must_use]
pub fn contact_detail<'a>(user: &'a UserId, contact: &'a Contact, job: &'a Job) -> ContactDetail<'a> {
    view(user, contact, JobRef { production_id: Some(job.production_id), ..job_ref(job) })
}

/// Where a page lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// From 1; echoed as 1 with a cursor (D24).
    pub page: u64,
    /// Rows a page.
    pub limit: u64,
    /// Rows in all.
    pub total: u64,
    /// Pages in all.
    pub pages: u64,
    /// Same as `pages`.
    pub total_pages: u64,
    /// Whether rows follow.
    pub has_more: bool,
    /// Opaque, stable under inserts; null on the last page.
    pub next_cursor: Option<String>,
}

/// Counts beside a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageStats {
    /// Same as `pagination.total`.
    pub total_contacts: u64,
    /// E-mail containing `@`.
    pub with_email: u64,
    /// Phone not empty.
    pub with_phone: u64,
    /// Jobs with contacts, narrowed by `jobId` only.
    pub total_jobs: u64,
}

/// A page of contacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContactPage<'a> {
    /// The rows.
    pub contacts: Vec<ContactView<'a>>,
    /// Where the page lies.
    pub pagination: Pagination,
    /// Counts over the whole list.
    pub stats: PageStats,
}

/// A row of `GET /api/jobs`; the file name keys are absent when there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobListItem<'a> {
    id: JobId,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    #[serde(rename = "fileName", skip_serializing_if = "Option::is_none")]
    file_name_camel: Option<&'a str>,
    status: JobStatus,
    #[serde(rename = "createdAt")]
    created_at_camel: Timestamp,
    created_at: Timestamp,
}

/// One job of the list.
#[must_use]
pub fn job_list_item(job: &Job) -> JobListItem<'_> {
    let file_name = job.file_name.as_deref();
    JobListItem {
        id: job.id,
        title: &job.title,
        file_name,
        file_name_camel: file_name,
        status: job.status,
        created_at_camel: job.created_at,
        created_at: job.created_at,
    }
}

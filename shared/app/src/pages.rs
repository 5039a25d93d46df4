//! The bodies of contact lists.

use std::collections::BTreeMap;

use book::{Place, Slice};
use bytes::Bytes;
use domain::views::{self, ContactPage, ContactView, PageStats, Pagination};
use domain::{Contact, Job, JobId, UserId};
use store::Page;

use crate::body;
use crate::contacts_query::ContactsQuery;

/// A part of a list of contacts, and what is counted over the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The rows in order.
    pub(crate) contacts: Vec<Contact>,
    /// The jobs of the rows.
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// Rows of the whole list.
    pub(crate) total: u64,
    /// Numbers beside the list.
    pub(crate) with_email: u64,
    pub(crate) with_phone: u64,
    pub(crate) total_jobs: u64,
    /// The place of the last row if more follow.
    pub(crate) next: Option<Place>,
}

impl From<Page> for Listing {
    fn from(page: Page) -> Self {
        let Page { contacts, jobs, total, with_email, with_phone, total_jobs, next } = page;
        Self { contacts, jobs, total, with_email, with_phone, total_jobs, next: next.map(|(at, id)| Place::created(at, id)) }
    }
}

/// A page of contacts, or the bare array of v1 (D1).
pub(crate) fn contacts(user: &UserId, query: &ContactsQuery, list: &Listing) -> Bytes {
    let rows: Vec<ContactView<'_>> = list.contacts.iter().filter_map(|contact| row(user, query, list, contact)).collect();
    if !query.paged {
        return body::data(&rows);
    }
    let limit = u64::from(query.limit);
    let pages = list.total.div_ceil(limit);
    let number = match query.slice {
        Slice::Page(number) => number,
        Slice::After(_) => 1,
    };
    body::data(&ContactPage {
        contacts: rows,
        pagination: Pagination {
            page: number,
            limit,
            total: list.total,
            pages,
            total_pages: pages,
            has_more: list.next.is_some() || matches!(query.slice, Slice::Page(number) if number < pages),
            next_cursor: list.next.as_ref().map(|place| query.next_cursor(place)),
        },
        stats: PageStats {
            total_contacts: list.total,
            with_email: list.with_email,
            with_phone: list.with_phone,
            total_jobs: list.total_jobs,
        },
    })
}

/// A row with its job. The page was read with the jobs of all its rows.
fn row<'a>(user: &'a UserId, query: &ContactsQuery, list: &'a Listing, contact: &'a Contact) -> Option<ContactView<'a>> {
    list.jobs.get(&contact.job_id).map(|job| views::contact_view(user, contact, job, query.paged))
}

//! The bodies of contact lists.

use bytes::Bytes;
use domain::views::{self, ContactPage, ContactView, PageStats, Pagination};
use domain::{Contact, UserId};
use store::{Page, Slice};

use crate::body;
use crate::query::ContactsQuery;

/// A page of contacts, or the bare array of v1 (D1).
pub(crate) fn contacts(user: &UserId, query: &ContactsQuery, page: &Page) -> Bytes {
    let rows: Vec<ContactView<'_>> = page.contacts.iter().filter_map(|contact| row(user, query, page, contact)).collect();
    if !query.paged {
        return body::data(&rows);
    }
    let limit = u64::from(query.limit);
    let pages = page.total.div_ceil(limit);
    let number = match query.slice {
        Slice::Page(number) => number,
        Slice::After(..) => 1,
    };
    body::data(&ContactPage {
        contacts: rows,
        pagination: Pagination {
            page: number,
            limit,
            total: page.total,
            pages,
            total_pages: pages,
            has_more: page.next.is_some() || matches!(query.slice, Slice::Page(number) if number < pages),
            next_cursor: page.next.map(|place| query.next_cursor(place)),
        },
        stats: PageStats {
            total_contacts: page.total,
            with_email: page.with_email,
            with_phone: page.with_phone,
            total_jobs: page.total_jobs,
        },
    })
}

/// A row with its job. The page was read with the jobs of all its rows.
fn row<'a>(user: &'a UserId, query: &ContactsQuery, page: &'a Page, contact: &'a Contact) -> Option<ContactView<'a>> {
    page.jobs.get(&contact.job_id).map(|job| views::contact_view(user, contact, job, query.paged))
}

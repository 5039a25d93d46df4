//! A user that the table knows: each line is compared with what is stored, and only differences are written.

use std::collections::HashMap;

use domain::{Contact, ContactId, Job, JobId, Month, Production, ProductionId, Timestamp, UserId};

use super::billing;
use super::line::{Content, Kind};
use super::scan::Row;
use super::target::Target;
use super::{ImportError, Steps};
use crate::StoreError;
use crate::writes::{Edit, Record};

/// Lines that are compared together, and changes of one transaction.
const PAGE: usize = 80;

/// Brings a user up to its lines. `rows` are ordered by kind, creation and id.
///
/// # Errors
/// When the file or the table fails. Every transaction until then is complete; the next import finds the rest.
pub(super) async fn write<T: Target>(
    target: &T,
    user: &UserId,
    rows: &[Row],
    now: Timestamp,
    steps: &mut Steps<'_>,
) -> Result<(), ImportError> {
    let head = rows.partition_point(|row| row.kind <= Kind::Subscription);
    let changed = write_head(target, user, &rows[..head], now, steps).await?;
    for row in &rows[..head] {
        steps.count(row.kind, changed);
    }
    steps.advance(head as u64);
    // A page is of one kind, so that one read of each kind finds everything and a job is there before its contacts.
    for same_kind in rows[head..].chunk_by(|a, b| a.kind == b.kind) {
        for page in same_kind.chunks(PAGE) {
            write_page(target, user, page, now, steps).await?;
            steps.advance(page.len() as u64);
        }
    }
    Ok(())
}

/// Writes deletion and billing if they differ; true when they did.
///
/// # Errors
/// When the file or the table fails.
pub(super) async fn write_head<T: Target>(
    target: &T,
    user: &UserId,
    rows: &[Row],
    now: Timestamp,
    steps: &mut Steps<'_>,
) -> Result<bool, ImportError> {
    let (mut account, mut subscriptions) = (None, Vec::new());
    for row in rows {
        match steps.content(row)? {
            Content::User(line) => account = Some(line),
            Content::Subscription(line) => subscriptions.push(line),
            _ => {}
        }
    }
    let root = target.root(user).await?.unwrap_or_default();
    let mut changes = Vec::new();
    if let Some(deleted_at) = account.as_ref().and_then(|line| line.deleted_at).filter(|at| *at != root.deleted_at) {
        changes.push(Edit::DeletedAt(deleted_at));
    }
    let billing = billing::merged(&root.billing, account.as_ref(), &subscriptions);
    let customer = billing.customer.as_ref().map(|customer| customer.id.clone());
    if billing != root.billing && !target.has_stripe_state(user).await? {
        changes.push(Edit::Billing(billing));
    }
    if !changes.is_empty() {
        target.change(user, &changes, now).await?;
    }
    // Also when nothing else changed: an import may have been cut off just before.
    if let Some(customer) = customer {
        target.link(user, &customer, now).await?;
    }
    Ok(!changes.is_empty())
}

async fn write_page<T: Target>(target: &T, user: &UserId, rows: &[Row], now: Timestamp, steps: &mut Steps<'_>) -> Result<(), ImportError> {
    let mut wanted = Vec::with_capacity(rows.len());
    for row in rows {
        wanted.push(steps.content(row)?);
    }
    let stored = Stored::read(target, user, &wanted).await?;
    let mut changes = Vec::new();
    for (row, content) in rows.iter().zip(wanted) {
        let change = stored.difference(content);
        steps.count(row.kind, change.is_some());
        changes.extend(change.map(Edit::Put));
    }
    if !changes.is_empty() {
        target.change(user, &changes, now).await?;
    }
    Ok(())
}

/// The stored rows that a page of lines names.
#[derive(Default)]
struct Stored {
    usage: HashMap<Month, domain::Usage>,
    productions: HashMap<ProductionId, Production>,
    jobs: HashMap<JobId, Job>,
    contacts: HashMap<ContactId, Contact>,
}

impl Stored {
    async fn read<T: Target>(target: &T, user: &UserId, wanted: &[Content]) -> Result<Self, StoreError> {
        let (mut months, mut productions, mut jobs, mut contacts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for content in wanted {
            match content {
                Content::Usage(month, _) => months.push(*month),
                Content::Production(production) => productions.push(production.id),
                Content::Job(job) => jobs.push(job.id),
                Content::Contact(contact) => contacts.push(contact.id),
                Content::User(_) | Content::Subscription(_) => {}
            }
        }
        let mut stored = Self::default();
        if !months.is_empty() {
            stored.usage.extend(target.usage(user, &months).await?);
        }
        if !productions.is_empty() {
            stored.productions.extend(target.productions(user, &productions).await?.into_iter().map(|row| (row.id, row)));
        }
        if !jobs.is_empty() {
            stored.jobs.extend(target.jobs(user, &jobs).await?.into_iter().map(|row| (row.id, row)));
        }
        if !contacts.is_empty() {
            stored.contacts.extend(target.contacts(user, &contacts).await?.into_iter().map(|row| (row.id, row)));
        }
        Ok(stored)
    }

    /// The row to write, if the line says something else than the table.
    fn difference(&self, content: Content) -> Option<Record> {
        match content {
            Content::Usage(month, usage) => (self.usage.get(&month) != Some(&usage)).then_some(Record::Usage(month, usage)),
            Content::Production(new) => (self.productions.get(&new.id) != Some(&new)).then_some(Record::Production(new)),
            Content::Job(mut new) => {
                let old = self.jobs.get(&new.id);
                new.counts = old.map(|old| old.counts).unwrap_or_default();
                (old != Some(&new)).then_some(Record::Job(new))
            }
            Content::Contact(mut new) => {
                let Some(old) = self.contacts.get(&new.id) else { return Some(Record::Contact(new)) };
                new.cv = old.cv;
                if *old == new {
                    return None;
                }
                new.cv += 1;
                Some(Record::Contact(new))
            }
            Content::User(_) | Content::Subscription(_) => None,
        }
    }
}

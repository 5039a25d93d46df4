//! A user that the table does not know: all rows first, in batches, and the root last, so that it is invisible until complete.

use std::future::Future;

use domain::{Timestamp, UserId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::line::{Content, Kind};
use super::scan::Row;
use super::tally::Tally;
use super::target::{Entry, Target};
use super::{ImportError, Steps, existing};
use crate::StoreError;
use crate::writes::Record;

/// Items of one `BatchWriteItem`.
const BATCH_ITEMS: usize = 25;
/// Batches under way at the same time.
const BATCHES_IN_FLIGHT: usize = 8;

/// Writes a new user. `rows` are ordered by kind, creation and id; the marker is set already.
///
/// After an interrupted import there may be rows of another file, so the aggregates come from the rows in the table, as they
/// do when somebody else has created the root meanwhile.
///
/// # Errors
/// When the file or the table fails. What was written stays invisible, and the next import completes it.
pub(super) async fn write<T: Target>(
    target: &T,
    user: &UserId,
    rows: &[Row],
    interrupted: bool,
    now: Timestamp,
    steps: &mut Steps<'_>,
) -> Result<(), ImportError> {
    let mut written = write_rows(target, user, rows, steps).await?;
    written.tally.commit(now);
    let recompute = interrupted || written.alien_jobs;
    if !recompute && target.finish(&mut written.tally.account, &written.entries, now).await? {
        // After the root: what events told of the customer before counts from now on.
        if let Some(customer) = &written.tally.account.root.billing.customer {
            target.link(user, &customer.id, now).await?;
        }
    } else {
        target.recompute(user, now).await?;
        // Rows hold neither billing nor deletion.
        let head = rows.partition_point(|row| row.kind <= Kind::Subscription);
        existing::write_head(target, user, &rows[..head], now, steps).await?;
        steps.report.recomputed += 1;
    }
    for row in rows {
        steps.report.written.add(row.kind, 1);
    }
    Ok(())
}

/// What writing the rows gave.
struct Written {
    tally: Tally,
    entries: Vec<Entry>,
    /// Some contacts are of jobs that only the table has, from an interrupted import of another file.
    alien_jobs: bool,
}

async fn write_rows<T: Target>(target: &T, user: &UserId, rows: &[Row], steps: &mut Steps<'_>) -> Result<Written, ImportError> {
    let mut written = Written { tally: Tally::new(user.clone()), entries: Vec::with_capacity(rows.len()), alien_jobs: false };
    let send = |records: Vec<Record>| async move { target.put(user, &records).await };
    let mut batches = Batches { send, pending: Vec::new(), in_flight: FuturesUnordered::new() };
    let tally = &mut written.tally;
    for row in rows {
        match steps.content(row)? {
            Content::User(line) => tally.add_user(line),
            Content::Subscription(line) => tally.add_subscription(line),
            Content::Usage(month, usage) => {
                tally.account.set_usage(month, usage);
                batches.put(Record::Usage(month, usage)).await?;
            }
            Content::Production(production) => batches.put(Record::Production(production)).await?,
            // Written after its contacts, with their counters.
            Content::Job(job) => tally.add_job(job),
            Content::Contact(contact) => {
                written.alien_jobs |= !tally.add_contact(&contact);
                written.entries.push(Entry { at: contact.created_at, id: contact.id, reachable: contact.flags().reachable() });
                batches.put(Record::Contact(contact)).await?;
            }
        }
        steps.advance(1);
    }
    for job in &tally.jobs {
        batches.put(Record::Job(job.clone())).await?;
    }
    batches.finish().await?;
    Ok(written)
}

/// Rows on their way to the table, a few batches at a time.
struct Batches<S, F> {
    send: S,
    pending: Vec<Record>,
    in_flight: FuturesUnordered<F>,
}

impl<S: Fn(Vec<Record>) -> F, F: Future<Output = Result<(), StoreError>>> Batches<S, F> {
    async fn put(&mut self, record: Record) -> Result<(), StoreError> {
        self.pending.push(record);
        if self.pending.len() == BATCH_ITEMS {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends what is pending, after waiting for a free place.
    async fn flush(&mut self) -> Result<(), StoreError> {
        if self.in_flight.len() >= BATCHES_IN_FLIGHT {
            self.in_flight.next().await.unwrap_or(Ok(()))?;
        }
        let records = std::mem::replace(&mut self.pending, Vec::with_capacity(BATCH_ITEMS));
        self.in_flight.push((self.send)(records));
        Ok(())
    }

    async fn finish(mut self) -> Result<(), StoreError> {
        if !self.pending.is_empty() {
            self.flush().await?;
        }
        while let Some(result) = self.in_flight.next().await {
            result?;
        }
        Ok(())
    }
}

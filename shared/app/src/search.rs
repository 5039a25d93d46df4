//! Lists of contacts that no index has: searched, filtered, or in another order. One pass over the buckets of the account, or over a job's rows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use book::{Bucket, Filter, Scan};
use domain::{Contact, JobId, Rev, UserId};
use store::StoreError;
use web::ApiError;

use crate::App;
use crate::cached::{JOB, Loaded};
use crate::contact_book::{Book, CONTACTS_MAX};
use crate::contacts_query::ContactsQuery;
use crate::errors::of_store;
use crate::pages::{self, Listing};
use crate::reads::alive;

/// Passes before an answer is given that a change came into.
const TRIES: u32 = 4;
/// Contacts of a job that are read each time. Those of a larger one are found among the account's buckets: their memory is bounded.
const JOB_ROWS_MAX: u64 = 5_000;

/// Why a pass gave no answer.
enum Stop {
    /// The request cannot be answered.
    Refused(ApiError),
    /// The table failed, or a change came in between.
    Table(StoreError),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Table(error)
    }
}

/// A pass's answer, and whether it is all of one revision.
struct Passed {
    loaded: Loaded,
    settled: bool,
}

impl App {
    /// Goes over the contacts and loads a page: again as long as changes come in between, up to four times, then what was found is shown but
    /// not kept.
    pub(crate) async fn search(&self, user: &UserId, query: &ContactsQuery) -> Result<Loaded, ApiError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let last = tries == TRIES;
            let passed = match query.job {
                Some(job) => self.search_job(user, query, job, last).await,
                None => self.search_account(user, query, last, None).await,
            };
            match passed {
                Err(Stop::Table(StoreError::Conflict { .. })) if !last => {}
                Ok(Passed { settled: false, .. }) if !last => {}
                Ok(Passed { loaded, settled }) => return Ok(loaded.cacheable(settled)),
                Err(Stop::Table(error)) => return Err(of_store(error)),
                Err(Stop::Refused(error)) => return Err(error),
            }
        }
    }

    /// Goes over the account's buckets. What was looked at before is of revision `at`.
    async fn search_account(&self, user: &UserId, query: &ContactsQuery, lenient: bool, at: Option<Rev>) -> Result<Passed, Stop> {
        let mut book = self.open_book(user, lenient).await?;
        alive(book.deleted_at())?;
        if book.is_too_large() {
            return Err(too_many().into());
        }
        let mut filter = query.filter();
        if let Some(jobs) = self.jobs_asked_for(user, query).await? {
            filter = filter.jobs(jobs);
        }
        let mut list = scan_book(&mut book, query, &filter).await?;
        let ids: BTreeSet<JobId> = list.contacts.iter().map(|contact| contact.job_id).collect();
        // The root is looked at once more: jobs, and who belongs to a production, must be of the same revision.
        let (jobs, settled) = self.table.jobs_at(user, &ids, book.rev()).await?;
        if jobs.len() < ids.len() {
            return Err(StoreError::Conflict { operation: "searching contacts" }.into());
        }
        list.jobs = jobs;
        let settled = settled && book.is_settled() && at.is_none_or(|at| at == book.rev());
        Ok(Passed { loaded: Loaded::new(book.rev(), pages::contacts(user, query, &list)), settled })
    }

    /// The jobs whose contacts are asked for; nothing for those of all.
    async fn jobs_asked_for(&self, user: &UserId, query: &ContactsQuery) -> Result<Option<HashSet<JobId>>, StoreError> {
        let of_production = match query.production {
            Some(production) => Some(self.table.jobs_of_production(user, production).await?),
            None => None,
        };
        let Some(job) = query.job else { return Ok(of_production) };
        let asked_for = of_production.is_none_or(|jobs| jobs.contains(&job));
        Ok(Some(asked_for.then_some(job).into_iter().collect()))
    }

    /// A job has few enough contacts to be read each time, or is searched as a part of the account.
    async fn search_job(&self, user: &UserId, query: &ContactsQuery, id: JobId, lenient: bool) -> Result<Passed, Stop> {
        let (root, job) = self.table.root_and_job(user, id).await?;
        alive(root.deleted_at)?;
        if root.contacts.all > CONTACTS_MAX {
            return Err(too_many().into());
        }
        if job.is_some_and(|job| job.counts.all > JOB_ROWS_MAX) {
            return self.search_account(user, query, lenient, Some(root.rev)).await;
        }
        let found = self.table.job_contacts(user, id).await?;
        alive(found.deleted_at)?;
        let settled = found.settled;
        let Some((job, contacts)) = found.value else { return Ok(Passed { loaded: Loaded::missing(found.rev, JOB), settled }) };
        let mut filter = query.filter();
        if query.production.is_some() && query.production != job.production_id {
            filter = filter.jobs(HashSet::new());
        }
        let bucket = Bucket::of(&contacts);
        let mut scan = Scan::new(&filter, query.order, &query.slice);
        scan.add(0, &bucket);
        let found_rows = scan.finish(&query.slice, query.limit);
        let rows = found_rows.rows.iter().map(|(_, row)| bucket.contact(*row)).collect();
        let mut list = listing(found_rows, rows, u64::from(job.counts.all > 0));
        list.jobs = BTreeMap::from([(job.id, job)]);
        Ok(Passed { loaded: Loaded::new(found.rev, pages::contacts(user, query, &list)), settled })
    }
}

async fn scan_book(book: &mut Book<'_>, query: &ContactsQuery, filter: &Filter) -> Result<Listing, StoreError> {
    let mut scan = Scan::new(filter, query.order, &query.slice);
    for numbers in book.groups() {
        for (number, bucket) in numbers.clone().zip(book.load(numbers).await?) {
            scan.add(number, &bucket);
        }
    }
    let found = scan.finish(&query.slice, query.limit);
    let numbers: BTreeSet<usize> = found.rows.iter().map(|(number, _)| *number).collect();
    book.be_strict();
    // They are in memory still, unless the account's texts are so long that not all of them fit.
    let buckets = book.load(numbers.iter().copied()).await?;
    let by_number: BTreeMap<usize, _> = numbers.into_iter().zip(buckets).collect();
    let contacts = found.rows.iter().map(|(number, row)| by_number[number].contact(*row)).collect();
    // A job that is searched so has contacts.
    let total_jobs = if query.job.is_some() { 1 } else { book.counted().jobs_with_contacts };
    Ok(listing(found, contacts, total_jobs))
}

fn listing(found: book::Found, contacts: Vec<Contact>, total_jobs: u64) -> Listing {
    let book::Found { total, with_email, with_phone, next, .. } = found;
    Listing { contacts, jobs: BTreeMap::new(), total, with_email, with_phone, total_jobs, next }
}

fn too_many() -> ApiError {
    ApiError::Unprocessable("Too many contacts for search".to_owned())
}

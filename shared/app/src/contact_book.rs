//! An account's contacts as buckets: from this process, from the cache, or from the table, which is asked last and once.
//!
//! What lies under a bucket's name never changes, so no copy of it is ever out of date; which buckets there are is read from the table each time,
//! at one revision. Rows that the table gave are kept only if they are exactly those of that revision (`store::BucketRows::whole`): then whoever
//! keeps them, however late, keeps the same.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use book::{Bucket, Shelf};
use bytes::Bytes;
use domain::{Rev, Timestamp, UserId};
use futures::{StreamExt, TryStreamExt};
use store::{BucketRef, BucketRows, Buckets, Found, StoreError};

use crate::App;

/// Contacts of an account that can be searched, sorted and exported.
pub(crate) const CONTACTS_MAX: u64 = 200_000;
/// Bytes of buckets that a process keeps: those of 200,000 contacts of ordinary length.
pub(crate) const SHELF_BYTES_MAX: usize = 64 << 20;
/// Buckets that are loaded together: up to a megabyte of packed bytes.
const GROUP: usize = 64;
/// Buckets that are read from the table at the same time.
const READS: usize = 16;

/// The buckets of an account at one revision.
#[derive(Debug)]
pub(crate) struct Book<'a> {
    app: &'a App,
    user: &'a UserId,
    found: Found<Buckets>,
    /// Whether a bucket that changed meanwhile is taken as it is now.
    lenient: bool,
    /// What was taken so.
    changed: HashMap<usize, Arc<Bucket>>,
    /// Whether the cache answers.
    cache: bool,
}

impl App {
    /// Opens an account's contacts at its present revision: two trips. A lenient book takes buckets that change while it is read as they are
    /// then, and says so ([`Book::is_settled`]); else they are a conflict, and opening it again is the remedy.
    ///
    /// # Errors
    /// As [`store::Table::buckets`].
    pub(crate) async fn open_book<'a>(&'a self, user: &'a UserId, lenient: bool) -> Result<Book<'a>, StoreError> {
        let found = self.table.buckets(user, CONTACTS_MAX).await?;
        Ok(Book { app: self, user, found, lenient, changed: HashMap::new(), cache: true })
    }
}

impl Book<'_> {
    /// The revision that it shows.
    pub(crate) fn rev(&self) -> Rev {
        self.found.rev
    }

    /// Set when the account was deleted.
    pub(crate) fn deleted_at(&self) -> Option<Timestamp> {
        self.found.deleted_at
    }

    /// What the account counts.
    pub(crate) fn counted(&self) -> &Buckets {
        &self.found.value
    }

    /// Whether there are more contacts than can be gone over: then there are no buckets.
    pub(crate) fn is_too_large(&self) -> bool {
        self.found.value.counts.all > CONTACTS_MAX
    }

    /// Whether all that was loaded is of one revision.
    pub(crate) fn is_settled(&self) -> bool {
        self.changed.is_empty()
    }

    /// From now on a bucket that changed is a conflict: rows were picked by their numbers.
    pub(crate) fn be_strict(&mut self) {
        self.lenient = false;
    }

    /// Numbers of the buckets, oldest first, in groups that are best loaded together.
    pub(crate) fn groups(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + use<> {
        let count = self.found.value.buckets.len();
        (0..count.div_ceil(GROUP)).map(move |group| group * GROUP..((group + 1) * GROUP).min(count))
    }

    /// Buckets by their numbers, in this order.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them changed since the book was opened, and the book is not lenient; else see [`StoreError`].
    pub(crate) async fn load(&mut self, numbers: impl IntoIterator<Item = usize>) -> Result<Vec<Arc<Bucket>>, StoreError> {
        let numbers: Vec<usize> = numbers.into_iter().collect();
        let mut loaded: HashMap<usize, Arc<Bucket>> = HashMap::new();
        let mut missing = self.take_from_process(&numbers, &mut loaded);
        if !missing.is_empty() && self.cache {
            missing = self.take_from_cache(missing, &mut loaded).await;
        }
        if !missing.is_empty() {
            self.take_from_table(missing, &mut loaded).await?;
        }
        Ok(numbers.iter().filter_map(|number| loaded.get(number).cloned()).collect())
    }

    fn bucket(&self, number: usize) -> &BucketRef {
        &self.found.value.buckets[number]
    }

    /// What a bucket is called where the buckets of all users lie.
    fn full_name(&self, number: usize) -> String {
        format!("{}/{}", self.user, self.bucket(number).name())
    }

    fn take_from_process(&self, numbers: &[usize], loaded: &mut HashMap<usize, Arc<Bucket>>) -> Vec<usize> {
        let mut missing = Vec::new();
        self.app.with_shelf(|shelf| {
            for number in numbers {
                let there = self.changed.get(number).cloned().or_else(|| shelf.get(&self.full_name(*number)));
                match there {
                    Some(bucket) => drop(loaded.insert(*number, bucket)),
                    None => missing.push(*number),
                }
            }
        });
        missing
    }

    /// Asks the cache: what it has not, or has in another form than the directory says, is still missing.
    async fn take_from_cache(&mut self, numbers: Vec<usize>, loaded: &mut HashMap<usize, Arc<Bucket>>) -> Vec<usize> {
        let names: Vec<String> = numbers.iter().map(|number| self.bucket(*number).name()).collect();
        let Ok(blobs) = Box::pin(self.app.cache.blobs(self.user.as_str(), &names)).await else {
            self.cache = false;
            return numbers;
        };
        let mut missing = Vec::new();
        for (number, blob) in numbers.into_iter().zip(blobs) {
            let name = self.full_name(number);
            let known = self.bucket(number);
            let is_it = |bucket: &Bucket| bucket.len() == known.count as usize && bucket.reachable() == known.reachable as usize;
            match blob.and_then(|blob| Bucket::decode(&name, &blob)).filter(is_it) {
                Some(bucket) => self.keep(number, bucket, loaded),
                None => missing.push(number),
            }
        }
        missing
    }

    /// Asks the table, and gives the cache what it lacked.
    async fn take_from_table(&mut self, numbers: Vec<usize>, loaded: &mut HashMap<usize, Arc<Bucket>>) -> Result<(), StoreError> {
        let (app, user, rev) = (self.app, self.user, self.rev());
        let reads = numbers.into_iter().map(|number| {
            let bucket = self.bucket(number).clone();
            async move { Ok::<_, StoreError>((number, app.table.bucket_rows(user, &bucket, rev).await?)) }
        });
        let mut reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(READS);
        let mut blobs: Vec<(String, Bytes)> = Vec::new();
        while let Some((number, rows)) = reads.try_next().await? {
            let BucketRows { contacts, whole } = rows;
            let bucket = Bucket::of(&contacts);
            if whole {
                if self.cache {
                    blobs.push((self.bucket(number).name(), bucket.encode(&self.full_name(number)).into()));
                }
                self.keep(number, bucket, loaded);
            } else if self.lenient {
                let bucket = Arc::new(bucket);
                self.changed.insert(number, Arc::clone(&bucket));
                loaded.insert(number, bucket);
            } else {
                return Err(StoreError::Conflict { operation: "reading a bucket" });
            }
        }
        drop(reads);
        self.cache = self.cache && Box::pin(app.cache.keep_blobs(user.as_str(), blobs)).await.is_ok();
        Ok(())
    }

    fn keep(&self, number: usize, bucket: Bucket, loaded: &mut HashMap<usize, Arc<Bucket>>) {
        let bucket = Arc::new(bucket);
        self.app.with_shelf(|shelf| shelf.put(&self.full_name(number), Arc::clone(&bucket)));
        loaded.insert(number, bucket);
    }
}

impl App {
    pub(crate) fn with_shelf<T>(&self, of: impl FnOnce(&mut Shelf) -> T) -> T {
        of(&mut self.shelf.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

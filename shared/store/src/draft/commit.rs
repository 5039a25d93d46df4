//! From a draft to what the table is asked to write.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::{FEED_LEN, Job, JobKey, Rev};

use super::{Draft, ITEMS_MAX};
use crate::StoreError;
use crate::calls::{Index, Range};
use crate::item;
use crate::keys;
use crate::write_items::{absent, add_to_group, delete, put, put_root};

impl Draft<'_> {
    /// Reads what a deletion left open, raises the revision and lists what is to be written.
    pub(crate) async fn finish(mut self) -> Result<(Rev, Vec<TransactWriteItem>), StoreError> {
        if self.importing {
            return Err(StoreError::Unavailable {
                operation: "a change of an account that is being imported",
                source: "the import is not complete".into(),
            });
        }
        self.fill_gaps().await?;
        let groups = self.account.take_group_deltas();
        self.account.commit(self.now);
        let mut writes = self.aggregates();
        self.write_directory(&mut writes);
        for kept in self.jobs.values().filter(|kept| kept.before != kept.now) {
            match (&kept.now, &kept.before) {
                (Some(job), _) => writes.push(put(self.table, item::job(self.user, job, self.rev))),
                (None, Some(job)) => writes.push(delete(self.table, self.user, &keys::job(job.id))),
                (None, None) => {}
            }
        }
        for (id, contact) in &self.contacts {
            writes.push(match contact {
                Some(contact) => put(self.table, item::contact(self.user, contact, self.rev)),
                None => delete(self.table, self.user, &keys::contact(*id)),
            });
        }
        writes.extend(groups.iter().map(|(key, delta)| add_to_group(self.table, self.user, key, *delta)));
        for (sk, other) in &self.others {
            writes.push(match other {
                Some(item) => put(self.table, item.clone()),
                None => delete(self.table, self.user, sk),
            });
        }
        if writes.len() > ITEMS_MAX {
            return Err(StoreError::malformed("transaction", format!("{} items in one transaction", writes.len())));
        }
        Ok((self.rev, writes))
    }

    /// Root and stats, on the condition that the root is still the one that was read.
    fn aggregates(&self) -> Vec<TransactWriteItem> {
        let stats = item::with_rev(self.user, keys::STATS, self.rev, &self.account.stats);
        let mut writes = vec![put_root(self.table, self.user, self.read, &self.account.root, self.now), put(self.table, stats)];
        if !self.exists() {
            writes.push(absent(self.table, self.user, keys::IMPORT));
        }
        writes
    }

    fn write_directory(&self, writes: &mut Vec<TransactWriteItem>) {
        if self.editor.is_clean() {
            return;
        }
        let (changed, removed) = self.editor.changes();
        writes.push(put(self.table, item::packed(self.user, keys::DIRECTORY, self.editor.directory.encode())));
        writes
            .extend(changed.iter().map(|(number, chunk)| put(self.table, item::packed(self.user, &keys::chunk(*number), chunk.encode()))));
        writes.extend(removed.iter().map(|number| delete(self.table, self.user, &keys::chunk(*number))));
    }

    async fn fill_gaps(&mut self) -> Result<(), StoreError> {
        let gaps = self.account.gaps();
        if gaps.feed {
            let newest = self.newest_jobs(Index::L1, keys::JOBS_L1, FEED_LEN).await?;
            self.account.fill_feed(&newest);
        }
        if gaps.last_extraction {
            let newest = self.newest_jobs(Index::L2, keys::JOBS_L2, 1).await?;
            self.account.set_last_extraction(newest.first().map(JobKey::of));
        }
        Ok(())
    }

    /// The newest jobs of an index as they are with this transaction's changes, newest first.
    async fn newest_jobs(&self, index: Index, range: (&str, &str), count: usize) -> Result<Vec<Job>, StoreError> {
        let limit = Some(count + self.jobs.len());
        let range =
            Range { index, pk: keys::user(self.user), from: range.0.to_owned(), until: range.1.to_owned(), descending: true, limit };
        let mut jobs = BTreeMap::new();
        for found in self.table.query(range).await? {
            let job: Job = item::body(&found)?;
            jobs.insert(job.id, job);
        }
        for (id, kept) in &self.jobs {
            match &kept.now {
                Some(job) if index == Index::L1 || job.counts.all > 0 => drop(jobs.insert(*id, job.clone())),
                _ => drop(jobs.remove(id)),
            }
        }
        let mut jobs: Vec<Job> = jobs.into_values().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(JobKey::of(job)));
        jobs.truncate(count);
        Ok(jobs)
    }
}

//! The table as an import's target.

use domain::{Account, Contact, ContactId, Job, JobId, Month, Production, ProductionId, Rev, Root, Timestamp, Usage, UserId};
use uuid::Uuid;

use super::target::{Begun, Entry, Target};
use crate::calls::pause;
use crate::directory::{self, Key};
use crate::item::{self, Item};
use crate::keys;
use crate::write_items::{absent, delete, put, put_new, put_root};
use crate::writes::{Edit, Record};
use crate::{StoreError, Table};

/// Tries of a step that another writer can disturb.
const TRIES: u32 = 5;
/// The revision of a new account.
const FIRST: Rev = Rev(1);

impl Target for Table {
    async fn has_stripe_state(&self, user: &UserId) -> Result<bool, StoreError> {
        Self::has_stripe_state(self, user).await
    }

    async fn root(&self, user: &UserId) -> Result<Option<Root>, StoreError> {
        Self::root(self, user).await
    }

    async fn usage(&self, user: &UserId, months: &[Month]) -> Result<Vec<(Month, Usage)>, StoreError> {
        let found = self.by_sort_keys(user, months.iter().map(|month| keys::usage(*month))).await?;
        let of = |month: &Month| found.iter().find(|found| item::sk(found) == keys::usage(*month));
        months.iter().filter_map(|month| Some(item::body(of(month)?).map(|usage| (*month, usage)))).collect()
    }

    async fn productions(&self, user: &UserId, ids: &[ProductionId]) -> Result<Vec<Production>, StoreError> {
        let found = self.by_sort_keys(user, ids.iter().map(|id| keys::production(*id))).await?;
        found.iter().map(item::body).collect()
    }

    async fn jobs(&self, user: &UserId, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        let found = self.by_sort_keys(user, ids.iter().map(|id| keys::job(*id))).await?;
        found.iter().map(item::body).collect()
    }

    async fn contacts(&self, user: &UserId, ids: &[ContactId]) -> Result<Vec<Contact>, StoreError> {
        let found = self.by_sort_keys(user, ids.iter().map(|id| keys::contact(*id))).await?;
        found.iter().map(item::to_contact).collect()
    }

    async fn begin(&self, user: &UserId, now: Timestamp) -> Result<Begun, StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let found = self.transact_get(&[item::key(user, keys::ROOT), item::key(user, keys::IMPORT)]).await?;
            match found.as_slice() {
                [Some(_), _] => return Ok(Begun::Account),
                [None, Some(_)] => return Ok(Begun::Interrupted),
                _ => {}
            }
            let marker = item::with_body(user, keys::IMPORT, &now);
            let writes = vec![absent(self, user, keys::ROOT), put_new(self, marker)];
            match self.transact_write(writes, &Uuid::new_v4().to_string()).await {
                Err(error) if error.is_transient() && attempt < TRIES => pause(attempt).await,
                result => return result.map(|()| Begun::New),
            }
        }
    }

    async fn put(&self, user: &UserId, records: &[Record]) -> Result<(), StoreError> {
        let items = records.iter().map(|record| match record {
            Record::Usage(month, usage) => item::with_body(user, &keys::usage(*month), usage),
            Record::Production(row) => item::with_body(user, &keys::production(row.id), row),
            Record::Job(row) => item::job(user, row, FIRST),
            Record::Contact(row) => item::contact(user, row, FIRST),
        });
        self.put_all(items.collect()).await
    }

    async fn finish(&self, account: &mut Account, entries: &[Entry], now: Timestamp) -> Result<bool, StoreError> {
        let groups = account.take_group_deltas();
        let user = &account.user;
        let rows = entries.iter().map(|entry| (Key::of(entry.at, entry.id), entry.reachable));
        let editor = directory::build(rows, account.root.rev.0, 0);
        let mut items: Vec<Item> = groups.iter().map(|(key, count)| item::group(user, &keys::group(key), count.unsigned_abs())).collect();
        items.extend(editor.changes().0.iter().map(|(number, chunk)| item::packed(user, &keys::chunk(*number), chunk.encode())));
        self.put_all(items).await?;
        let mut writes = vec![
            put_root(self, user, None, &account.root, now),
            put(self, item::with_rev(user, keys::STATS, account.root.rev, &account.stats)),
            put(self, item::with_body(user, keys::BILLING, &account.root.billing)),
            delete(self, user, keys::IMPORT),
        ];
        if !editor.is_clean() {
            writes.push(put(self, item::packed(user, keys::DIRECTORY, editor.directory.encode())));
        }
        let token = Uuid::new_v4().to_string();
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.transact_write(writes.clone(), &token).await {
                Ok(()) => return Ok(true),
                Err(StoreError::Conflict { .. }) => return Ok(false),
                Err(StoreError::Unavailable { .. }) if attempt < TRIES => pause(attempt).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn recompute(&self, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.rebuild(user, now).await {
                Err(error) if error.is_transient() && attempt < TRIES => pause(attempt).await,
                result => return result.map(drop),
            }
        }
    }

    async fn change(&self, user: &UserId, edits: &[Edit], now: Timestamp) -> Result<(), StoreError> {
        self.apply(user, edits, now).await.map(drop)
    }

    async fn link(&self, user: &UserId, customer: &str, now: Timestamp) -> Result<(), StoreError> {
        self.link_customer(customer, user, now).await
    }
}

impl Table {
    /// At most 100 items of a user.
    async fn by_sort_keys(&self, user: &UserId, sks: impl Iterator<Item = String>) -> Result<Vec<Item>, StoreError> {
        self.batch_get(sks.map(|sk| item::key(user, &sk)).collect()).await
    }
}

//! Imports into a table of maps that counts calls and can fail at any of them; `domain` recounts what it holds.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use domain::{
    Account, Billing, Contact, ContactId, Job, JobId, Month, Production, ProductionId, Rev, Root, Stats, Timestamp, Usage, UserId,
};
use uuid::Uuid;

use super::target::{Begun, Entry, Target};
use super::{ImportError, ImportReport, Kind, OnError, Silent, rejects_path, run};
use crate::StoreError;
use crate::writes::{Edit, Record};

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

#[derive(Default, Clone, PartialEq, Debug)]
struct Rows {
    marker: bool,
    account: Option<(Root, Stats)>,
    directory: Vec<Entry>,
    usage: BTreeMap<Month, Usage>,
    productions: BTreeMap<ProductionId, Production>,
    jobs: BTreeMap<JobId, Job>,
    contacts: BTreeMap<ContactId, Contact>,
}

impl Rows {
    fn put(&mut self, record: &Record) {
        match record.clone() {
            Record::Usage(month, usage) => drop(self.usage.insert(month, usage)),
            Record::Production(row) => drop(self.productions.insert(row.id, row)),
            Record::Job(row) => drop(self.jobs.insert(row.id, row)),
            Record::Contact(row) => drop(self.contacts.insert(row.id, row)),
        }
    }

    /// The aggregates as a recount gives them, at the revision that is stored, and the counters of jobs.
    fn recounted(&self, user: &UserId) -> (Root, Stats, Vec<Job>) {
        let mut account = Account::new(user.clone());
        self.usage.iter().for_each(|(month, usage)| account.set_usage(*month, *usage));
        let mut jobs: Vec<Job> = self.jobs.values().cloned().collect();
        jobs.sort_by_key(|job| (job.created_at, job.id));
        for job in &mut jobs {
            job.counts = Default::default();
            account.add_job(job);
        }
        let mut contacts: Vec<&Contact> = self.contacts.values().collect();
        contacts.sort_by_key(|contact| (contact.created_at, contact.id));
        for contact in contacts {
            account.add_contact(jobs.iter_mut().find(|job| job.id == contact.job_id).unwrap(), contact);
        }
        let old = self.account.as_ref().map(|(root, _)| root.clone()).unwrap_or_default();
        account.set_billing(old.billing);
        account.root.deleted_at = old.deleted_at;
        account.root.rev = Rev(old.rev.0.saturating_sub(1));
        account.commit(NOW);
        (account.root, account.stats, jobs)
    }
}

#[derive(Default)]
struct Memory {
    users: RefCell<HashMap<UserId, Rows>>,
    calls_left: Cell<Option<u32>>,
}

impl Memory {
    fn call(&self) -> Result<(), StoreError> {
        match self.calls_left.get() {
            Some(0) => Err(StoreError::Unavailable { operation: "test", source: "fault".into() }),
            Some(left) => {
                self.calls_left.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn read<R>(&self, user: &UserId, read: impl FnOnce(&Rows) -> R) -> Result<R, StoreError> {
        self.call()?;
        Ok(read(self.users.borrow_mut().entry(user.clone()).or_default()))
    }

    fn write<R>(&self, user: &UserId, write: impl FnOnce(&mut Rows) -> R) -> Result<R, StoreError> {
        self.call()?;
        Ok(write(self.users.borrow_mut().entry(user.clone()).or_default()))
    }

    /// Every account agrees with its rows.
    fn check(&self) {
        for (user, rows) in self.users.borrow().iter() {
            if let Some((root, stats)) = &rows.account {
                let (expected, expected_stats, jobs) = rows.recounted(user);
                assert_eq!((root, stats), (&expected, &expected_stats));
                assert!(jobs.iter().all(|job| rows.jobs[&job.id] == *job));
                assert_eq!(rows.directory.len(), rows.contacts.len());
                assert!(rows.directory.is_sorted());
                assert!(!rows.marker);
            }
        }
    }

    fn rows(&self, user: &str) -> Rows {
        self.users.borrow()[&UserId::parse(user).unwrap()].clone()
    }
}

impl Target for Memory {
    async fn has_stripe_state(&self, _: &UserId) -> Result<bool, StoreError> {
        self.call().map(|()| false)
    }
    async fn root(&self, user: &UserId) -> Result<Option<Root>, StoreError> {
        self.read(user, |rows| rows.account.as_ref().map(|(root, _)| root.clone()))
    }
    async fn usage(&self, user: &UserId, months: &[Month]) -> Result<Vec<(Month, Usage)>, StoreError> {
        self.read(user, |rows| months.iter().filter_map(|month| Some((*month, *rows.usage.get(month)?))).collect())
    }
    async fn productions(&self, user: &UserId, ids: &[ProductionId]) -> Result<Vec<Production>, StoreError> {
        self.read(user, |rows| ids.iter().filter_map(|id| rows.productions.get(id).cloned()).collect())
    }
    async fn jobs(&self, user: &UserId, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
        self.read(user, |rows| ids.iter().filter_map(|id| rows.jobs.get(id).cloned()).collect())
    }
    async fn contacts(&self, user: &UserId, ids: &[ContactId]) -> Result<Vec<Contact>, StoreError> {
        self.read(user, |rows| ids.iter().filter_map(|id| rows.contacts.get(id).cloned()).collect())
    }
    async fn begin(&self, user: &UserId, _: Timestamp) -> Result<Begun, StoreError> {
        self.write(user, |rows| match (rows.marker, rows.account.is_some()) {
            (true, _) => Begun::Interrupted,
            (false, true) => Begun::Account,
            (false, false) => {
                rows.marker = true;
                Begun::New
            }
        })
    }
    async fn put(&self, user: &UserId, records: &[Record]) -> Result<(), StoreError> {
        assert!(records.len() <= 25);
        self.write(user, |rows| records.iter().for_each(|record| rows.put(record)))
    }
    async fn finish(&self, account: &mut Account, entries: &[Entry], _: Timestamp) -> Result<bool, StoreError> {
        self.write(&account.user.clone(), |rows| {
            let free = rows.account.is_none();
            if free {
                rows.account = Some((account.root.clone(), account.stats.clone()));
                rows.directory = entries.to_vec();
                rows.marker = false;
            }
            free
        })
    }
    async fn recompute(&self, user: &UserId, _: Timestamp) -> Result<(), StoreError> {
        self.write(user, |rows| {
            let mut old = rows.account.take().unwrap_or_default();
            old.0.rev = old.0.rev.next();
            rows.account = Some(old);
            let (root, stats, jobs) = rows.recounted(user);
            rows.account = Some((root, stats));
            rows.jobs = jobs.into_iter().map(|job| (job.id, job)).collect();
            rows.index();
            rows.marker = false;
        })
    }
    async fn link(&self, _: &UserId, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn change(&self, user: &UserId, changes: &[Edit], _: Timestamp) -> Result<(), StoreError> {
        assert!(!changes.is_empty() && changes.len() <= 80);
        self.write(user, |rows| {
            let mut root = rows.account.clone().unwrap().0;
            root.rev = root.rev.next();
            for change in changes {
                match change {
                    Edit::DeletedAt(at) => root.deleted_at = *at,
                    Edit::Billing(billing) => root.billing = Billing::clone(billing),
                    Edit::Put(record) => rows.put(record),
                }
            }
            rows.account = Some((root, Stats::default()));
            let (root, stats, jobs) = rows.recounted(user);
            rows.account = Some((root, stats));
            rows.jobs = jobs.into_iter().map(|job| (job.id, job)).collect();
            rows.index();
        })
    }
}

impl Rows {
    fn index(&mut self) {
        let entry = |contact: &Contact| Entry { at: contact.created_at, id: contact.id, reachable: contact.flags().reachable() };
        self.directory = self.contacts.values().map(entry).collect();
        self.directory.sort();
    }
}

struct TempFile(PathBuf);

impl TempFile {
    fn new(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("callsheets-import-{}.ndjson", Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(rejects_path(&self.0));
        let _ = std::fs::remove_file(&self.0);
    }
}

fn import(memory: &Memory, text: &str, on_error: OnError) -> Result<(ImportReport, Option<String>), ImportError> {
    let file = TempFile::new(text);
    let report = futures::executor::block_on(run(memory, &file.0, on_error, NOW, &mut Silent))?;
    Ok((report, std::fs::read_to_string(rejects_path(&file.0)).ok()))
}

fn good(memory: &Memory, text: &str) -> ImportReport {
    let (report, _) = import(memory, text, OnError::Stop).unwrap();
    assert_eq!(report.bad_lines, vec![]);
    memory.check();
    report
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn contact(number: u32, job: u32, more: &str) -> String {
    let second = number % 60;
    format!(
        r#"{{"type":"contact","id":"{}","userId":"u","jobId":"{}","name":"N {number}","role":"r{}","createdAt":"2026-03-04T10:15:{second:02}Z"{more}}}"#,
        id(number),
        id(job),
        number % 7
    )
}

fn job(number: u32, more: &str) -> String {
    format!(r#"{{"type":"job","id":"{}","userId":"u","status":"COMPLETED","createdAt":"2026-03-04T10:15:02Z"{more}}}"#, id(number))
}

/// A user with everything, contacts before their jobs.
fn everything() -> String {
    let mut lines: Vec<String> = (1000..1130).map(|number| contact(number, 1 + number % 3, r#","email":"a@b.c""#)).collect();
    lines.push(job(1, &format!(r#","productionId":"{}""#, id(10))));
    lines.extend([job(2, ""), job(3, r#","completedAt":"2026-03-04T10:17:02Z""#), job(4, "")]);
    lines.push(format!(r#"{{"type":"production","id":"{}","userId":"u","name":"P"}}"#, id(10)));
    lines.push(r#"{"type":"usage","userId":"u","month":"2026-03","jobsProcessed":3,"contactsExtracted":130}"#.into());
    lines.push(format!(
        r#"{{"type":"subscription","id":"{}","userId":"u","status":"ACTIVE","priceId":"starter","stripeCustomerId":"cus_1","stripeSubscriptionId":"sub_1","currentPeriodStart":"2026-03-04T10:15:02Z","currentPeriodEnd":"2026-04-04T10:15:02Z","createdAt":"2026-03-04T10:15:02Z"}}"#,
        id(20)
    ));
    lines.push(r#"{"type":"user","id":"u"}"#.into());
    lines.join("\n")
}

#[test]
fn a_new_user_appears_at_revision_1_and_the_same_file_changes_nothing() {
    let memory = Memory::default();
    let report = good(&memory, &everything());
    assert_eq!((report.valid.total(), report.written.total(), report.unchanged.total()), (138, 138, 0));
    let first = memory.rows("u");
    let root = &first.account.as_ref().unwrap().0;
    assert_eq!((root.rev, root.contacts.all, root.jobs.all, root.jobs.with_contacts), (Rev(1), 130, 4, 3));
    assert!(root.billing.subscribed().is_some());
    let again = good(&memory, &everything());
    assert_eq!((again.written.total(), again.unchanged.total()), (0, 138));
    assert_eq!(memory.rows("u"), first);
}

#[test]
fn a_user_line_alone_creates_the_account() {
    let memory = Memory::default();
    good(&memory, r#"{"type":"user","id":"gone","deletedAt":"2026-01-01 00:00:00"}"#);
    assert!(memory.rows("gone").account.unwrap().0.deleted_at.is_some());
    good(&memory, r#"{"type":"user","id":"gone"}"#);
    assert_eq!(memory.rows("gone").account.unwrap().0.rev, Rev(1), "absent says nothing");
    good(&memory, r#"{"type":"user","id":"gone","deletedAt":null}"#);
    let root = memory.rows("gone").account.unwrap().0;
    assert_eq!((root.deleted_at, root.rev), (None, Rev(2)));
}

#[test]
fn an_existing_user_is_changed_only_where_the_file_differs() {
    let memory = Memory::default();
    good(&memory, &everything());
    // Neither a user line nor the job are in this file: both are in the table.
    let more = [contact(1000, 2, ""), contact(1001, 1 + 1001 % 3, r#","email":"a@b.c""#), contact(5000, 4, "")].join("\n");
    let report = good(&memory, &more);
    assert_eq!((report.written.of(Kind::Contact), report.unchanged.of(Kind::Contact)), (2, 1));
    let rows = memory.rows("u");
    assert_eq!(rows.account.as_ref().unwrap().0.rev, Rev(2));
    assert_eq!(rows.contacts.values().filter(|contact| contact.cv == 2).count(), 1);
    good(&memory, &more);
    assert_eq!(memory.rows("u"), rows);
}

#[test]
fn bad_lines_stop_everything_or_are_put_aside() {
    let memory = Memory::default();
    let orphan = contact(7, 99, "");
    let text = format!("{}\nnonsense\n{orphan}\n{}", everything(), contact(1000, 1, ""));
    let (report, rejects) = import(&memory, &text, OnError::Stop).unwrap();
    assert!(report.stopped && rejects.is_none() && memory.users.borrow().values().all(|rows| *rows == Rows::default()));
    let lines: Vec<_> = report.bad_lines.iter().map(|bad| bad.line).collect();
    assert_eq!((lines, report.rejected, report.written.total()), (vec![139, 140, 141], 3, 0));
    assert_eq!(report.bad_lines[1].reason, format!("job {} of this user is neither in the file nor in the table", id(99)));

    let (report, rejects) = import(&memory, &text, OnError::Skip).unwrap();
    assert_eq!((report.stopped, report.rejected, report.written.total()), (false, 3, 138));
    assert_eq!(rejects.unwrap(), format!("nonsense\n{orphan}\n{}\n", contact(1000, 1, "")));
    memory.check();
}

#[test]
fn references_must_be_the_same_users() {
    let memory = Memory::default();
    let text =
        format!("{}\n{}\n{}", everything(), r#"{"type":"user","id":"v"}"#, contact(7, 1, "").replace(r#""userId":"u""#, r#""userId":"v""#));
    let (report, _) = import(&memory, &text, OnError::Stop).unwrap();
    assert_eq!(report.rejected, 1);
    let (report, _) = import(&memory, &contact(7, 1, ""), OnError::Stop).unwrap();
    assert_eq!(report.bad_lines[0].reason, "user `u` is neither in the file nor in the table");
}

#[test]
fn an_import_that_fails_anywhere_leaves_no_wrong_root_and_is_completed_by_the_next() {
    let clean = Memory::default();
    good(&clean, &everything());
    let expected = clean.rows("u").account.unwrap().0;
    for calls in 0.. {
        let memory = Memory { calls_left: Cell::new(Some(calls)), ..Memory::default() };
        let failed = import(&memory, &everything(), OnError::Stop).is_err();
        memory.calls_left.set(None);
        memory.check();
        let report = good(&memory, &everything());
        let root = memory.rows("u").account.unwrap().0;
        assert_eq!(Root { rev: Rev(1), ..root }, expected, "after {calls} calls");
        if !failed {
            assert!(calls > 6 && report.written.total() == 0);
            break;
        }
    }
}

#[test]
fn a_root_that_somebody_created_meanwhile_is_recomputed() {
    struct Meanwhile(Memory);
    impl Target for Meanwhile {
        async fn has_stripe_state(&self, user: &UserId) -> Result<bool, StoreError> {
            self.0.has_stripe_state(user).await
        }
        async fn root(&self, user: &UserId) -> Result<Option<Root>, StoreError> {
            self.0.root(user).await
        }
        async fn usage(&self, user: &UserId, months: &[Month]) -> Result<Vec<(Month, Usage)>, StoreError> {
            self.0.usage(user, months).await
        }
        async fn productions(&self, user: &UserId, ids: &[ProductionId]) -> Result<Vec<Production>, StoreError> {
            self.0.productions(user, ids).await
        }
        async fn jobs(&self, user: &UserId, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
            self.0.jobs(user, ids).await
        }
        async fn contacts(&self, user: &UserId, ids: &[ContactId]) -> Result<Vec<Contact>, StoreError> {
            self.0.contacts(user, ids).await
        }
        async fn begin(&self, user: &UserId, now: Timestamp) -> Result<Begun, StoreError> {
            self.0.begin(user, now).await
        }
        async fn put(&self, user: &UserId, records: &[Record]) -> Result<(), StoreError> {
            self.0.put(user, records).await
        }
        async fn finish(&self, account: &mut Account, entries: &[Entry], now: Timestamp) -> Result<bool, StoreError> {
            self.0.write(&account.user.clone(), |rows| rows.account = Some((Root { rev: Rev(3), ..Root::default() }, Stats::default())))?;
            self.0.finish(account, entries, now).await
        }
        async fn recompute(&self, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
            self.0.recompute(user, now).await
        }
        async fn change(&self, user: &UserId, changes: &[Edit], now: Timestamp) -> Result<(), StoreError> {
            self.0.change(user, changes, now).await
        }
        async fn link(&self, user: &UserId, customer: &str, now: Timestamp) -> Result<(), StoreError> {
            self.0.link(user, customer, now).await
        }
    }
    let table = Meanwhile(Memory::default());
    let file = TempFile::new(&everything());
    let report = futures::executor::block_on(run(&table, &file.0, OnError::Stop, NOW, &mut Silent)).unwrap();
    assert_eq!(report.recomputed, 1);
    table.0.check();
    let root = table.0.rows("u").account.unwrap().0;
    assert!(root.rev > Rev(3) && root.contacts.all == 130 && root.billing.subscribed().is_some());
}

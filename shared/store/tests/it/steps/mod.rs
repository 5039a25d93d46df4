//! Random operations on one user's data, chosen from what its raw items have at the moment.

use std::path::PathBuf;

use domain::{
    Billing, Contact, ContactChange, ContactId, ContactInput, Customer, Job, JobId, JobStatus, Month, ProductionId, Subscription,
    SubscriptionStatus, Timestamp, Usage, UserId,
};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use store::import::{ImportError, OnError, Silent, import};
use store::{Edit, Record, Save, StoreError, Table};
use uuid::Uuid;

use crate::recount::{Raw, body};

const HOUR_MS: i64 = 3_600_000;

/// One operation.
#[derive(Debug, Clone)]
pub enum Step {
    Apply(Vec<Edit>),
    DeleteContact(ContactId),
    DeleteContacts(Vec<ContactId>),
    Update(ContactId, ContactChange, Option<u64>),
    DeleteJob(JobId),
    Save(Save),
    Import(String),
}

impl Step {
    /// Does it. That the owner of a deleted account is refused is no failure. Each way is boxed: together they would not fit on a test's stack.
    pub async fn run(&self, table: &Table, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
        let result = match self {
            Self::Apply(edits) => Box::pin(table.apply(user, edits, now)).await.map(drop),
            Self::DeleteContact(id) => table.delete_contact(user, *id, now).await.map(drop),
            Self::DeleteContacts(ids) => table.delete_contacts(user, ids, now).await.map(drop),
            Self::Update(id, change, version) => {
                Box::pin(table.update_contact(user, *id, change, &|cv| version.is_none_or(|version| version == cv), now)).await.map(drop)
            }
            Self::DeleteJob(id) => table.delete_job(user, *id, now).await.map(drop),
            Self::Save(save) => Box::pin(table.save_contacts(user, save, now)).await.map(drop),
            Self::Import(lines) => Box::pin(run_import(table, lines, now)).await,
        };
        match result {
            Err(StoreError::AccountDeleted) => Ok(()),
            result => result,
        }
    }
}

async fn run_import(table: &Table, lines: &str, now: Timestamp) -> Result<(), StoreError> {
    let path = File(std::env::temp_dir().join(format!("store-model-{}.ndjson", Uuid::new_v4())));
    std::fs::write(&path.0, lines).unwrap();
    match import(table, &path.0, OnError::Stop, now, &mut Silent).await {
        // A job that a line names may have been deleted since the lines were made.
        Ok(report) => assert!(report.bad_lines.iter().all(|bad| bad.reason.contains("unknown")), "{report:?}"),
        Err(ImportError::Store(error)) => return Err(error),
        Err(error) => panic!("{error:?}"),
    }
    Ok(())
}

/// Goes away however the import ends.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes operations.
pub struct Steps<'a> {
    pub rng: &'a mut StdRng,
    pub raw: &'a Raw,
    pub user: &'a UserId,
    pub now: Timestamp,
    /// Role names that do not all fit into the stats.
    pub long_roles: bool,
}

impl Steps<'_> {
    /// The next operation.
    pub fn next(&mut self) -> Step {
        let (jobs, contacts) = (self.jobs(), self.raw.ids("CONTACT#"));
        let (job, contact) = (jobs.choose(self.rng).cloned(), contacts.choose(self.rng).cloned());
        match (self.rng.random_range(0..100), job, contact) {
            (0..8, Some(job), _) => Step::DeleteJob(job.id),
            (8..14, _, Some(contact)) => Step::DeleteContact(contact.parse().unwrap()),
            (14..22, ..) if !contacts.is_empty() => self.delete_contacts(&contacts),
            (22..32, Some(job), _) => self.put_contacts(&job),
            (32..42, Some(_), Some(_)) => self.change_contacts(&jobs, &contacts),
            (42..50, _, Some(contact)) => self.update_contact(&contact),
            (50..62, Some(job), _) => self.change_job(job),
            (62..74, job, _) => self.save(job.map(|job| job.id)),
            (74..80, ..) => Step::Apply(self.head()),
            (80..88, job, _) => self.import(job),
            _ => {
                let count = self.rng.random_range(1..4);
                Step::Apply((0..count).map(|_| Edit::Put(Record::Job(self.job()))).collect())
            }
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let of = |id: &String| serde_json::from_value(body(&self.raw.items[&format!("JOB#{id}")])).unwrap();
        self.raw.ids("JOB#").iter().map(of).collect()
    }

    fn contact_of(&self, id: &str) -> Contact {
        let item = &self.raw.items[&format!("CONTACT#{id}")];
        let fields = body(item);
        let place: Vec<&str> = item["l2"].as_s().unwrap().split('#').collect();
        let text = |key: &str| fields[key].as_str().map(str::to_owned);
        Contact {
            id: id.parse().unwrap(),
            job_id: place[0].parse().unwrap(),
            name: text("n").unwrap(),
            email: text("e"),
            phone: text("p"),
            role: text("r"),
            company: text("c"),
            is_selected: true,
            created_at: place[1].parse().unwrap(),
            updated_at: self.now,
            cv: fields["v"].as_u64().unwrap() + 1,
        }
    }

    /// A moment: mostly now, sometimes earlier in the month, sometimes years ago, rarely ahead.
    fn moment(&mut self) -> Timestamp {
        let back = match self.rng.random_range(0..10) {
            0..5 => 0,
            5..8 => self.rng.random_range(0..40 * 24 * HOUR_MS),
            8 => self.rng.random_range(0..3 * 365 * 24 * HOUR_MS),
            _ => -self.rng.random_range(0..48 * HOUR_MS),
        };
        self.now.plus_ms(-back)
    }

    fn id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid()
    }

    fn production(&mut self) -> Option<ProductionId> {
        let number = self.rng.random_range(0..4_u128);
        (number > 0).then(|| ProductionId(Uuid::from_u128(number)))
    }

    fn job(&mut self) -> Job {
        let created_at = self.moment();
        let status = *[JobStatus::Processing, JobStatus::Completed, JobStatus::Failed].choose(self.rng).unwrap();
        let file_name = [None, Some("Call sheet 7.pdf".to_owned()), Some("\"\u{1}é".repeat(40))].choose(self.rng).unwrap().clone();
        Job {
            id: JobId(self.id()),
            title: Job::default_title(file_name.as_deref()),
            file_name,
            file_url: None,
            status,
            production_id: self.production(),
            file_hash: None,
            file_size: None,
            created_at,
            updated_at: self.now,
            completed_at: (status == JobStatus::Completed).then(|| created_at.plus_ms(12_345)),
            saving: None,
            counts: domain::Counts::default(),
        }
    }

    fn change_job(&mut self, job: Job) -> Step {
        let other = self.job();
        let changed = match self.rng.random_range(0..6) {
            0 => Job { status: JobStatus::Completed, completed_at: Some(self.now), ..job },
            1 => Job { status: JobStatus::Failed, ..job },
            2 => Job { status: JobStatus::Cancelled, ..job },
            3 => Job { production_id: self.production(), ..job },
            4 => Job { created_at: other.created_at, ..job },
            _ => Job { file_name: other.file_name, ..job },
        };
        Step::Apply(vec![Edit::Put(Record::Job(changed))])
    }

    fn role(&mut self) -> Option<String> {
        match self.rng.random_range(0..6) {
            0 => None,
            1 => Some("  ".into()),
            _ if self.long_roles => Some(format!("{:03}{}", self.rng.random_range(0..400), "é".repeat(90))),
            _ => Some(["Gaffer", "Grip", "1st AD"].choose(self.rng).unwrap().to_string()),
        }
    }

    fn input(&mut self) -> ContactInput {
        let email = *[None, Some("a@b.test"), Some("no address"), Some(" ")].choose(self.rng).unwrap();
        let phone = *[None, Some("+49 170 1"), Some(" "), Some("")].choose(self.rng).unwrap();
        let name = format!("Crew {}", self.rng.random_range(0..1000));
        ContactInput { name, email: email.map(str::to_owned), phone: phone.map(str::to_owned), role: self.role(), company: None }
    }

    fn contact(&mut self, job_id: JobId) -> Contact {
        let input = self.input();
        Contact {
            id: ContactId(self.id()),
            job_id,
            name: input.name,
            email: input.email,
            phone: input.phone,
            role: input.role,
            company: None,
            is_selected: true,
            created_at: self.moment(),
            updated_at: self.now,
            cv: 1,
        }
    }

    /// Few, or as many as just fit into one transaction, or more.
    fn count(&mut self) -> usize {
        match self.rng.random_range(0..10) {
            0 => self.rng.random_range(20..80),
            1 => self.rng.random_range(60..200),
            _ => self.rng.random_range(1..8),
        }
    }

    /// An account to begin with.
    pub fn first(&mut self) -> Step {
        let job = self.job();
        let contacts = (0..if self.long_roles { 260 } else { 20 }).map(|_| Edit::Put(Record::Contact(self.contact(job.id)))).collect();
        Step::Apply([vec![Edit::Put(Record::Job(job))], contacts].concat())
    }

    fn put_contacts(&mut self, job: &Job) -> Step {
        let count = self.count();
        Step::Apply((0..count).map(|_| Edit::Put(Record::Contact(self.contact(job.id)))).collect())
    }

    /// Other fields, another job, another time; now and then the same contact twice.
    fn change_contacts(&mut self, jobs: &[Job], contacts: &[String]) -> Step {
        let count = self.count();
        let mut edits = Vec::new();
        for _ in 0..count {
            let id = contacts.choose(self.rng).unwrap();
            let old = self.contact_of(id);
            let input = self.input();
            let mut new = Contact { email: input.email, phone: input.phone, role: input.role, ..old };
            if self.rng.random_bool(0.4) {
                new.job_id = jobs.choose(self.rng).unwrap().id;
            }
            if self.rng.random_bool(0.2) {
                new.created_at = self.moment();
            }
            edits.push(Edit::Put(Record::Contact(new)));
        }
        Step::Apply(edits)
    }

    /// Some that are there, some of them twice, and one that is not.
    fn delete_contacts(&mut self, contacts: &[String]) -> Step {
        let count = self.count();
        let mut ids: Vec<ContactId> = (0..count).map(|_| contacts.choose(self.rng).unwrap().parse().unwrap()).collect();
        ids.push(ContactId(self.id()));
        Step::DeleteContacts(ids)
    }

    /// Some fields; the version is none, the right one, or another.
    fn update_contact(&mut self, contact: &str) -> Step {
        let input = self.input();
        let mut given = |value: Option<String>| self.rng.random_bool(0.6).then_some(value);
        let change = ContactChange {
            email: given(input.email),
            phone: given(input.phone),
            role: given(input.role),
            name: given(Some(input.name)).flatten(),
            company: given(None),
            is_selected: self.rng.random_bool(0.3).then(|| self.rng.random()),
        };
        let version = self.contact_of(contact).cv - 1 + self.rng.random_range(0..2);
        Step::Update(contact.parse().unwrap(), change, self.rng.random_bool(0.5).then_some(version))
    }

    fn save(&mut self, job: Option<JobId>) -> Step {
        let job = match self.rng.random_range(0..4) {
            0 => None,
            1 => Some(JobId(self.id())),
            _ => job,
        };
        let count = self.count();
        let rows = (0..count).map(|_| self.input()).collect();
        Step::Save(Save { job, file_name: Some("Day 3.pdf".into()), rows })
    }

    fn usage(&mut self) -> Usage {
        let mut number = || self.rng.random_range(0..1000);
        Usage { jobs_processed: number(), contacts_extracted: number(), api_calls: number() }
    }

    fn month(&mut self) -> Month {
        self.now.minus_days(self.rng.random_range(0..900)).month()
    }

    /// Changes of the account itself.
    fn head(&mut self) -> Vec<Edit> {
        match self.rng.random_range(0..5) {
            0 => vec![Edit::DeletedAt(Some(self.now))],
            1 | 2 => {
                let months: Vec<Month> = (0..5).map(|_| self.month()).collect();
                months.into_iter().map(|month| Edit::Put(Record::Usage(month, self.usage()))).collect()
            }
            _ => vec![Edit::DeletedAt(None), Edit::Billing(self.billing())],
        }
    }

    fn billing(&mut self) -> Billing {
        let status = *[SubscriptionStatus::Active, SubscriptionStatus::Canceled].choose(self.rng).unwrap();
        let subscription = Subscription {
            id: self.id().to_string(),
            stripe_subscription_id: Some("sub_1".into()),
            status,
            price_id: "starter".into(),
            current_period_start: self.now,
            current_period_end: self.now.plus_days(30),
            cancel_at_period_end: self.rng.random(),
            cancels_at: None,
            created_at: self.now,
        };
        let customer = Customer { id: "cus_1".into(), email: Some("office@example.test".into()), name: None };
        Billing { customer: Some(customer), subscription: Some(subscription) }
    }

    /// Lines with a job of their own, and some contacts in it or in one that is there.
    pub fn import(&mut self, there: Option<Job>) -> Step {
        let user = self.user.as_str();
        let job = self.job();
        let mut lines = vec![json!({"type": "user", "id": user, "deletedAt": null}), self.job_line(&job)];
        for _ in 0..self.rng.random_range(0..40) {
            let target = there.as_ref().filter(|_| self.rng.random_bool(0.3)).map_or(job.id, |job| job.id);
            let contact = self.contact(target);
            lines.push(self.contact_line(&contact));
        }
        let usage = self.usage();
        let month = self.month().to_string();
        lines.push(json!({"type": "usage", "userId": user, "month": month, "jobsProcessed": usage.jobs_processed}));
        Step::Import(lines.iter().map(|line| format!("{line}\n")).collect())
    }

    fn job_line(&self, job: &Job) -> Value {
        let mut line = serde_json::to_value(job).unwrap();
        line.as_object_mut().unwrap().remove("counts");
        line["type"] = json!("job");
        line["userId"] = json!(self.user);
        line["productionId"] = Value::Null;
        line
    }

    fn contact_line(&self, contact: &Contact) -> Value {
        let mut line = serde_json::to_value(contact).unwrap();
        line["type"] = json!("contact");
        line["userId"] = json!(self.user);
        line
    }
}

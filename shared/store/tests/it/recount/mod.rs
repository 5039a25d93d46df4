//! An independent recount: a user's raw items, read and added up with nothing of `store`'s code and nothing of `domain`'s rules.

mod directory;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;
use serde_json::{Map, Value, json};

const HOUR_MS: i64 = 3_600_000;

/// A stored item.
pub type Item = HashMap<String, AttributeValue>;

/// The items of one user by sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    pub items: BTreeMap<String, Item>,
}

impl Raw {
    /// Reads everything under a partition key.
    pub async fn read(client: &Client, table: &str, pk: &str) -> Self {
        let query = client.query().table_name(table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", AttributeValue::S(pk.into()));
        let items = query.into_paginator().items().send().collect::<Result<Vec<Item>, _>>().await.unwrap();
        Self { items: items.into_iter().map(|item| (text(&item, "sk").to_owned(), item)).collect() }
    }

    /// Revision of the root, 0 without one.
    pub fn rev(&self) -> u64 {
        self.items.get("ROOT").map_or(0, |root| number(root, "rev"))
    }

    /// Sort keys of a kind without their prefix.
    pub fn ids(&self, prefix: &str) -> Vec<String> {
        self.items.keys().filter_map(|sk| sk.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    fn of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Item)> {
        self.items.iter().filter_map(move |(sk, item)| Some((sk.strip_prefix(prefix)?, item)))
    }

    /// What does not add up, in words. `now` is the time of the last commit.
    pub fn differences(&self, now: Timestamp) -> Vec<String> {
        let mut out = Vec::new();
        let Some(root) = self.items.get("ROOT") else {
            // Rows of an account that is still being imported are invisible, and nothing else may be there.
            same(&mut out, "stats without a root", &self.items.contains_key("STATS"), &false);
            same(&mut out, "rows without a marker", &(!self.items.is_empty() && !self.items.contains_key("IMPORT")), &false);
            return out;
        };
        same(&mut out, "import marker beside a root", &self.items.contains_key("IMPORT"), &false);
        let counted = Counted::of(self, &mut out);
        let root_body = body(root);
        let rev = self.rev();
        same(&mut out, "rev in the root", &root_body["rev"], &json!(rev));
        self.root(&mut out, &root_body, &counted);
        match self.items.get("STATS") {
            None => out.push("no stats".into()),
            Some(stats) => {
                same(&mut out, "rev of the stats", &number(stats, "rev"), &rev);
                self.stats(&mut out, &body(stats), &root_body, &counted, now);
            }
        }
        directory::check(self, &counted.places, &mut out);
        let newer = self.items.values().filter(|item| item.contains_key("rev") && number(item, "rev") > rev).count();
        same(&mut out, "rows newer than the root", &newer, &0);
        out
    }

    fn root(&self, out: &mut Vec<String>, root: &Value, counted: &Counted) {
        same(out, "root: contacts", &root["contacts"], &counted.all.json());
        same(out, "root: jobs", &root["jobs"], &counted.job_counters());
        same(out, "root: newest job with contacts", &root["last_extraction"], &counted.last_extraction());
        // The root has the newest months, all of up to 24 unless it would grow beyond 4 KB.
        let usage: Map<String, Value> = self.of("USAGE#").map(|(month, item)| (month.to_owned(), body(item))).collect();
        let kept = root["usage"].as_object().map_or(0, Map::len);
        let least = if self.items["ROOT"]["body"].as_s().unwrap().len() > 3_000 { 1 } else { 24 };
        same(out, "root: months of usage", &(kept < least.min(usage.len()) || kept > 24), &false);
        let usage: Map<String, Value> = usage.iter().skip(usage.len().saturating_sub(kept)).map(|(k, v)| (k.clone(), v.clone())).collect();
        same(out, "root: usage", &root["usage"], &Value::Object(usage));
        let billing = self.items.get("BILLING").map_or_else(|| json!({}), body);
        same(out, "root: billing", &root["billing"], &billing);
        let mut feed: Vec<Value> = counted.jobs.iter().rev().take(10).map(Job::feed_entry).collect();
        for (entry, stored) in feed.iter_mut().zip(root["feed"].as_array().unwrap()) {
            // A name may be left out to keep the root within 4 KB.
            if stored["f"] == true && entry["f"].is_string() {
                entry["f"] = json!(true);
            }
        }
        same(out, "root: feed", &root["feed"], &Value::Array(feed));
    }

    fn stats(&self, out: &mut Vec<String>, stats: &Value, root: &Value, counted: &Counted, now: Timestamp) {
        same(out, "rev in the stats", &stats["rev"], &root["rev"]);
        same(out, "stats: contacts", &stats["contacts"], &counted.all.json());
        same(out, "stats: jobs with contacts", &stats["jobs_with_contacts"], &counted.job_counters()["c"]);
        same(out, "stats: newest job with contacts", &stats["last_extraction"], &counted.last_extraction());
        same(out, "stats: deletion", &stats["deleted_at"], &root["deleted_at"]);
        for (kind, prefix, expected) in [("roles", "STATS#R#", &counted.roles), ("productions", "STATS#P#", &counted.productions)] {
            let mut groups: BTreeMap<String, u64> = serde_json::from_value(stats[kind]["g"].clone()).unwrap();
            for (name, item) in self.of(prefix) {
                let count = number(item, "n");
                if count > 0 && groups.insert(name.to_owned(), count).is_some() {
                    out.push(format!("stats: {kind}: {name} is counted in two places"));
                }
                same(out, "stats: groups of their own are announced", &stats[kind]["s"], &json!(true));
            }
            same(out, &format!("stats: {kind}"), &groups, expected);
        }
        let flat: Vec<i64> = serde_json::from_value(stats["hours"].clone()).unwrap();
        let mut hour = 0;
        let mut stored = BTreeMap::new();
        for pair in flat.chunks(2) {
            hour += pair[0];
            stored.insert(hour, pair[1]);
        }
        let first = now.ms() / HOUR_MS - 31 * 24;
        let window = |hours: &BTreeMap<i64, i64>| hours.range(first..).map(|(hour, n)| (*hour, *n)).collect::<Vec<_>>();
        same(out, "stats: hours", &window(&stored), &window(&counted.hours));
    }
}

/// Counters over contacts.
#[derive(Debug, Clone, Default, PartialEq)]
struct Tally {
    all: u64,
    email: u64,
    at: u64,
    phone: u64,
    full: u64,
    reachable: u64,
}

impl Tally {
    /// Counts one contact: whether it can be reached.
    fn add(&mut self, contact: &Value) -> bool {
        let text = |key: &str| contact[key].as_str().unwrap_or("");
        let at = text("e").contains('@');
        let full = !text("p").is_empty();
        self.all += 1;
        self.email += u64::from(!text("e").trim().is_empty());
        self.at += u64::from(at);
        self.phone += u64::from(!text("p").trim().is_empty());
        self.full += u64::from(full);
        self.reachable += u64::from(at || full);
        at || full
    }

    fn json(&self) -> Value {
        json!({"n": self.all, "e": self.email, "a": self.at, "p": self.phone, "f": self.full, "v": self.reachable})
    }
}

#[derive(Debug)]
struct Job {
    id: String,
    created: Timestamp,
    body: Value,
    tally: Tally,
}

impl Job {
    fn feed_entry(&self) -> Value {
        let name = match &self.body["fileName"] {
            // In quotes the name has two bytes more.
            Value::String(name) if serde_json::to_string(name).unwrap().len() > 102 => json!(true),
            name => name.clone(),
        };
        json!({"k": [self.created.to_string(), self.id], "s": self.body["status"], "f": name, "n": self.tally.all})
    }
}

/// The rows added up.
struct Counted {
    all: Tally,
    /// In order of creation, then id.
    jobs: Vec<Job>,
    roles: BTreeMap<String, u64>,
    productions: BTreeMap<String, u64>,
    hours: BTreeMap<i64, i64>,
    /// Place of each contact, and whether it can be reached.
    places: BTreeMap<[u8; 22], bool>,
}

impl Counted {
    fn of(raw: &Raw, out: &mut Vec<String>) -> Self {
        let mut jobs: Vec<Job> = raw.of("JOB#").map(|(id, item)| job(id, item, out)).collect();
        jobs.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let at: HashMap<String, usize> = jobs.iter().enumerate().map(|(at, job)| (job.id.clone(), at)).collect();
        let mut counted = Self {
            all: Tally::default(),
            jobs,
            roles: BTreeMap::new(),
            productions: BTreeMap::new(),
            hours: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        for (id, item) in raw.of("CONTACT#") {
            let place: Vec<&str> = text(item, "l2").split('#').collect();
            let (job, created) = (place[0], place[1]);
            same(out, "a contact's place in local index 1", &text(item, "l1"), &format!("C#{created}#{id}").as_str());
            same(out, "a contact's place in local index 2", &place[2], &id);
            match at.get(job) {
                Some(at) => counted.add(*at, id, created.parse().unwrap(), &body(item)),
                None => out.push(format!("contact {id} has no job")),
            }
        }
        for job in &counted.jobs {
            same(out, &format!("counters of job {}", job.id), &job.body["counts"], &job.tally.json());
            let l2 = (job.tally.all > 0).then(|| format!("JC#{}#{}", job.created, job.id));
            let stored = raw.items[&format!("JOB#{}", job.id)].get("l2").map(|l2| l2.as_s().unwrap().clone());
            same(out, "a job's place among those with contacts", &stored, &l2);
        }
        counted
    }

    fn add(&mut self, at: usize, id: &str, created: Timestamp, contact: &Value) {
        let job = &mut self.jobs[at];
        job.tally.add(contact);
        let reachable = self.all.add(contact);
        let role = contact["r"].as_str().filter(|role| !role.trim().is_empty()).unwrap_or("Unknown");
        *self.roles.entry(role.to_owned()).or_default() += 1;
        *self.productions.entry(job.body["productionId"].as_str().unwrap_or("unknown").to_owned()).or_default() += 1;
        *self.hours.entry(created.ms() / HOUR_MS).or_default() += 1;
        let mut place = [0; 22];
        place[..6].copy_from_slice(&created.ms().to_be_bytes()[2..]);
        place[6..].copy_from_slice(uuid::Uuid::parse_str(id).unwrap().as_bytes());
        self.places.insert(place, reachable);
    }

    fn job_counters(&self) -> Value {
        let count = |test: &dyn Fn(&Job) -> bool| self.jobs.iter().filter(|job| test(job)).count();
        let times: Vec<i64> =
            self.jobs.iter().filter_map(|job| Some((time(&job.body["completedAt"])?.ms() - job.created.ms()).max(0))).collect();
        json!({
            "n": self.jobs.len(),
            "s": count(&|job| job.body["status"] == "COMPLETED" && job.tally.all > 0),
            "f": count(&|job| job.body["status"] == "FAILED"),
            "c": count(&|job| job.tally.all > 0),
            "ms": times.iter().sum::<i64>(),
            "t": times.len(),
        })
    }

    fn last_extraction(&self) -> Value {
        let newest = self.jobs.iter().rev().find(|job| job.tally.all > 0);
        newest.map_or(Value::Null, |job| json!([job.created.to_string(), job.id]))
    }
}

fn job(id: &str, item: &Item, out: &mut Vec<String>) -> Job {
    let body = body(item);
    let created = time(&body["createdAt"]).unwrap();
    same(out, "a job's place in local index 1", &text(item, "l1"), &format!("J#{created}#{id}").as_str());
    Job { id: id.to_owned(), created, body, tally: Tally::default() }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().unwrap())
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().unwrap()
}

fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().unwrap().parse().unwrap()
}

/// An item's JSON.
pub fn body(item: &Item) -> Value {
    serde_json::from_str(text(item, "body")).unwrap()
}

fn same<T: PartialEq + std::fmt::Debug>(out: &mut Vec<String>, what: &str, stored: &T, counted: &T) {
    if stored != counted {
        out.push(format!("{what}: stored {stored:?}, counted {counted:?}"));
    }
}

/// Names that are in one list only.
fn only_in_one(a: &BTreeSet<u64>, b: &BTreeSet<u64>) -> Vec<u64> {
    a.symmetric_difference(b).copied().collect()
}

//! One large account: imported to disk, then read and changed, beside a small one.

use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::{Contact, ContactId, JobId, Timestamp, UserId};
use local::embedded::Embedded;
use store::import::{OnError, Progress, import};
use store::meter::Reading;
use store::{Edit, Record, Slice, Table, TableConfig};
use uuid::Uuid;

use crate::generate::{self, Generated};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Contacts of the small account: its jobs fill the feed, as those of the large one do.
const SMALL: u64 = 100;
/// Of Linux's CPU times in /proc.
const TICKS_PER_SECOND: f64 = 100.0;
/// Rows of a page.
const PAGE: u32 = 100;
/// Targets of DESIGN section 10 and of the import.
const CONTACTS_PER_SECOND_MIN: f64 = 2_500.0;
const SECOND_HALF_MAX: f64 = 1.2;
const MEMORY_MB_MAX: f64 = 500.0;
const WRITE_GROWTH_MAX: f64 = 1.2;

/// Measures and prints; fails when a target is missed.
///
/// # Errors
/// When something cannot be done, or a figure is worse than its target.
pub async fn run(contacts: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let embedded = Embedded::open(folder.path())?;
    let table = Table::connect(&TableConfig::local("bench", embedded.endpoint()));
    table.create_if_absent().await?;
    let mut targets = Targets::default();

    let small = load(&table, folder.path(), "small", SMALL).await?.account;
    let large = load(&table, folder.path(), "large", contacts).await?;
    println!("import: {contacts} contacts in {:.0} s, {:.0} contacts a second", large.seconds, large.per_second);
    let (first, second) = (large.first, large.second);
    println!("  first half {:.0} s, second half {:.0} s, ratio {:.2}", first.wall, second.wall, second.wall / first.wall);
    println!("  CPU time {:.0} s + {:.0} s, ratio {:.2}: client and embedded server", first.cpu, second.cpu, second.cpu / first.cpu);
    let memory = memory_peak_mb()?;
    println!("  peak memory with the embedded server {memory:.0} MB");
    targets.at_least("contacts a second", large.per_second, CONTACTS_PER_SECOND_MIN);
    targets.at_most("second half to first half", second.wall / first.wall, SECOND_HALF_MAX);
    targets.at_most("memory in MB", memory, MEMORY_MB_MAX);
    let large = large.account;

    let dashboard = dashboard_units(&table, &large.user).await?;
    println!("dashboard: {dashboard} read units (small account: {})", dashboard_units(&table, &small.user).await?);
    targets.at_most("read units of the dashboard", dashboard, 1.0);
    let pages = contacts.div_ceil(u64::from(PAGE));
    for (name, page) in [("first", 1), ("middle", pages / 2), ("last", pages)] {
        let (cost, ms) = page_cost(&table, &large.user, page).await?;
        println!("{name} page ({page}): {} trips, {} read units, {ms:.1} ms", cost.calls(), cost.read_units());
        targets.at_most("trips of a page", cost.calls() as f64, 4.0);
    }
    let (before, after) = (added_units(&table, &small).await?, added_units(&table, &large).await?);
    println!("adding a contact: {before} write units at {SMALL} contacts, {after} at {contacts}");
    targets.at_most("growth of a write", after / before, WRITE_GROWTH_MAX);
    targets.result()
}

/// Figures that are worse than they must be.
#[derive(Default)]
pub(crate) struct Targets(Vec<String>);

impl Targets {
    pub(crate) fn at_most(&mut self, what: &str, is: f64, most: f64) {
        if is > most {
            self.0.push(format!("{what}: {is:.2}, at most {most}"));
        }
    }

    fn at_least(&mut self, what: &str, is: f64, least: f64) {
        if is < least {
            self.0.push(format!("{what}: {is:.2}, at least {least}"));
        }
    }

    pub(crate) fn result(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("targets missed: {}", self.0.join("; ")).into()) }
    }
}

/// An import and its speed.
pub(crate) struct Loaded {
    pub(crate) account: Generated,
    seconds: f64,
    per_second: f64,
    /// What writing the halves of the lines took.
    first: Spent,
    second: Spent,
}

pub(crate) async fn load(table: &Table, folder: &Path, user: &str, contacts: u64) -> Result<Loaded> {
    let path = folder.join(format!("{user}.ndjson"));
    let account = generate::write(&path, user, contacts)?;
    let mut clock = Clock::default();
    let start = Spent::now()?;
    let report = import(table, &path, OnError::Stop, account.last, &mut clock).await?;
    let end = Spent::now()?;
    std::fs::remove_file(&path)?;
    if report.rejected > 0 {
        return Err(format!("{:?}", report.bad_lines).into());
    }
    let (begin, middle) = clock.begin.zip(clock.middle).ok_or("nothing was written")?;
    let seconds = end.since(start).wall;
    Ok(Loaded { account, seconds, per_second: contacts as f64 / seconds, first: middle.since(begin), second: end.since(middle) })
}

/// Seconds, of the clock and of this process's CPU time.
#[derive(Clone, Copy)]
struct Spent {
    wall: f64,
    cpu: f64,
}

impl Spent {
    /// Since some moments in the past.
    fn now() -> Result<Self> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        // The name in brackets may have spaces. Then: user and system time are fields 14 and 15 of all.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat has no name")?;
        let ticks: f64 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().unwrap_or(0.0)).sum();
        Ok(Self { wall, cpu: ticks / TICKS_PER_SECOND })
    }

    fn since(self, before: Self) -> Self {
        Self { wall: self.wall - before.wall, cpu: self.cpu - before.cpu }
    }
}

/// Notes when writing began and when half of it was done.
#[derive(Default)]
struct Clock {
    begin: Option<Spent>,
    middle: Option<Spent>,
}

impl Progress for Clock {
    fn writing(&mut self, lines: u64, total: u64) {
        if self.begin.is_none() {
            self.begin = Spent::now().ok();
        }
        if self.middle.is_none() && lines >= total / 2 {
            self.middle = Spent::now().ok();
        }
    }
}

async fn dashboard_units(table: &Table, user: &UserId) -> Result<f64> {
    let before = table.meter().read();
    table.root(user).await?.ok_or("there is no root")?;
    Ok(table.meter().read().since(&before).read_units())
}

async fn page_cost(table: &Table, user: &UserId, page: u64) -> Result<(Reading, f64)> {
    let (before, started) = (table.meter().read(), Instant::now());
    let found = table.contact_page(user, None, Slice::Page(page), PAGE).await?;
    let (cost, ms) = (table.meter().read().since(&before), started.elapsed().as_secs_f64() * 1000.0);
    if found.value.is_none_or(|page| page.contacts.is_empty()) {
        return Err(format!("page {page} is empty").into());
    }
    Ok((cost, ms))
}

/// Write units of a transaction that adds one contact to the newest job.
async fn added_units(table: &Table, account: &Generated) -> Result<f64> {
    let root = table.root(&account.user).await?.ok_or("there is no root")?;
    let job = root.feed.first().ok_or("there is no job")?.key.1;
    let at = account.last.plus_ms(1);
    let contact = contact(job, at);
    let before = table.meter().read();
    table.apply(&account.user, &[Edit::Put(Record::Contact(contact))], at).await?;
    Ok(table.meter().read().since(&before).write_units())
}

fn contact(job_id: JobId, at: Timestamp) -> Contact {
    Contact {
        id: ContactId(Uuid::from_u128(0xadd)),
        job_id,
        name: "Mara Quill".into(),
        email: Some("mara.quill@example.test".into()),
        phone: Some("+49 170 0000000".into()),
        role: Some("Gaffer".into()),
        company: None,
        is_selected: true,
        created_at: at,
        updated_at: at,
        cv: 1,
    }
}

/// The most memory that this process has had, in megabytes.
pub(crate) fn memory_peak_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}

//! Lists of contacts at several sizes: pages, searches, orders, exports; their times, what they ask of the table, and their memory.

use domain::{Timestamp, UserId};
use local::embedded::Embedded;
use serde_json::Value;
use store::{Table, TableConfig};

use crate::figures::{Result, Targets};
use crate::load::load;
use crate::memory::of_a_process;
use crate::process::{Answer, Process, TABLE};

/// Rows of a page: the most that can be asked for.
const LIMIT: u64 = 100;
/// Measured requests of a kind; fewer where one takes seconds.
const WARM: usize = 200;
const COLD: usize = 30;
const COLD_LARGE: usize = 5;
/// More contacts are not searched.
const SEARCHED_MAX: u64 = 200_000;
/// Contacts at which the targets of the design hold.
const TARGET_SIZE: u64 = 100_000;
const SEARCH_MS_MAX: f64 = 50.0;
const LAST_TO_FIRST_MAX: f64 = 1.5;
const PAGE_TRIPS_MAX: f64 = 4.0;
const PAGE_KB_MAX: f64 = 160.0;
const MEMORY_MB_MAX: f64 = 160.0;

/// What a process is asked for whose memory is looked at: each kind of list, cold and warm.
const LISTS: [&str; 5] = [
    "/api/contacts?page=1&limit=100",
    "/api/contacts?search=quill",
    "/api/contacts?sortBy=name&sortOrder=asc&limit=100",
    "/api/contacts?search=nobody",
    "/api/contacts?sortBy=email&sortOrder=asc&requireContact=true&page=1000&limit=100",
];
const FORMATS: [&str; 4] = ["csv", "xlsx", "json", "vcard"];

/// Measures and prints; fails when a target is missed.
///
/// # Errors
/// When something cannot be done, or a figure is worse than its target.
pub async fn run(sizes: &[u64]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let embedded = Embedded::open(folder.path())?;
    let table = Table::connect(&TableConfig::local(TABLE, embedded.endpoint()));
    table.create_if_absent().await?;
    let mut targets = Targets::default();
    let mut benches = Vec::new();
    println!("{:>9}  {:<14} {:<5} {:>9} {:>9} {:>6} {:>8}", "contacts", "request", "", "p50 ms", "p99 ms", "trips", "KB");
    for &contacts in sizes {
        let account = load(&table, folder.path(), &format!("user-{contacts}"), contacts).await?.account;
        let now = account.last.plus_ms(60_000);
        let bench = Bench { endpoint: embedded.endpoint().to_owned(), user: account.user, now, contacts };
        bench.measure(&mut targets).await?;
        benches.push(bench);
    }
    for bench in benches.iter().filter(|bench| bench.contacts <= SEARCHED_MAX) {
        bench.memory(&mut targets)?;
    }
    targets.result()
}

/// One account.
struct Bench {
    endpoint: String,
    user: UserId,
    now: Timestamp,
    contacts: u64,
}

/// A kind of request: its name, and the query of the n-th.
struct Kind {
    name: &'static str,
    query: Box<dyn Fn(usize) -> String>,
}

/// Measured requests.
#[derive(Default)]
struct Measured {
    /// Milliseconds, sorted.
    ms: Vec<f64>,
    /// Most trips and kilobytes of one request.
    trips: f64,
    kb: f64,
}

/// What one kind of request takes.
struct Costs {
    cold: Measured,
    warm: Measured,
}

impl Kind {
    fn new(name: &'static str, query: impl Fn(usize) -> String + 'static) -> Self {
        Self { name, query: Box::new(query) }
    }

    fn path(&self, n: usize) -> String {
        format!("/api/contacts?limit={LIMIT}&{}", (self.query)(n))
    }
}

impl Measured {
    fn add(&mut self, answer: &Answer) {
        let at = self.ms.partition_point(|ms| *ms < answer.ms);
        self.ms.insert(at, answer.ms);
        self.trips = self.trips.max(answer.trips as f64);
        self.kb = self.kb.max(answer.kb);
    }

    fn at(&self, part: f64) -> f64 {
        let last = self.ms.len().saturating_sub(1);
        self.ms.get(((last as f64) * part).round() as usize).copied().unwrap_or_default()
    }

    fn print(&self, contacts: u64, name: &str, state: &str) {
        let (p50, p99) = (self.at(0.5), self.at(0.99));
        println!("{contacts:>9}  {name:<14} {state:<5} {p50:>9.2} {p99:>9.2} {:>6} {:>8.0}", self.trips, self.kb);
    }
}

impl Bench {
    /// A new process with an empty cache.
    fn process(&self) -> Result<Process> {
        Process::start(&self.endpoint, &self.user, self.now)
    }

    async fn measure(&self, targets: &mut Targets) -> Result<()> {
        self.pages(targets).await?;
        // Other texts each time, so that it is a search and no repetition of one. There are people of these names.
        let names = ["mara", "jonas", "ines", "lindqvist", "moreau", "soren", "schafer", "zoe", "winter", "keller"];
        let search = move |n: usize| format!("search={}&page={}", names[n % names.len()], 1 + n / names.len());
        let hits = self.list(Kind::new("search, hits", search)).await?;
        let misses = self.list(Kind::new("search, misses", |n| format!("search=nobody{n}"))).await?;
        self.list(Kind::new("sort by name", |n| format!("sortBy=name&sortOrder=asc&page={}", 1 + n))).await?;
        for costs in [hits, misses].into_iter().flatten().filter(|_| self.contacts <= TARGET_SIZE) {
            targets.at_most(&format!("search over {} in ms, p99 warm", self.contacts), costs.warm.at(0.99), SEARCH_MS_MAX);
        }
        Ok(())
    }

    async fn pages(&self, targets: &mut Targets) -> Result<()> {
        let pages = self.contacts.div_ceil(LIMIT);
        let page = |name, number: u64| Kind::new(name, move |_| format!("page={number}"));
        let kinds = [page("first page", 1), page("middle page", pages.div_ceil(2)), page("last page", pages)];
        let costs = self.kinds(&kinds, COLD).await?;
        for costs in &costs {
            targets.at_most("trips of a page", costs.cold.trips, PAGE_TRIPS_MAX);
            targets.at_most("KB of a page", costs.cold.kb, PAGE_KB_MAX);
        }
        if let [first, .., last] = costs.as_slice() {
            let ratio = last.cold.at(0.5) / first.cold.at(0.5);
            println!("{:>9}  last page to first page, cold: {ratio:.2}", self.contacts);
            targets.at_most("last page to first page", ratio, LAST_TO_FIRST_MAX);
        }
        Ok(())
    }

    /// Measures lists that are searched or sorted; nothing when the account is too large for that.
    async fn list(&self, kind: Kind) -> Result<Option<Costs>> {
        let answer = self.process()?.get(&kind.path(0)).await?;
        if answer.response.status() == 422 {
            let body: Value = serde_json::from_slice(answer.response.body())?;
            let why = body["error"].as_str().unwrap_or_default();
            println!("{:>9}  {:<14} 422 {why}: {:.2} ms, {} trips", self.contacts, kind.name, answer.ms, answer.trips);
            return Ok(None);
        }
        let cold = if self.contacts >= TARGET_SIZE { COLD_LARGE } else { COLD };
        Ok(self.kinds(&[kind], cold).await?.pop())
    }

    /// Measures kinds of requests, one after the other in turn, so that what else the machine does meets all alike. Cold is a process that
    /// has nothing; warm is one that was asked before.
    async fn kinds(&self, kinds: &[Kind], cold: usize) -> Result<Vec<Costs>> {
        let mut costs: Vec<Costs> = kinds.iter().map(|_| Costs { cold: Measured::default(), warm: Measured::default() }).collect();
        for n in 0..cold {
            for (kind, costs) in kinds.iter().zip(&mut costs) {
                costs.cold.add(&self.process()?.good(&kind.path(n)).await?);
            }
        }
        let process = self.process()?;
        for kind in kinds {
            process.good(&kind.path(0)).await?;
        }
        for n in 0..WARM {
            for (kind, costs) in kinds.iter().zip(&mut costs) {
                costs.warm.add(&process.good(&kind.path(n)).await?);
            }
        }
        for (kind, costs) in kinds.iter().zip(&costs) {
            costs.cold.print(self.contacts, kind.name, "cold");
            costs.warm.print(self.contacts, kind.name, "warm");
        }
        Ok(costs)
    }

    /// What processes of their own take: one that searches once, one that lists, searches and sorts, and one for each format that exports
    /// everything.
    fn memory(&self, targets: &mut Targets) -> Result<()> {
        let exports = FORMATS.map(|format| format!("/api/contacts/export?format={format}"));
        let lists = [("lists", LISTS.as_slice()), ("one search", &LISTS[1..2])].map(|(name, paths)| (name, paths.to_vec()));
        let exports = FORMATS.iter().zip(&exports).map(|(format, path)| (*format, vec![path.as_str()]));
        for (name, paths) in lists.into_iter().chain(exports) {
            let taken = of_a_process(&self.endpoint, &self.user, self.now, &paths)?;
            println!("{:>9}  process: {name:<12} {:>4.0} MB {:>6.2} s of CPU", self.contacts, taken.peak_mb, taken.cpu_seconds);
            targets.at_most(&format!("MB of a process: {name}"), taken.peak_mb, MEMORY_MB_MAX);
        }
        Ok(())
    }
}

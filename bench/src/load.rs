//! An account to measure: generated, imported into the embedded table, and what that took.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use store::Table;
use store::import::{OnError, Progress, import};

use crate::figures::Result;
use crate::generate::{self, Generated};

/// Of Linux's CPU times in /proc.
const TICKS_PER_SECOND: f64 = 100.0;

/// An import and its speed.
pub(crate) struct Loaded {
    pub(crate) account: Generated,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    /// What writing the halves of the lines took.
    pub(crate) first: Spent,
    pub(crate) second: Spent,
}

/// Imports a new account of so many contacts.
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
pub(crate) struct Spent {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

impl Spent {
    /// Since some moments in the past.
    pub(crate) fn now() -> Result<Self> {
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

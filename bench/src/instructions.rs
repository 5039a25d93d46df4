//! Instructions of a cached request, counted by callgrind: from the event's JSON to the answer's, through the Lambda runtime's conversion, the
//! edge, the handler and the client of a real Valkey.
//!
//! A process of its own is watched, and of it only what it does while it answers requests that are hits.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use app::BoxError;
use app::metrics::Metrics;
use testkit::hits::{self, Process};
use testkit::servers::Valkey;

/// Instructions that a cached request of the dashboard may take.
const INSTRUCTIONS_MAX: u64 = 400_000;
/// A machine that stands still for 30 ms makes a request go past the cache. Then all is counted again.
const TRIES_MAX: u32 = 10;
/// What is counted, as callgrind names it: [`answered`].
const COUNTED: &str = "--toggle-collect=*instructions*answered";

/// Measures and prints; fails when it takes too many.
///
/// # Errors
/// When something cannot be done, or a request takes more instructions than it may.
pub async fn run(requests: u32, profile: Option<PathBuf>) -> Result<(), BoxError> {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .map_err(|_| "there is no valgrind: apt-get install valgrind")?;
    let folder = tempfile::tempdir()?;
    let profile = profile.unwrap_or_else(|| folder.path().join("callgrind.out"));
    let valkey = Valkey::start();
    let _filled = hits::filled(&valkey).await;
    let (once, twice) = (counted(&valkey, requests, &profile)?, counted(&valkey, requests * 2, &profile)?);
    let each = (twice - once) / u64::from(requests);
    println!("a cached request of the dashboard: {each} instructions ({once} for {requests}, {twice} for twice as many)");
    if each > INSTRUCTIONS_MAX {
        return Err(format!("{each} instructions, at most {INSTRUCTIONS_MAX}").into());
    }
    Ok(())
}

/// Instructions that a process takes for so many requests.
fn counted(valkey: &Valkey, requests: u32, profile: &Path) -> Result<u64, BoxError> {
    let program = std::env::current_exe()?;
    for _ in 0..TRIES_MAX {
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind", COUNTED]).arg(format!("--callgrind-out-file={}", profile.display()));
        command.arg(&program).args(["cached-requests", "--cache", &valkey.url(), "--requests", &requests.to_string()]);
        if command.stdout(Stdio::null()).status()?.success() {
            let text = std::fs::read_to_string(profile)?;
            let totals = text.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("callgrind has not counted")?;
            return Ok(totals.trim().parse()?);
        }
    }
    Err("the machine is too busy: the cache never answered all requests in time".into())
}

/// What [`run`] watches: one thread, as in a Lambda environment, and metrics on the standard output.
///
/// # Errors
/// When a request is no hit.
pub fn cached_requests(cache_url: &str, requests: u32) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let process = runtime.block_on(Process::start(cache_url, Metrics::from_lookup(&|_| None)?))?;
    answered(&runtime, &process, requests)
}

#[inline(never)]
fn answered(runtime: &tokio::runtime::Runtime, process: &Process, requests: u32) -> Result<(), BoxError> {
    (0..requests).try_for_each(|number| runtime.block_on(process.answer(number)))
}

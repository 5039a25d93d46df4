//! What a process takes that answers some requests and does nothing else: the most memory, and processor time.

use std::process::Command;

use domain::{Timestamp, UserId};

use crate::figures::{Result, memory_peak_mb};
use crate::load::Spent;
use crate::process::Process;

/// What a process took from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) peak_mb: f64,
    pub(crate) cpu_seconds: f64,
}

/// What [`of_a_process`] starts: asks for the paths one after the other and prints what that took.
///
/// # Errors
/// When something cannot be done.
pub async fn run(endpoint: &str, user: &str, now_ms: i64, paths: &[String]) -> Result<()> {
    let process = Process::start(endpoint, &UserId::parse(user)?, Timestamp::from_ms(now_ms))?;
    for path in paths {
        process.good(path).await?;
    }
    println!("{} {}", memory_peak_mb()?, Spent::now()?.cpu);
    Ok(())
}

/// Asks in a process of its own, which has nothing of the table.
pub(crate) fn of_a_process(endpoint: &str, user: &UserId, now: Timestamp, paths: &[&str]) -> Result<Taken> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["memory", "--endpoint", endpoint, "--user", user.as_str(), "--now-ms", &now.ms().to_string()]).args(paths);
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let printed = String::from_utf8(output.stdout)?;
    let (peak, cpu) = printed.trim().split_once(' ').ok_or("two numbers")?;
    Ok(Taken { peak_mb: peak.parse()?, cpu_seconds: cpu.parse()? })
}

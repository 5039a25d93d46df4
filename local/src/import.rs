//! `local import`: loads a file, with counts first and a progress bar where somebody watches.

use std::io::IsTerminal;
use std::path::Path;

use domain::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use store::Table;
use store::import::{ImportError, ImportReport, LineCounts, OnError, Progress, rejects_path};

use crate::failure::{Failure, causes};

/// Imports a file and prints what happened.
///
/// # Errors
/// [`Failure::Usage`] when the file cannot be used; [`Failure::Said`] with bad lines and `stop`; [`Failure::Failed`] when the table fails.
pub async fn import(table: &Table, file: &Path, on_error: OnError, now: Timestamp) -> Result<(), Failure> {
    let mut bar = Bar(hidden_unless_watched());
    let result = store::import::import(table, file, on_error, now, &mut bar).await;
    bar.0.finish_and_clear();
    let report = result.map_err(|error| match &error {
        ImportError::File { .. } | ImportError::Rejects { .. } => Failure::Usage(causes(&error)),
        ImportError::Store(_) => Failure::of(&error),
    })?;
    for bad in &report.bad_lines {
        eprintln!("{}:{}: {}", file.display(), bad.line, bad.reason);
    }
    let more = report.rejected.saturating_sub(report.bad_lines.len() as u64);
    if more > 0 {
        eprintln!("{}: {more} more bad lines", file.display());
    }
    conclude(&report, file, on_error)
}

fn conclude(report: &ImportReport, file: &Path, on_error: OnError) -> Result<(), Failure> {
    if report.stopped {
        eprintln!("nothing was written; --on-error skip puts bad lines aside");
        return Err(Failure::Said);
    }
    if report.rejected > 0 && on_error == OnError::Skip {
        println!("bad lines: {}", rejects_path(file).display());
    }
    println!("written: {}; unchanged: {}; {:.1} s", report.written, report.unchanged, report.duration.as_secs_f64());
    Ok(())
}

/// Draws an import.
struct Bar(ProgressBar);

fn hidden_unless_watched() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:>8} {bar:40} {percent:>3} %  {eta} left").expect("a constant template");
    ProgressBar::new(0).with_style(style).with_message("checking")
}

impl Progress for Bar {
    fn reading(&mut self, bytes: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(bytes);
    }

    fn checked(&mut self, valid: &LineCounts, rejected: u64) {
        let bad = if rejected == 1 { "1 bad line".to_owned() } else { format!("{rejected} bad lines") };
        self.0.suspend(|| println!("checked: {valid}; {bad}"));
        self.0.reset();
        self.0.set_message("writing");
    }

    fn writing(&mut self, lines: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(lines);
    }
}

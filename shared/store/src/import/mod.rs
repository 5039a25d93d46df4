//! Loads accounts from a file of one JSON object a line (docs/import.md).
//!
//! Two passes: the first checks every line and keeps 72 bytes of it, the second reads it again and writes it.
//! A new user's rows are written in batches and its root last; an existing user is changed by transactions, where it differs.

mod billing;
mod existing;
mod fields;
mod line;
mod new_user;
mod rejects;
mod report;
mod resolve;
mod scan;
mod table;
mod tally;
mod target;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use domain::Timestamp;

pub use line::{Kind, LINE_BYTES_MAX};
pub use report::{BadLine, ImportReport, LineCounts, Progress, REASONS_MAX, Silent};

use crate::{StoreError, Table};
use report::Rejects;
use scan::{Reader, Row};
use target::{Begun, Target};

/// What happens to the good lines of a file that has bad ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing is written.
    #[default]
    Stop,
    /// Bad lines are copied to [`rejects_path`] and the others imported.
    Skip,
}

/// An import that did not come to its end. Running it again completes it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read, or was changed meanwhile.
    #[error("cannot read {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The copies of bad lines cannot be written. Nothing was imported.
    #[error("cannot write {}", path.display())]
    Rejects {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The table failed.
    #[error("the table failed during the import")]
    Store(#[from] StoreError),
}

/// Where [`OnError::Skip`] copies bad lines: `FILE.rejects.ndjson`.
#[must_use]
pub fn rejects_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".rejects.ndjson");
    PathBuf::from(name)
}

/// Imports a file. Blocks the thread while it reads.
///
/// # Errors
/// See [`ImportError`]. Bad lines are no error: the report has them.
pub async fn import(
    table: &Table,
    file: &Path,
    on_error: OnError,
    now: Timestamp,
    progress: &mut dyn Progress,
) -> Result<ImportReport, ImportError> {
    run(table, file, on_error, now, progress).await
}

async fn run<T: Target>(
    target: &T,
    file: &Path,
    on_error: OnError,
    now: Timestamp,
    progress: &mut dyn Progress,
) -> Result<ImportReport, ImportError> {
    let started = Instant::now();
    let unreadable = |source| ImportError::File { path: file.to_owned(), source };
    let mut rejects = Rejects::default();
    let mut index = scan::scan(file, &mut rejects, progress).map_err(unreadable)?;
    resolve::resolve(target, &mut index, &mut rejects).await?;
    index.rows.sort_unstable_by_key(|row| (row.user, row.kind, row.created_ms, row.key));

    let mut report = ImportReport { repeated: index.repeated, ..ImportReport::default() };
    for same_kind in index.rows.chunk_by(|a, b| a.kind == b.kind) {
        report.valid.add(same_kind[0].kind, same_kind.len() as u64);
    }
    report.rejected = rejects.places.len() as u64;
    report.bad_lines = rejects.bad_lines();
    report.stopped = report.rejected > 0 && on_error == OnError::Stop;
    progress.checked(&report.valid, report.rejected);
    let mut reader = Reader::open(file).map_err(unreadable)?;
    if on_error == OnError::Skip {
        let path = rejects_path(file);
        rejects::copy(&mut reader, &mut rejects.places, &path).map_err(|source| ImportError::Rejects { path, source })?;
    }
    if !report.stopped {
        let total = index.rows.len() as u64;
        let mut steps = Steps { path: file, reader, report, progress, done: 0, total };
        for rows in index.rows.chunk_by(|a, b| a.user == b.user) {
            let user = &index.users.values[rows[0].user as usize];
            match target.begin(user, now).await? {
                Begun::New => new_user::write(target, user, rows, false, now, &mut steps).await?,
                Begun::Interrupted => new_user::write(target, user, rows, true, now, &mut steps).await?,
                Begun::Account => existing::write(target, user, rows, now, &mut steps).await?,
            }
        }
        steps.progress.writing(total, total);
        report = steps.report;
    }
    report.duration = started.elapsed();
    Ok(report)
}

/// What the second pass carries along.
struct Steps<'a> {
    path: &'a Path,
    reader: Reader,
    report: ImportReport,
    progress: &'a mut dyn Progress,
    done: u64,
    total: u64,
}

impl Steps<'_> {
    /// The content of a row, read again.
    fn content(&mut self, row: &Row) -> Result<line::Content, ImportError> {
        self.reader.content(row).map_err(|source| ImportError::File { path: self.path.to_owned(), source })
    }

    /// Counts a line as written or unchanged.
    fn count(&mut self, kind: Kind, written: bool) {
        let counts = if written { &mut self.report.written } else { &mut self.report.unchanged };
        counts.add(kind, 1);
    }

    /// Moves the progress on.
    fn advance(&mut self, lines: u64) {
        self.done += lines;
        if lines > 1 || self.done.is_multiple_of(100) {
            self.progress.writing(self.done, self.total);
        }
    }
}

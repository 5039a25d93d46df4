//! What an import tells while it runs and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::line::Kind;
use super::scan::Place;

/// Reasons that are kept to be shown; further bad lines are only counted.
pub const REASONS_MAX: usize = 100;

/// Number of lines of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineCounts(BTreeMap<Kind, u64>);

impl LineCounts {
    /// Lines of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.get(&kind).copied().unwrap_or(0)
    }

    /// Lines of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn add(&mut self, kind: Kind, lines: u64) {
        if lines > 0 {
            *self.0.entry(kind).or_default() += lines;
        }
    }
}

/// `1 user, 12 productions, 3 jobs`: in working order, without what there is none of.
impl std::fmt::Display for LineCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.total() == 0 {
            return f.write_str("nothing");
        }
        for (at, (kind, lines)) in self.0.iter().enumerate() {
            let plural = if *lines == 1 || *kind == Kind::Usage { "" } else { "s" };
            write!(f, "{}{lines} {}{plural}", if at == 0 { "" } else { ", " }, kind.word())?;
        }
        Ok(())
    }
}

/// A line that was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number in the file, from 1.
    pub line: u32,
    /// Why.
    pub reason: String,
}

/// The result of an import.
#[derive(Debug, Clone, Default)]
pub struct ImportReport {
    /// Good lines of the file by kind; of equal lines one.
    pub valid: LineCounts,
    /// Lines whose content was written because the table had none or another.
    pub written: LineCounts,
    /// Lines that said what the table said already.
    pub unchanged: LineCounts,
    /// Lines that repeat an earlier line of the file.
    pub repeated: u64,
    /// Bad lines.
    pub rejected: u64,
    /// The first bad lines, in order, at most [`REASONS_MAX`].
    pub bad_lines: Vec<BadLine>,
    /// Whether nothing was written because there were bad lines.
    pub stopped: bool,
    /// Users whose root and rows an earlier, unfinished import or another writer had touched: recomputed from their rows.
    pub recomputed: u64,
    /// How long it took.
    pub duration: Duration,
}

/// Listens to an import, to draw it.
pub trait Progress: Send {
    /// The first pass has read `bytes` of `total`.
    fn reading(&mut self, _bytes: u64, _total: u64) {}
    /// Everything was checked: so many good lines, so many bad ones.
    fn checked(&mut self, _valid: &LineCounts, _rejected: u64) {}
    /// `lines` of `total` are written or found unchanged.
    fn writing(&mut self, _lines: u64, _total: u64) {}
}

/// A [`Progress`] that shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Bad lines as they are found.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    /// Where they lie, to copy them.
    pub(super) places: Vec<Place>,
    /// The reasons of those with the smallest line numbers.
    reasons: BTreeMap<u32, String>,
}

impl Rejects {
    /// Notes a bad line.
    pub(super) fn add(&mut self, place: Place, reason: impl FnOnce() -> String) {
        self.places.push(place);
        let shown = self.reasons.len() < REASONS_MAX || self.reasons.last_key_value().is_some_and(|(last, _)| *last > place.line);
        if shown {
            self.reasons.insert(place.line, reason());
            if self.reasons.len() > REASONS_MAX {
                self.reasons.pop_last();
            }
        }
    }

    /// The first reasons by line number.
    pub(super) fn reasons(&self) -> Vec<(u32, String)> {
        self.reasons.iter().map(|(line, reason)| (*line, reason.clone())).collect()
    }

    /// The first bad lines.
    pub(super) fn bad_lines(&self) -> Vec<BadLine> {
        self.reasons().into_iter().map(|(line, reason)| BadLine { line, reason }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_reasons_are_kept_whatever_order_they_come_in() {
        let mut rejects = Rejects::default();
        for line in (1..=500).rev() {
            rejects.add(Place { at: 0, bytes: 0, line }, || format!("reason {line}"));
        }
        let bad = rejects.bad_lines();
        assert_eq!((bad.len(), bad[0].line, bad[99].line, rejects.places.len()), (100, 1, 100, 500));
    }

    #[test]
    fn counts_read_as_a_sentence() {
        let mut counts = LineCounts::default();
        assert_eq!(counts.to_string(), "nothing");
        for (kind, lines) in [(Kind::Contact, 3), (Kind::User, 1), (Kind::Usage, 2), (Kind::Job, 0)] {
            counts.add(kind, lines);
        }
        assert_eq!(counts.to_string(), "1 user, 2 usage, 3 contacts");
    }
}

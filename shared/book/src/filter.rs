//! Which contacts are asked for.

use std::collections::HashSet;

use domain::JobId;
use memchr::memmem::Finder;

use crate::bucket::{Bucket, TEXTS, Text};
use crate::fold::{fold, phone_digits};

/// Conditions that a contact must meet, all of them. `%` and `_` are characters like others.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    search: Option<Needle>,
    role: Option<Finder<'static>>,
    jobs: Option<HashSet<JobId>>,
    reachable: bool,
}

/// What is searched for in every text.
#[derive(Debug, Clone)]
struct Needle {
    text: Finder<'static>,
    /// The same as a phone number, whatever is written between its digits.
    digits: Option<Finder<'static>>,
}

impl Filter {
    /// Keeps contacts that have the text in name, e-mail, phone, role or company, or its digits in their phone. Empty keeps all.
    #[must_use]
    pub fn search(self, text: &str) -> Self {
        let needle = finder(text)
            .map(|text_finder| Needle { text: text_finder, digits: phone_digits(text).map(|digits| Finder::new(&digits).into_owned()) });
        Self { search: needle, ..self }
    }

    /// Keeps contacts that have the text in their role. Empty keeps all.
    #[must_use]
    pub fn role(self, text: &str) -> Self {
        Self { role: finder(text), ..self }
    }

    /// Keeps contacts of these jobs.
    #[must_use]
    pub fn jobs(self, jobs: HashSet<JobId>) -> Self {
        Self { jobs: Some(jobs), ..self }
    }

    /// Whether to keep only contacts that can be reached.
    #[must_use]
    pub fn reachable(self, reachable: bool) -> Self {
        Self { reachable, ..self }
    }

    /// Rows that meet all conditions but [`Filter::reachable`], which the counts beside a list leave out.
    pub(crate) fn rows(&self, bucket: &Bucket) -> Vec<bool> {
        let mut rows = vec![true; bucket.len()];
        if let Some(needle) = &self.search {
            keep(&mut rows, |marks| needle.mark(bucket, marks));
        }
        if let Some(role) = &self.role {
            keep(&mut rows, |marks| bucket.folded(Text::Role).mark(role, marks));
        }
        if let Some(jobs) = &self.jobs {
            let of_bucket: Vec<bool> = bucket.jobs.iter().map(|job| jobs.contains(&JobId(*job))).collect();
            keep(&mut rows, |marks| marks.iter_mut().zip(&bucket.job_of).for_each(|(mark, job)| *mark = of_bucket[*job as usize]));
        }
        rows
    }

    /// Whether a row that meets the other conditions belongs to the list.
    pub(crate) fn lists(&self, bucket: &Bucket, row: usize) -> bool {
        !self.reachable || bucket.is_reachable(row)
    }
}

impl Needle {
    fn mark(&self, bucket: &Bucket, marks: &mut [bool]) {
        for text in TEXTS {
            bucket.folded(text).mark(&self.text, marks);
        }
        if let Some(digits) = &self.digits {
            bucket.digits.mark(digits, marks);
        }
    }
}

fn finder(text: &str) -> Option<Finder<'static>> {
    let folded = fold(text);
    (!folded.is_empty()).then(|| Finder::new(folded.as_bytes()).into_owned())
}

fn keep(rows: &mut [bool], mark: impl FnOnce(&mut [bool])) {
    let mut marks = vec![false; rows.len()];
    mark(&mut marks);
    rows.iter_mut().zip(marks).for_each(|(row, mark)| *row &= mark);
}

//! The first pass: every line is read and checked once; of a good one only what sorting and checking need is kept.
//!
//! A row is 72 bytes, so a million contacts are 72 MB. Their text is read again, from its place in the file, when it is written.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use domain::UserId;
use uuid::Uuid;

use super::line::{self, Content, Kind, LINE_BYTES_MAX, Line};
use super::report::{Progress, Rejects};

/// `Row::reference` of a row that refers to nothing.
pub(super) const NO_REFERENCE: u32 = u32::MAX;

/// Where a line lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Offset of its first byte.
    pub(super) at: u64,
    /// Its bytes without the line end.
    pub(super) bytes: u64,
    /// Its number, from 1.
    pub(super) line: u32,
}

/// A good line: who, what, when and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Index of the user.
    pub(super) user: u32,
    /// Index of the job of a contact, or of the production of a job.
    pub(super) reference: u32,
    /// What must be unique among lines of one kind: the id, or user and month.
    pub(super) key: [u8; 16],
    /// Milliseconds of its creation, where it has one.
    pub(super) created_ms: i64,
    /// Equal for lines that say the same.
    fingerprint: u64,
    /// Where it is read again.
    pub(super) place: Place,
    /// What it describes.
    pub(super) kind: Kind,
}

/// Gives each distinct value a small number.
#[derive(Debug)]
pub(super) struct Interner<T> {
    numbers: HashMap<T, u32>,
    pub(super) values: Vec<T>,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn new() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }

    fn number(&mut self, value: &T) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).expect("fewer distinct values than line numbers of 32 bits");
        self.numbers.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }

    /// The number of a value that was seen.
    pub(super) fn find(&self, value: &T) -> Option<u32> {
        self.numbers.get(value).copied()
    }
}

/// All good lines of a file.
#[derive(Debug)]
pub(super) struct Index {
    /// Users that lines name.
    pub(super) users: Interner<UserId>,
    /// Jobs and productions that lines name.
    pub(super) references: Interner<Uuid>,
    /// The lines.
    pub(super) rows: Vec<Row>,
    /// Lines that say what an earlier line said.
    pub(super) repeated: u64,
}

impl Index {
    fn row(&mut self, line: &Line, place: Place) -> Row {
        let user = self.users.number(&line.user);
        let mut key = [0; 16];
        key[..4].copy_from_slice(&user.to_be_bytes());
        let (mut reference, mut created_ms) = (NO_REFERENCE, 0);
        match &line.content {
            Content::User(_) => {}
            Content::Subscription(line) => {
                key = *Uuid::try_parse(&line.subscription.id).expect("written by the parser from a UUID").as_bytes();
                created_ms = line.subscription.created_at.ms();
            }
            Content::Usage(month, _) => key[4..11].copy_from_slice(month.to_string().as_bytes()),
            Content::Production(production) => {
                key = *production.id.0.as_bytes();
                self.references.number(&production.id.0);
                created_ms = production.created_at.ms();
            }
            Content::Job(job) => {
                key = *job.id.0.as_bytes();
                self.references.number(&job.id.0);
                reference = job.production_id.map_or(NO_REFERENCE, |id| self.references.number(&id.0));
                created_ms = job.created_at.ms();
            }
            Content::Contact(contact) => {
                key = *contact.id.0.as_bytes();
                reference = self.references.number(&contact.job_id.0);
                created_ms = contact.created_at.ms();
            }
        }
        Row { user, reference, key, created_ms, fingerprint: line.fingerprint(), place, kind: line.kind() }
    }

    /// Drops lines whose id an earlier line has: silently when both say the same, as bad lines otherwise.
    fn drop_duplicates(&mut self, rejects: &mut Rejects) {
        self.rows.sort_unstable_by_key(|row| (row.kind, row.key, row.place.line));
        let mut repeated = 0;
        self.rows.dedup_by(|row, first| {
            let same = (row.kind, row.key) == (first.kind, first.key);
            if same && row.fingerprint == first.fingerprint {
                repeated += 1;
            } else if same {
                rejects.add(row.place, || format!("the same {} is on line {} with other content", row.kind.word(), first.place.line));
            }
            same
        });
        self.repeated = repeated;
    }
}

/// Reads a file once.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn scan(path: &Path, rejects: &mut Rejects, progress: &mut dyn Progress) -> io::Result<Index> {
    let file = File::open(path)?;
    let total = file.metadata()?.len();
    let mut lines = Lines { reader: BufReader::with_capacity(1 << 18, file), at: 0, line: 0, buffer: Vec::new() };
    let mut index = Index { users: Interner::new(), references: Interner::new(), rows: Vec::new(), repeated: 0 };
    while let Some((place, text)) = lines.next()? {
        match text.and_then(|text| if text.trim().is_empty() { Ok(None) } else { line::parse(text).map(Some) }) {
            Ok(Some(line)) => {
                let row = index.row(&line, place);
                index.rows.push(row);
            }
            Ok(None) => {}
            Err(reason) => rejects.add(place, || reason),
        }
        if place.line.is_multiple_of(1024) {
            progress.reading(place.at, total);
        }
    }
    progress.reading(total, total);
    index.drop_duplicates(rejects);
    Ok(index)
}

/// Lines of a file with their places, however long they are.
struct Lines<R> {
    reader: R,
    at: u64,
    line: u32,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The next line; the reason instead of its text when that is too long or no UTF-8.
    fn next(&mut self) -> io::Result<Option<(Place, Result<&str, String>)>> {
        let mut start = self.at;
        self.buffer.clear();
        // One byte more than a longest line with `\r\n`.
        let taken = (&mut self.reader).take(LINE_BYTES_MAX as u64 + 3).read_until(b'\n', &mut self.buffer)?;
        if taken == 0 {
            return Ok(None);
        }
        self.at += taken as u64;
        let mut rest = 0;
        if self.buffer.last() != Some(&b'\n') {
            let (skipped, ended) = self.skip_line()?;
            self.at += skipped;
            rest = skipped - u64::from(ended);
        }
        self.line = self.line.checked_add(1).ok_or_else(|| io::Error::other("more than 4,294,967,295 lines"))?;
        let mut text = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if let (1, Some(without_mark)) = (self.line, text.strip_prefix(b"\xef\xbb\xbf")) {
            text = without_mark;
            start += 3;
        }
        let place = Place { at: start, bytes: text.len() as u64 + rest, line: self.line };
        if place.bytes > LINE_BYTES_MAX as u64 {
            return Ok(Some((place, Err(format!("longer than {LINE_BYTES_MAX} bytes")))));
        }
        Ok(Some((place, std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned()))))
    }

    /// Passes over the rest of a line; says how many bytes that were and whether a line end was the last.
    fn skip_line(&mut self) -> io::Result<(u64, bool)> {
        let mut skipped = 0;
        loop {
            let available = self.reader.fill_buf()?;
            let end = available.iter().position(|b| *b == b'\n');
            let used = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(used);
            skipped += used as u64;
            if used == 0 || end.is_some() {
                return Ok((skipped, end.is_some()));
            }
        }
    }
}

/// Reads lines again by their place.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, buffer: Vec::new() })
    }

    /// The bytes of a line.
    ///
    /// # Errors
    /// When they cannot be read any more.
    fn bytes(&mut self, place: Place) -> io::Result<&[u8]> {
        self.buffer.resize(usize::try_from(place.bytes).expect("a good line is at most a mebibyte"), 0);
        self.file.seek(SeekFrom::Start(place.at))?;
        self.file.read_exact(&mut self.buffer)?;
        Ok(&self.buffer)
    }

    /// Copies the bytes of a line, however long.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub(super) fn copy(&mut self, place: Place, out: &mut impl io::Write) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(place.at))?;
        io::copy(&mut (&mut self.file).take(place.bytes), out).map(|_| ())
    }

    /// The content of a line that the first pass found good.
    ///
    /// # Errors
    /// When the file was changed since.
    pub(super) fn content(&mut self, row: &Row) -> io::Result<Content> {
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was imported");
        let text = std::str::from_utf8(self.bytes(row.place)?).map_err(|_| changed())?;
        let line = line::parse(text).map_err(|_| changed())?;
        if line.fingerprint() == row.fingerprint { Ok(line.content) } else { Err(changed()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::report::Silent;

    fn scanned(bytes: &[u8]) -> (Index, Vec<(u32, String)>) {
        let path = std::env::temp_dir().join(format!("callsheets-scan-{}.ndjson", Uuid::new_v4()));
        std::fs::write(&path, bytes).unwrap();
        let mut rejects = Rejects::default();
        let index = scan(&path, &mut rejects, &mut Silent).unwrap();
        std::fs::remove_file(&path).unwrap();
        (index, rejects.reasons())
    }

    #[test]
    fn blank_lines_marks_and_line_ends_do_not_matter() {
        let text = "\u{feff}{\"type\":\"user\",\"id\":\"a\"}\r\n\n  \n{\"type\":\"user\",\"id\":\"b\"}";
        let (index, bad) = scanned(text.as_bytes());
        assert_eq!(bad, vec![]);
        let places: Vec<_> = index.rows.iter().map(|row| (row.place.line, row.place.at, row.place.bytes)).collect();
        assert_eq!(places, vec![(1, 3, 24), (4, 33, 24)]);
    }

    #[test]
    fn long_and_broken_lines_are_bad_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.extend(b"\n\xff\xfe\n{\"type\":\"user\",\"id\":\"b\"}\n");
        let (index, bad) = scanned(&bytes);
        assert_eq!(bad, vec![(1, "longer than 1048576 bytes".to_owned()), (2, "not UTF-8".to_owned())]);
        assert_eq!(index.rows.len(), 1);
    }

    #[test]
    fn a_repeated_line_is_dropped_and_a_contradicting_one_is_bad() {
        let month = r#"{"type":"usage","userId":"u","month":"2026-03","apiCalls":1}"#;
        let other = r#"{"type":"usage","userId":"u","month":"2026-03","apiCalls":2}"#;
        let another_user = r#"{"type":"usage","userId":"v","month":"2026-03","apiCalls":2}"#;
        let (index, bad) = scanned([month, month, other, another_user].join("\n").as_bytes());
        assert_eq!((index.rows.len(), index.repeated), (2, 1));
        assert_eq!(bad, vec![(3, "the same usage is on line 1 with other content".to_owned())]);
    }
}

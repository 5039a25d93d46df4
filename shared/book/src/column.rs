//! One text of every row, one after the other.

/// Ends every text: a byte that UTF-8 never has, so that nothing that is searched for reaches from one row into the next.
const END: u8 = 0xff;

/// Texts in the order of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Column {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<u32>,
}

impl Column {
    /// A column of texts.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut column = Self::default();
        for text in texts {
            column.bytes.extend_from_slice(text);
            column.end();
        }
        column.bytes.shrink_to_fit();
        column
    }

    fn end(&mut self) {
        self.ends.push(u32::try_from(self.bytes.len()).expect("a bucket is far smaller than 4 GB"));
        self.bytes.push(END);
    }

    /// Reads what [`Column::bytes`] gave; nothing when it is no column of `rows` texts.
    pub(crate) fn from_bytes(bytes: &[u8], rows: usize) -> Option<Self> {
        let texts = bytes.strip_suffix(&[END]).map(|bytes| bytes.split(|byte| *byte == END));
        let mut ends = Vec::with_capacity(rows);
        let mut at = 0;
        for text in texts.into_iter().flatten() {
            std::str::from_utf8(text).ok()?;
            at += text.len();
            ends.push(u32::try_from(at).ok()?);
            at += 1;
        }
        (ends.len() == rows && at == bytes.len()).then(|| Self { bytes: bytes.to_vec(), ends })
    }

    /// All texts, each with its end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text of a row.
    pub(crate) fn text(&self, row: usize) -> &str {
        std::str::from_utf8(self.get(row)).expect("columns are made of texts, and checked when they are read")
    }

    /// The text of a row as bytes.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize + 1 };
        &self.bytes[start..self.ends[row] as usize]
    }

    /// Marks the rows whose text has `needle` in it, which must not be empty.
    pub(crate) fn mark(&self, needle: &memchr::memmem::Finder<'_>, rows: &mut [bool]) {
        let mut at = 0;
        let mut row = 0;
        while let Some(found) = needle.find(&self.bytes[at..]) {
            let place = at + found;
            row += self.ends[row..].partition_point(|end| (*end as usize) < place);
            rows[row] = true;
            at = self.ends[row] as usize + 1;
            row += 1;
        }
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back() {
        let texts = ["", "a", "", "ü🎬", "b", ""];
        let column = Column::of(texts.iter().map(|text| text.as_bytes()));
        let read = Column::from_bytes(column.bytes(), texts.len()).unwrap();
        assert_eq!(read, column);
        assert_eq!((0..texts.len()).map(|row| read.text(row)).collect::<Vec<_>>(), texts);
        assert_eq!(Column::from_bytes(&[], 0), Some(Column::default()));
    }

    #[test]
    fn what_is_no_column_is_refused() {
        for (bytes, rows) in [(&b"a\xffb"[..], 2), (b"a\xff", 2), (b"a\xff", 0), (b"\x80\xff", 1), (b"a", 1), (b"", 1)] {
            assert_eq!(Column::from_bytes(bytes, rows), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_needle_marks_its_rows_and_reaches_over_no_end() {
        let column = Column::of([&b"abab"[..], b"", b"b", b"aab", b"ba"]);
        let marked = |needle: &str| {
            let mut rows = [false; 5];
            column.mark(&memchr::memmem::Finder::new(needle), &mut rows);
            rows
        };
        assert_eq!(marked("ab"), [true, false, false, true, false]);
        assert_eq!(marked("b"), [true, false, true, true, true]);
        assert_eq!(marked("bb"), [false; 5]);
    }
}

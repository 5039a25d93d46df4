//! How an entry's header is stored: one short text in front of the body, which the scripts read by position.
//!
//! ```text
//! <ms of the server's clock when it was stored, 15 digits, written by FILL><rev, 20 digits>\n<etag>\n
//! <fresh for ms> <filler's wall clock ms> <status> <gzip 0|1> <body bytes> <crc32 of the body> <crc32 of the rest>\n<extra>
//! ```
//! Revs are padded to 20 digits, so that text compares like numbers: Lua's numbers lose precision above 2^53.

use bytes::Bytes;
use flate2::Crc;

use crate::types::Entry;

/// Digits of the server's clock in front of a header.
pub(crate) const CLOCK_DIGITS: usize = 15;
/// Digits of a rev.
pub(crate) const REV_DIGITS: usize = 20;

/// What is known of an entry without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The server's clock when it was stored.
    pub(crate) stored_ms: u64,
    pub(crate) rev: u64,
    pub(crate) etag: String,
    pub(crate) fresh_ms: u64,
    /// The filler's wall clock when it asked the source.
    pub(crate) wall_ms: i64,
    pub(crate) status: u16,
    pub(crate) gzip: bool,
    pub(crate) body_bytes: usize,
    pub(crate) body_crc: u32,
    pub(crate) extra: String,
}

/// Writes a rev so that text compares like numbers.
pub(crate) fn rev_text(rev: u64) -> String {
    format!("{rev:020}")
}

/// Reads a rev; `None` when the bytes are no rev.
pub(crate) fn parse_rev(bytes: &[u8]) -> Option<u64> {
    if bytes.len() != REV_DIGITS || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

impl Header {
    /// The header under which an entry is stored.
    pub(crate) fn of(entry: &Entry, fresh_ms: u64, wall_ms: i64) -> Self {
        Self {
            stored_ms: 0,
            rev: entry.rev,
            etag: entry.etag.clone(),
            fresh_ms,
            wall_ms,
            status: entry.status,
            gzip: entry.gzip,
            body_bytes: entry.body.len(),
            body_crc: crc(&[&entry.body]),
            extra: entry.extra.clone(),
        }
    }

    /// Everything behind the server's clock.
    pub(crate) fn encode(&self) -> String {
        let numbers = self.numbers();
        let sum = self.sum(&numbers);
        format!("{}\n{}\n{numbers} {sum}\n{}", rev_text(self.rev), self.etag, self.extra)
    }

    /// Reads a stored header; `None` when it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (clock, rest) = text.split_at_checked(CLOCK_DIGITS)?;
        let (rev, rest) = rest.split_once('\n')?;
        let (etag, rest) = rest.split_once('\n')?;
        let (numbers, extra) = rest.split_once('\n')?;
        let (numbers, sum) = numbers.rsplit_once(' ')?;
        let mut words = numbers.split(' ');
        let header = Self {
            stored_ms: clock.parse().ok()?,
            rev: parse_rev(rev.as_bytes())?,
            etag: etag.to_owned(),
            fresh_ms: words.next()?.parse().ok()?,
            wall_ms: words.next()?.parse().ok()?,
            status: words.next()?.parse().ok()?,
            gzip: words.next()? == "1",
            body_bytes: words.next()?.parse().ok()?,
            body_crc: words.next()?.parse().ok()?,
            extra: extra.to_owned(),
        };
        (words.next().is_none() && sum.parse() == Ok(header.sum(numbers))).then_some(header)
    }

    /// Whether a body is the one that this header was written for.
    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes && crc(&[body]) == self.body_crc
    }

    /// The entry of this header.
    pub(crate) fn with_body(&self, body: Bytes) -> Entry {
        Entry { rev: self.rev, status: self.status, body, gzip: self.gzip, etag: self.etag.clone(), extra: self.extra.clone() }
    }

    fn numbers(&self) -> String {
        let Self { fresh_ms, wall_ms, status, body_bytes, body_crc, .. } = self;
        format!("{fresh_ms} {wall_ms} {status} {} {body_bytes} {body_crc}", u8::from(self.gzip))
    }

    fn sum(&self, numbers: &str) -> u32 {
        crc(&[rev_text(self.rev).as_bytes(), self.etag.as_bytes(), numbers.as_bytes(), self.extra.as_bytes()])
    }
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> (Header, Vec<u8>) {
        let entry = Entry {
            rev: 42,
            status: 200,
            body: Bytes::from_static(b"body"),
            gzip: true,
            etag: "W/\"a\"".to_owned(),
            extra: "two\nlines".to_owned(),
        };
        let header = Header { stored_ms: 1_700_000_000_123, ..Header::of(&entry, 5_000, -3) };
        let bytes = format!("{:015}{}", header.stored_ms, header.encode()).into_bytes();
        (header, bytes)
    }

    #[test]
    fn a_header_reads_back() {
        let (header, bytes) = stored();
        assert_eq!(Header::decode(&bytes), Some(header.clone()));
        assert!(header.fits(b"body"));
    }

    #[test]
    fn truncated_or_changed_bytes_are_noticed() {
        let (header, bytes) = stored();
        for length in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..length]), None, "cut at {length}");
        }
        for at in CLOCK_DIGITS..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_ne!(Header::decode(&changed), Some(header.clone()), "changed at {at}");
        }
        assert!(!header.fits(b"bod") && !header.fits(b"bodz"));
    }

    #[test]
    fn a_text_that_is_no_rev_is_none() {
        for text in ["", "1", "00000000000000000x01", "99999999999999999999", "000000000000000000001"] {
            assert_eq!(parse_rev(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_rev(rev_text(u64::MAX).as_bytes()), Some(u64::MAX));
    }
}

//! A ZIP archive written front to back: lengths and checksums stand behind each entry, as they do in archives made from streams.
//!
//! Less than 4 GB and fewer than 65,536 entries, so nothing of ZIP64. Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.4.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

const LOCAL_HEADER: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL_HEADER: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Version 2.0: deflate.
const VERSION: u16 = 20;
/// Bit 3: lengths and checksum follow the data.
const FLAGS: u16 = 1 << 3;
const DEFLATED: u16 = 8;
/// 1980-01-01, the first day there is: the same rows give the same bytes.
const DATE: u16 = 0x21;
const TIME: u16 = 0;

#[derive(Debug)]
struct Entry {
    name: &'static str,
    offset: u32,
    crc: u32,
    packed: u32,
    plain: u32,
}

impl Entry {
    fn central_header(&self) -> Vec<u8> {
        let mut bytes = Bytes::default();
        bytes.u32(CENTRAL_HEADER).u16(VERSION).u16(VERSION).u16(FLAGS).u16(DEFLATED).u16(TIME).u16(DATE);
        bytes.u32(self.crc).u32(self.packed).u32(self.plain).u16(len(self.name));
        // No extra field, no comment, no other disk, no attributes.
        bytes.u16(0).u16(0).u16(0).u16(0).u32(0).u32(self.offset);
        bytes.0.extend(self.name.as_bytes());
        bytes.0
    }
}

/// An archive with an open entry.
#[derive(Debug)]
pub(crate) struct Zip {
    entries: Vec<Entry>,
    /// Bytes written so far.
    length: u32,
    open: &'static str,
    opened_at: u32,
    crc: Crc,
    deflate: DeflateEncoder<Vec<u8>>,
    packed: u32,
}

impl Zip {
    /// Begins an archive with its first entry.
    pub(crate) fn begin(name: &'static str, out: &mut Vec<u8>) -> Self {
        let mut zip = Self { entries: Vec::new(), length: 0, open: name, opened_at: 0, crc: Crc::new(), deflate: deflate(), packed: 0 };
        zip.local_header(out);
        zip
    }

    /// Adds to the open entry.
    pub(crate) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.crc.update(bytes);
        self.deflate.write_all(bytes).expect("writing to a Vec cannot fail");
        self.drain(out);
    }

    /// Closes the open entry and opens another.
    pub(crate) fn next(&mut self, name: &'static str, out: &mut Vec<u8>) {
        self.close(out);
        (self.open, self.opened_at) = (name, self.length);
        (self.crc, self.deflate, self.packed) = (Crc::new(), deflate(), 0);
        self.local_header(out);
    }

    /// Closes the open entry and writes the list of all.
    pub(crate) fn end(mut self, out: &mut Vec<u8>) {
        self.close(out);
        let start = self.length;
        let central: Vec<u8> = self.entries.iter().flat_map(Entry::central_header).collect();
        self.put(&central, out);
        let entries = u16::try_from(self.entries.len()).expect("an archive of a handful of entries");
        let mut bytes = Bytes::default();
        bytes.u32(END).u16(0).u16(0).u16(entries).u16(entries).u32(length(&central)).u32(start).u16(0);
        self.put(&bytes.0, out);
    }

    fn local_header(&mut self, out: &mut Vec<u8>) {
        let mut bytes = Bytes::default();
        bytes.u32(LOCAL_HEADER).u16(VERSION).u16(FLAGS).u16(DEFLATED).u16(TIME).u16(DATE);
        bytes.u32(0).u32(0).u32(0).u16(len(self.open)).u16(0);
        bytes.0.extend(self.open.as_bytes());
        self.put(&bytes.0, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.deflate.try_finish().expect("writing to a Vec cannot fail");
        self.drain(out);
        let (crc, packed, plain) = (self.crc.sum(), self.packed, self.crc.amount());
        self.entries.push(Entry { name: self.open, offset: self.opened_at, crc, packed, plain });
        let mut bytes = Bytes::default();
        bytes.u32(DESCRIPTOR).u32(crc).u32(packed).u32(plain);
        self.put(&bytes.0, out);
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        let ready = std::mem::take(self.deflate.get_mut());
        self.packed += length(&ready);
        self.put(&ready, out);
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.length += length(bytes);
        out.extend(bytes);
    }
}

/// Fast rather than small: a sheet repeats itself enough.
fn deflate() -> DeflateEncoder<Vec<u8>> {
    DeflateEncoder::new(Vec::new(), Compression::fast())
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a buffer of less than 4 GB")
}

fn len(name: &str) -> u16 {
    u16::try_from(name.len()).expect("a short constant")
}

/// Numbers, little end first.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(&mut self, number: u16) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }
}

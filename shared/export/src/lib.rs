//! Contacts as files (contract section 9): CSV, Excel, JSON and vCard, written row by row.
//!
//! No I/O: an [`Encoder`] appends to a buffer that its caller empties whenever it likes, so a file of any length needs the memory of one row.
//! Texts come from call sheets, that is from strangers: each format says how it keeps them from being more than text.

mod csv;
mod field;
mod json;
mod vcard;
mod xlsx;
mod zip;

use std::fmt;
use std::str::FromStr;

use domain::{Contact, Job, Timestamp};

pub use field::Field;

/// A text that names no format, field or delimiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown")
    }
}

impl std::error::Error for Unknown {}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// JSON.
    Json,
    /// vCard 3.0 (RFC 2426).
    Vcard,
}

impl FromStr for Format {
    type Err = Unknown;
    /// In any letter case; `excel` and `vcard` are other names of `xlsx` and `vcf`.
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "excel" | "xlsx" => Ok(Self::Xlsx),
            "json" => Ok(Self::Json),
            "vcard" | "vcf" => Ok(Self::Vcard),
            _ => Err(Unknown),
        }
    }
}

impl Format {
    /// Its media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Json => "application/json; charset=utf-8",
            Self::Vcard => "text/vcard; charset=utf-8",
        }
    }

    /// Whether its bytes are compressed already.
    #[must_use]
    pub fn is_compressed(self) -> bool {
        self == Self::Xlsx
    }

    /// `contacts_{rows}_{YYYY-MM-DD}.{extension}`.
    #[must_use]
    pub fn file_name(self, rows: u64, at: Timestamp) -> String {
        let extension = match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Json => "json",
            Self::Vcard => "vcf",
        };
        format!("contacts_{rows}_{}.{extension}", at.iso_date())
    }
}

/// What stands between the cells of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

impl FromStr for Delimiter {
    type Err = Unknown;
    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text {
            "," => Ok(Self::Comma),
            ";" => Ok(Self::Semicolon),
            "\t" => Ok(Self::Tab),
            _ => Err(Unknown),
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What it is.
    pub format: Format,
    /// Columns of CSV and Excel, in order.
    pub fields: Vec<Field>,
    /// Of CSV.
    pub delimiter: Delimiter,
}

/// One contact with its job.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The contact.
    pub contact: &'a Contact,
    /// Its job.
    pub job: &'a Job,
}

/// A file being written.
#[derive(Debug)]
pub struct Encoder(Kind);

#[derive(Debug)]
enum Kind {
    Csv(csv::Csv),
    Xlsx(Box<xlsx::Workbook>),
    Json(json::Json),
    Vcard(vcard::Cards),
}

impl Encoder {
    /// Begins a file of `rows` rows, made at `at`.
    #[must_use]
    pub fn begin(settings: &Settings, rows: u64, at: Timestamp, out: &mut Vec<u8>) -> Self {
        Self(match settings.format {
            Format::Csv => Kind::Csv(csv::Csv::begin(&settings.fields, settings.delimiter, out)),
            Format::Xlsx => Kind::Xlsx(Box::new(xlsx::Workbook::begin(&settings.fields, at, out))),
            Format::Json => Kind::Json(json::Json::begin(rows, at, out)),
            Format::Vcard => Kind::Vcard(vcard::Cards::default()),
        })
    }

    /// Adds a row.
    pub fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Csv(csv) => csv.row(row, out),
            Kind::Xlsx(workbook) => workbook.row(row, out),
            Kind::Json(json) => json.row(row, out),
            Kind::Vcard(cards) => cards.row(row, out),
        }
    }

    /// Adds what stands after the last row.
    pub fn end(self, out: &mut Vec<u8>) {
        match self.0 {
            Kind::Xlsx(workbook) => workbook.end(out),
            Kind::Json(json) => json.end(out),
            Kind::Csv(_) | Kind::Vcard(_) => {}
        }
    }
}

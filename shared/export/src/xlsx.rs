//! An Excel workbook: the sheet `Contacts`, row by row, then the sheet `Summary`.
//!
//! Every text is an inline string, which no spreadsheet takes for a formula.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use domain::Timestamp;

use crate::zip::Zip;
use crate::{Field, Row};

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const CONTENT_TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/worksheets/sheet2.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Contacts" sheetId="1" r:id="rId1"/><sheet name="Summary" sheetId="2" r:id="rId2"/></sheets></workbook>"#;
const WORKBOOK_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet2.xml"/></Relationships>"#;
/// Width of every column, in characters.
const WIDTH: u32 = 20;

/// A workbook being written.
#[derive(Debug)]
pub(crate) struct Workbook {
    zip: Zip,
    sheet: Sheet,
    fields: Vec<Field>,
    at: Timestamp,
    summary: Summary,
}

impl Workbook {
    pub(crate) fn begin(fields: &[Field], at: Timestamp, out: &mut Vec<u8>) -> Self {
        let mut zip = Zip::begin("[Content_Types].xml", out);
        zip.write(format!("{DECLARATION}{CONTENT_TYPES}").as_bytes(), out);
        for (name, content) in
            [("_rels/.rels", RELATIONS), ("xl/workbook.xml", WORKBOOK), ("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONS)]
        {
            zip.next(name, out);
            zip.write(format!("{DECLARATION}{content}").as_bytes(), out);
        }
        zip.next("xl/worksheets/sheet1.xml", out);
        let mut sheet = Sheet::new(fields.len());
        sheet.row(fields.iter().map(|field| Cell::Text(field.header())));
        zip.write(sheet.take().as_bytes(), out);
        Self { zip, sheet, fields: fields.to_vec(), at, summary: Summary::default() }
    }

    pub(crate) fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        self.summary.count(row);
        let texts: Vec<_> = self.fields.iter().map(|field| field.text(row)).collect();
        self.sheet.row(texts.iter().map(|text| Cell::Text(text)));
        self.zip.write(self.sheet.take().as_bytes(), out);
    }

    pub(crate) fn end(mut self, out: &mut Vec<u8>) {
        self.zip.write(self.sheet.end().as_bytes(), out);
        self.zip.next("xl/worksheets/sheet2.xml", out);
        self.zip.write(self.summary.sheet(self.at).end().as_bytes(), out);
        self.zip.end(out);
    }
}

/// A cell's value.
enum Cell<'a> {
    Text(&'a str),
    Number(u64),
}

/// The XML of a sheet, as far as it was not taken yet.
#[derive(Debug)]
struct Sheet {
    xml: String,
    rows: u32,
}

impl Sheet {
    fn new(columns: usize) -> Self {
        let mut xml = format!("{DECLARATION}<worksheet xmlns=\"{MAIN}\"><cols>");
        push(&mut xml, format_args!("<col min=\"1\" max=\"{columns}\" width=\"{WIDTH}\" customWidth=\"1\"/></cols><sheetData>"));
        Self { xml, rows: 0 }
    }

    fn row<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) {
        self.rows += 1;
        push(&mut self.xml, format_args!("<row r=\"{}\">", self.rows));
        // The columns are few: their names have one letter.
        for (column, cell) in ('A'..='Z').zip(cells) {
            match cell {
                Cell::Text("") => {}
                Cell::Text(text) => {
                    push(&mut self.xml, format_args!("<c r=\"{column}{}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">", self.rows));
                    push_text(&mut self.xml, text);
                    self.xml.push_str("</t></is></c>");
                }
                Cell::Number(number) => push(&mut self.xml, format_args!("<c r=\"{column}{}\"><v>{number}</v></c>", self.rows)),
            }
        }
        self.xml.push_str("</row>");
    }

    fn take(&mut self) -> String {
        std::mem::take(&mut self.xml)
    }

    fn end(mut self) -> String {
        self.xml.push_str("</sheetData></worksheet>");
        self.xml
    }
}

fn push(xml: &mut String, what: std::fmt::Arguments<'_>) {
    xml.write_fmt(what).expect("writing to a String cannot fail");
}

/// Text within an element, without the characters that XML cannot hold. `_x0041_` is Excel's own escape, so an underscore that would begin one
/// is escaped by it.
fn push_text(xml: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '\r' => xml.push_str("&#13;"),
            '_' if is_escape(&text[at..]) => xml.push_str("_x005F_"),
            '\t' | '\n' => xml.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if u32::from(c) < 0x20 => {}
            c => xml.push(c),
        }
    }
}

fn is_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes.starts_with(b"_x") && bytes[2..6].iter().all(u8::is_ascii_hexdigit) && bytes[6] == b'_'
}

/// What the sheet `Summary` says.
#[derive(Debug, Default)]
struct Summary {
    contacts: u64,
    with_email: u64,
    with_phone: u64,
    complete: u64,
    companies: Distinct,
    roles: Distinct,
}

impl Summary {
    fn count(&mut self, Row { contact, .. }: Row<'_>) {
        let filled = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        let all = [&contact.email, &contact.phone, &contact.role, &contact.company];
        self.contacts += 1;
        self.with_email += u64::from(filled(&contact.email));
        self.with_phone += u64::from(filled(&contact.phone));
        self.complete += u64::from(!contact.name.trim().is_empty() && all.into_iter().all(filled));
        self.companies.add(contact.company.as_deref());
        self.roles.add(contact.role.as_deref());
    }

    fn sheet(&self, at: Timestamp) -> Sheet {
        let mut sheet = Sheet::new(2);
        let date = at.us_date();
        for (metric, value) in [
            ("Metric", Cell::Text("Value")),
            ("Total Contacts", Cell::Number(self.contacts)),
            ("Export Date", Cell::Text(&date)),
            ("Contacts with Email", Cell::Number(self.with_email)),
            ("Contacts with Phone", Cell::Number(self.with_phone)),
            ("Complete Profiles", Cell::Number(self.complete)),
            ("Unique Companies", Cell::Number(self.companies.count())),
            ("Unique Roles", Cell::Number(self.roles.count())),
        ] {
            sheet.row([Cell::Text(metric), value].into_iter());
        }
        sheet
    }
}

/// Counts different texts by their hashes: 8 bytes each whatever their length. Among 200,000 texts two share one in a billion cases.
#[derive(Debug, Default)]
struct Distinct {
    hashes: HashSet<u64>,
    keys: RandomState,
}

impl Distinct {
    fn add(&mut self, text: Option<&str>) {
        if let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) {
            self.hashes.insert(self.keys.hash_one(text));
        }
    }

    fn count(&self) -> u64 {
        self.hashes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut xml = String::new();
        push_text(&mut xml, "a<b>&\"\u{0}\u{b}\u{ffff}\r\n_x0041_ _x41_ _x005F_");
        assert_eq!(xml, "a&lt;b&gt;&amp;\"&#13;\n_x005F_x0041_ _x41_ _x005F_x005F_");
    }
}

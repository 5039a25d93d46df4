//! CSV: LF line ends, quoted only where it must be.
//!
//! A spreadsheet takes a cell that begins like a formula for one, and formulas can send data away or start programs. Such cells get an
//! apostrophe in front, which spreadsheets take for "this is text". Phone numbers in international form begin with `+` but hold nothing that a
//! formula could be made of, and an apostrophe would spoil them for every other reader: they stay as they are. The same holds within a cell after
//! what separates cells elsewhere.

use crate::{Delimiter, Field, Row};

/// What a formula can begin with, full-width forms included, which some spreadsheets read like the others.
const FORMULA_STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Where spreadsheets split a line, or begin another.
const SEPARATORS: [char; 5] = [',', ';', '\t', '\r', '\n'];
/// Digits of a phone number (contract section 10).
const PHONE_DIGITS_MIN: usize = 7;

/// A CSV file.
#[derive(Debug)]
pub(crate) struct Csv {
    fields: Vec<Field>,
    delimiter: u8,
}

impl Csv {
    pub(crate) fn begin(fields: &[Field], delimiter: Delimiter, out: &mut Vec<u8>) -> Self {
        let csv = Self { fields: fields.to_vec(), delimiter: delimiter.byte() };
        csv.line(out, |field, cell| cell.push_str(field.header()));
        csv
    }

    pub(crate) fn row(&self, row: Row<'_>, out: &mut Vec<u8>) {
        self.line(out, |field, cell| {
            let may_be_phone = field == Field::Phone;
            for part in guarded(&field.text(row), may_be_phone) {
                cell.push_str(part);
            }
        });
    }

    fn line(&self, out: &mut Vec<u8>, fill: impl Fn(Field, &mut String)) {
        let mut cell = String::new();
        for (position, field) in self.fields.iter().enumerate() {
            if position > 0 {
                out.push(self.delimiter);
            }
            cell.clear();
            fill(*field, &mut cell);
            self.put(&cell, out);
        }
        out.push(b'\n');
    }

    fn put(&self, cell: &str, out: &mut Vec<u8>) {
        let special = |byte: u8| byte == self.delimiter || matches!(byte, b'"' | b'\r' | b'\n');
        if cell.bytes().any(special) {
            out.push(b'"');
            out.extend(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend(cell.as_bytes());
        }
    }
}

/// A text in parts that no spreadsheet takes for formulas. Whatever follows a separator counts like a beginning: a spreadsheet of another country
/// splits the line there, and then it is one.
fn guarded(text: &str, may_be_phone: bool) -> impl Iterator<Item = &str> {
    text.split_inclusive(SEPARATORS).enumerate().flat_map(move |(number, part)| {
        let begins = if number == 0 { is_like_a_formula(part) } else { part.trim_start().starts_with(FORMULA_STARTS) };
        let is_phone = may_be_phone && is_phone_number(part.trim_end_matches(SEPARATORS).trim_start());
        [if begins && !is_phone { "'" } else { "" }, part]
    })
}

fn is_like_a_formula(text: &str) -> bool {
    // White space before a formula does not keep every spreadsheet from reading it.
    text.starts_with(['\t', '\r', '\n']) || text.trim_start().starts_with(FORMULA_STARTS)
}

/// `+` and then only digits and what people put between them.
fn is_phone_number(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('+') else { return false };
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    digits >= PHONE_DIGITS_MIN && rest.bytes().all(|b| b.is_ascii_digit() || b" ()-./".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_spreadsheet_would_split_off_is_guarded_too() {
        for (text, expected) in [
            ("Westbeam;=HYPERLINK(1)", "Westbeam;'=HYPERLINK(1)"),
            ("a,-1\t@x\n＝1", "a,'-1\t'@x\n'＝1"),
            ("a\n\nb; c-d", "a\n\nb; c-d"),
            ("+44 7700 900123, +44 7700 900124;=1", "'+44 7700 900123,' +44 7700 900124;'=1"),
        ] {
            assert_eq!(guarded(text, false).collect::<String>(), expected);
        }
        assert_eq!(guarded("+44 7700 900123; +44 7700 900124;=1", true).collect::<String>(), "+44 7700 900123; +44 7700 900124;'=1");
    }

    #[test]
    fn what_begins_like_a_formula_is_told_from_a_phone_number() {
        for formula in ["=1+1", "+1", "-2", "@SUM(A1)", " =1", "\t1", "\rx", "\nx", "＝1", "＋1", "－1", "＠x"] {
            assert!(is_like_a_formula(formula), "{formula:?}");
        }
        for text in ["", "Mara", "1-1", "a=b", "'=1"] {
            assert!(!is_like_a_formula(text), "{text:?}");
        }
        for phone in ["+44 7700 900123", "+1 (555) 010-0100", "+4917012345/6"] {
            assert!(is_phone_number(phone), "{phone}");
        }
        for formula in ["+1", "+1+1234567", "+44 7700 900123=1", "+cmd|' /C calc'!A0", "-1234567", "+1,2345678", "++1234567"] {
            assert!(!is_phone_number(formula), "{formula}");
        }
    }
}

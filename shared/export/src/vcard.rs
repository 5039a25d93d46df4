//! vCard 3.0 (RFC 2426): CRLF line ends, lines of at most 75 bytes, a blank line between cards.
//!
//! A text can begin no line of its own: line breaks within it are escaped, other control characters are left out.

use crate::Row;

/// Bytes of a line without its end.
const LINE_BYTES_MAX: usize = 75;
const UNNAMED: &str = "Unnamed Contact";

/// A file of cards.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    begun: bool,
}

impl Cards {
    pub(crate) fn row(&mut self, Row { contact, .. }: Row<'_>, out: &mut Vec<u8>) {
        if self.begun {
            out.extend(b"\r\n");
        }
        self.begun = true;
        let name = contact.name.trim();
        let name = if name.is_empty() { UNNAMED } else { name };
        let (first, rest) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
        line("BEGIN:VCARD", out);
        line("VERSION:3.0", out);
        line(&format!("FN:{}", escaped(name)), out);
        line(&format!("N:{};{};;;", escaped(rest.trim_start()), escaped(first)), out);
        let phone: String = contact.phone.iter().flat_map(|phone| phone.chars()).filter(|c| c.is_ascii_digit() || *c == '+').collect();
        property("EMAIL;TYPE=INTERNET", contact.email.as_deref(), out);
        property("TEL;TYPE=CELL", Some(&phone), out);
        property("TITLE", contact.role.as_deref(), out);
        property("ORG", contact.company.as_deref(), out);
        line("END:VCARD", out);
    }
}

/// A property that has a value.
fn property(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    let value = escaped(value.unwrap_or_default().trim());
    if !value.is_empty() {
        line(&format!("{name}:{value}"), out);
    }
}

/// A text value (RFC 2426, section 5).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ',' | ';' => escaped.extend(['\\', c]),
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => escaped.push_str("\\n"),
            '\t' => escaped.push(c),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes a line, folded: what follows a fold begins with a space. No character is split.
fn line(text: &str, out: &mut Vec<u8>) {
    let mut width = 0;
    for c in text.chars() {
        if width + c.len_utf8() > LINE_BYTES_MAX {
            out.extend(b"\r\n ");
            width = 1;
        }
        width += c.len_utf8();
        out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_cannot_begin_a_line() {
        assert_eq!(escaped("a,b;c\\d"), "a\\,b\\;c\\\\d");
        assert_eq!(escaped("x\r\nEND:VCARD\rBEGIN:VCARD\u{2028}y\u{0}\u{7f}z"), "x\\nEND:VCARD\\nBEGIN:VCARD\\nyz");
    }

    #[test]
    fn lines_are_folded_between_characters() {
        for unit in ["x", "é", "€", "🎬"] {
            let text = format!("FN:{}", unit.repeat(200));
            let mut out = Vec::new();
            line(&text, &mut out);
            let folded = String::from_utf8(out).expect("no character is split");
            assert!(folded.split("\r\n").all(|line| line.len() <= LINE_BYTES_MAX), "{unit}");
            assert_eq!(folded.replace("\r\n ", ""), format!("{text}\r\n"));
        }
        let mut out = Vec::new();
        line(&"x".repeat(75), &mut out);
        assert_eq!(out.len(), 77);
    }
}

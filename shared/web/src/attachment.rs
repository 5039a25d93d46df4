//! `Content-Disposition` of a file (RFC 6266).

use std::fmt::Write;

/// What file systems or browsers take for something else than a part of a name.
const SPECIAL: [char; 9] = ['/', '\\', '"', ':', '*', '?', '<', '>', '|'];

/// `attachment` with a name of the client's choice, or `fallback` when nothing usable is left of it. `fallback` is ASCII.
///
/// A name with other characters comes twice: as `filename` with `_` in their place, and as `filename*` for those who read UTF-8 (RFC 8187).
#[must_use]
pub fn attachment(wanted: Option<&str>, fallback: &str) -> String {
    let name = wanted.map(cleaned).filter(|name| !name.is_empty()).unwrap_or_else(|| fallback.to_owned());
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let mut header = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        header.push_str("; filename*=UTF-8''");
        header.push_str(&encoded(&name));
    }
    header
}

/// A name without a path, control characters, or marks that show a name in another order than it is.
fn cleaned(wanted: &str) -> String {
    let name: String =
        wanted.chars().filter(|c| !c.is_control() && !is_invisible(*c)).map(|c| if SPECIAL.contains(&c) { '_' } else { c }).collect();
    // Names that begin with a dot are hidden, `.` and `..` are folders, and a trailing dot or space is lost on some systems.
    name.trim_matches(|c: char| c == '.' || c.is_whitespace()).to_owned()
}

/// Marks of direction and width: they can make `fdp.exe` look like `exe.pdf`.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Percent-encoded, but for RFC 8187's `attr-char`.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a String cannot fail");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_clients_or_the_usual_one() {
        for (wanted, name) in [
            (None, "usual.csv"),
            (Some(""), "usual.csv"),
            (Some(" .. "), "usual.csv"),
            (Some("\r\n\u{202e}"), "usual.csv"),
            (Some("Crew list"), "Crew list"),
            (Some("../../etc/passwd"), "_.._etc_passwd"),
            (Some("a\\b:c.csv. "), "a_b_c.csv"),
            (Some("x.csv\"; filename=\"evil.exe"), "x.csv_; filename=_evil.exe"),
            (Some("x\r\nSet-Cookie: a=b"), "xSet-Cookie_ a=b"),
            (Some("exe.\u{202e}fdp"), "exe.fdp"),
        ] {
            assert_eq!(attachment(wanted, "usual.csv"), format!("attachment; filename=\"{name}\""), "{wanted:?}");
        }
    }

    #[test]
    fn other_letters_come_encoded_beside_a_plain_name() {
        assert_eq!(
            attachment(Some("Équipe (été) 'A'.csv"), "x"),
            "attachment; filename=\"_quipe (_t_) 'A'.csv\"; filename*=UTF-8''%C3%89quipe%20%28%C3%A9t%C3%A9%29%20%27A%27.csv"
        );
        assert!(http::HeaderValue::from_str(&attachment(Some("🎬\u{7f}\u{0}"), "x")).is_ok());
    }
}

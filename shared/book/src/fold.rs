//! Text as it is compared: without case and accents.

use unicode_normalization::UnicodeNormalization;

/// Lower case, without accents: `SÖREN` and `soren` are equal, and so are a letter with its accent and the two characters that look the same.
///
/// Accents are the combining marks U+0300 to U+036F, those of Latin, Greek and Cyrillic letters, and the strokes of Latin letters that Unicode does
/// not take apart: `Łukasz` is found by `lukasz`, and stands beside it. Other scripts keep theirs, which tell words apart.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c });
    let bare = lower.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfc();
    bare.fold(String::with_capacity(text.len()), |mut folded, c| {
        match plain(c) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(c),
        }
        folded
    })
}

/// How a Latin letter is written where there is none like it.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'þ' => "th",
        'ð' | 'đ' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ø' => "o",
        'ŧ' => "t",
        _ => return None,
    })
}

/// The decimal digits of a phone number.
pub(crate) fn digits(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.bytes().filter(u8::is_ascii_digit)
}

/// The digits of a text that may be a phone number: nothing but digits and what people, and their word processors, write between them.
pub(crate) fn phone_digits(text: &str) -> Option<Vec<u8>> {
    let between = |c: char| c.is_whitespace() || "+-.()/".contains(c) || matches!(c, '\u{2010}'..='\u{2015}');
    let digits: Vec<u8> = digits(text).collect();
    (!digits.is_empty() && text.chars().all(|c| c.is_ascii_digit() || between(c))).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count() {
        for (a, b) in [
            ("Sören", "SOREN"),
            ("Amélie", "ame\u{301}lie"),
            ("ΣΟΦΟΣ", "σοφός"),
            ("Ёлка", "елка"),
            ("İpek", "ipek"),
            ("Łukasz", "LUKASZ"),
            ("Søgård", "sogard"),
            ("Đorđe", "dorde"),
            ("Straße", "STRASSE"),
            ("Ægir", "aegir"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
    }

    #[test]
    fn other_scripts_and_signs_stay_as_they_are() {
        for text in ["שלום", "مرحبا", "が", "한글", "🎬", "100%_x", "щ"] {
            assert_eq!(fold(text), text, "{text}");
        }
        assert_ne!(fold("が"), fold("か"));
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in (0..0x1_1000).filter_map(char::from_u32) {
            let once = fold(&c.to_string());
            assert_eq!(fold(&once), once, "{c:?}");
        }
    }

    #[test]
    fn only_what_may_be_a_number_has_digits_to_look_for() {
        assert_eq!(phone_digits("+49 (170) 12-3"), Some(b"49170123".to_vec()));
        assert_eq!(phone_digits("+49\u{a0}170\u{2013}12"), Some(b"4917012".to_vec()));
        for other in ["", "+", "- -", "day 3", "170x", "١٢٣"] {
            assert_eq!(phone_digits(other), None, "{other}");
        }
    }
}

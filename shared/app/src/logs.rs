//! Logs: JSON, one object a line. No code of ours logs personal data or secrets; what a cause's text may bring along is blotted out here.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

/// The crates whose `debug` and `trace` may be asked for. Those of others can hold requests and answers, so they never get below `info`.
const OWN: [&str; 10] = ["app", "web", "cache", "store", "billing", "domain", "book", "export", "stripe_client", "dead_letters"];

/// What the base64 of a JWT's header begins with, wherever it stands in a word.
const TOKEN_START: &str = "eyJ";
const TOKEN_CHARS_MIN: usize = 12;
const NUMBER_DIGITS_MIN: usize = 7;
const NUMBER_SIGNS: &[u8] = b" -()./";

/// Logs to the standard output at `LOG_LEVEL` (default `info`). Lambda's own span, with the request's id and its X-Ray trace, is part of
/// every line.
pub(crate) fn start() {
    let filter = filter(&std::env::var("LOG_LEVEL").unwrap_or_default());
    let out = || Redacting(io::stdout());
    tracing_subscriber::fmt().json().with_env_filter(filter).with_target(false).without_time().with_writer(out).init();
}

/// What is logged at a level: `error`, `warn`, `info`, `debug` or `trace`; anything else is `info`.
#[must_use]
pub fn filter(level: &str) -> EnvFilter {
    let level = ["error", "warn", "info", "debug", "trace"].into_iter().find(|known| level.eq_ignore_ascii_case(known)).unwrap_or("info");
    let others = if ["debug", "trace"].contains(&level) { "info" } else { level };
    let own = OWN.iter().map(|name| format!(",{name}={level}"));
    EnvFilter::new(std::iter::once(others.to_owned()).chain(own).collect::<String>())
}

/// A writer of whole lines that blots out what must not be kept.
#[derive(Debug)]
struct Redacting<W>(W);

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(redacted(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A line with tokens, secrets, e-mail addresses and phone numbers replaced by their kind.
fn redacted(line: &str) -> Cow<'_, str> {
    match without_numbers(line) {
        Cow::Borrowed(line) => without_words(line),
        Cow::Owned(line) => Cow::Owned(without_words(&line).into_owned()),
    }
}

/// A line without phone numbers: `+` and at least seven digits, with what people write between them.
fn without_numbers(line: &str) -> Cow<'_, str> {
    let mut text = String::new();
    let mut kept = 0;
    for (at, _) in line.match_indices('+') {
        if at < kept {
            continue;
        }
        let rest = &line[at + 1..];
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || NUMBER_SIGNS.contains(byte)).count();
        if rest.as_bytes()[..length].iter().filter(|byte| byte.is_ascii_digit()).count() >= NUMBER_DIGITS_MIN {
            text.push_str(&line[kept..at]);
            text.push_str("[number]");
            // What follows the last digit is not the number's.
            kept = at + 1 + rest[..length].trim_end_matches(|c: char| !c.is_ascii_digit()).len();
        }
    }
    if kept == 0 {
        return Cow::Borrowed(line);
    }
    text.push_str(&line[kept..]);
    Cow::Owned(text)
}

fn without_words(line: &str) -> Cow<'_, str> {
    let part_of_word = |c: char| c.is_alphanumeric() || "._%+-@".contains(c);
    let mut text = String::new();
    let mut kept = 0;
    let mut at = 0;
    for word in line.split(|c| !part_of_word(c)) {
        let start = at;
        at = start + word.len() + line[start + word.len()..].chars().next().map_or(0, char::len_utf8);
        if let Some(kind) = kind(word) {
            text.push_str(&line[kept..start]);
            text.push_str(kind);
            kept = start + word.len();
        }
    }
    if kept == 0 {
        return Cow::Borrowed(line);
    }
    text.push_str(&line[kept..]);
    Cow::Owned(text)
}

fn kind(word: &str) -> Option<&'static str> {
    let secret = ["whsec_", "sk_live_", "sk_test_", "rk_live_", "rk_test_"];
    if secret.iter().any(|start| word.starts_with(start)) {
        return Some("[secret]");
    }
    if word.find(TOKEN_START).is_some_and(|at| word.len() - at >= TOKEN_CHARS_MIN) {
        return Some("[token]");
    }
    word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')).then_some("[address]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_kept_is_blotted_out() {
        for (line, expected) in [
            (r#"{"error":"no such key: mara.quill@example.test, retry"}"#, r#"{"error":"no such key: [address], retry"}"#),
            ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSJ9.c2ln ende", "Bearer [token] ende"),
            ("at Bearer%20eyJhbGciOiJIUzI1NiJ9 and x_eyJhbGciOiJIUzI1NiJ9.", "at [token] and [token]"),
            ("whsec_abc sk_live_1 ü+491701234567", "[secret] [secret] ü[number]"),
            ("call +49170-1234567!", "call [number]!"),
            ("call +1 555 0101 (home), +1 (555) 0102.", "call [number] (home), [number]."),
            ("at 2026-03-05T09:30:00+00:00, 1+2, + 1, ++", "at 2026-03-05T09:30:00+00:00, 1+2, + 1, ++"),
            (
                r#"{"message":"request refused","status":404,"request_id":"a@b"}"#,
                r#"{"message":"request refused","status":404,"request_id":"a@b"}"#,
            ),
            ("", ""),
        ] {
            assert_eq!(redacted(line), expected);
        }
        let mut out = Redacting(Vec::new());
        out.write_all(b"to a@b.example\n").unwrap();
        assert_eq!(out.0, b"to [address]\n");
    }

    #[test]
    fn other_crates_never_tell_requests() {
        assert_eq!(filter("TRACE").to_string().split(',').find(|part| !part.contains('=')), Some("info"));
        assert_eq!(filter("error").to_string().split(',').find(|part| !part.contains('=')), Some("error"));
        assert!(filter("nonsense").to_string().contains("app=info") && filter("debug").to_string().contains("store=debug"));
    }
}

//! Logs: JSON, one object a line. No code of ours logs personal data or secrets; what a cause's text may bring along is blotted out here.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

/// The crates whose `debug` and `trace` may be asked for. Those of others can hold requests and answers, so they never get below `info`.
const OWN: [&str; 6] = ["app", "web", "cache", "store", "billing", "domain"];

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
    if word.starts_with("eyJ") && word.len() > 20 {
        return Some("[token]");
    }
    if word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
        return Some("[address]");
    }
    let digits = word.strip_prefix('+').map_or(0, |number| number.chars().filter(char::is_ascii_digit).count());
    (digits >= 8).then_some("[number]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_kept_is_blotted_out() {
        for (line, expected) in [
            (r#"{"error":"no such key: mara.quill@example.test, retry"}"#, r#"{"error":"no such key: [address], retry"}"#),
            ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSJ9.c2ln ende", "Bearer [token] ende"),
            ("whsec_abc sk_live_1 ü+491701234567", "[secret] [secret] ü+491701234567"),
            ("call +49170-1234567!", "call [number]!"),
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

//! What the tests' worlds write, looked at when it is written: no log line holds what must not be kept, and every line of metrics is one that
//! CloudWatch understands.
//!
//! One subscriber a process sees all logs of all worlds at every level; processes that tests start hand over what they wrote, scripts what
//! theirs did (`watch-logs`). What is found ends the process, because the test that it came from may be over.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use app::metrics::METRICS;
use serde_json::Value;

use crate::emf::metrics_of;

static LOG_LINES: AtomicU64 = AtomicU64::new(0);
/// Names of the tests' people: where they are, a body is.
const PEOPLE: [&str; 3] = ["Crew ", "Mara", "Ines Demo"];
const SECRETS: [&str; 9] =
    ["whsec_", "sk_test_", "sk_live_", "rk_test_", "rk_live_", "v1=", "BEGIN PRIVATE KEY", "AWS4-HMAC-SHA256", local::DEVELOPMENT_SECRET];

/// Looks at all logs of this process from now on.
pub(crate) fn start() {
    static START: Once = Once::new();
    START.call_once(|| {
        let filter = app::logs::filter("trace").add_directive("dynoxide=off".parse().expect("a directive"));
        let logs = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(|| Watcher);
        // A test that has a subscriber of its own looks at its logs itself.
        let _ = tracing::subscriber::set_global_default(logs.finish());
    });
}

/// Looks at a line of a function's output, which holds both.
pub fn line(line: &str) {
    if line.contains(r#""_aws":"#) { drop(metric_line(line)) } else { log_line(line) }
}

/// Looks at a log line.
pub fn log_line(line: &str) {
    LOG_LINES.fetch_add(1, Ordering::Relaxed);
    if let Some(leak) = leak(line) {
        fail(&format!("a leak, {leak}: {line}"));
    }
}

/// Looks at a line of metrics: the names in it.
pub fn metric_line(line: &str) -> Vec<String> {
    if let Some(leak) = leak(line) {
        fail(&format!("a leak, {leak}: {line}"));
    }
    let metrics = metrics_of(line).unwrap_or_else(|rule| fail(&format!("a line of metrics that CloudWatch does not take, {rule}: {line}")));
    for (name, unit) in &metrics {
        if !METRICS.iter().any(|known| known.name == name && known.unit.name() == unit) {
            fail(&format!("a metric that is not listed, {name} in {unit}: {line}"));
        }
    }
    let root: Value = serde_json::from_str(line).unwrap_or_default();
    for dimension in ["Stage", "Function", "View", "Tier"] {
        let word = root[dimension].as_str().unwrap_or("none");
        if !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
            fail(&format!("a dimension without bounds, {dimension}: {line}"));
        }
    }
    metrics.into_iter().map(|(name, _)| name).collect()
}

/// Log lines so far.
#[must_use]
pub fn log_lines() -> u64 {
    LOG_LINES.load(Ordering::Relaxed)
}

/// Ends the process. Written past the tests' own output, which is only shown for a test that fails.
fn fail(found: &str) -> ! {
    let _ = writeln!(io::stderr(), "\nwritten out by what is tested: {found}");
    std::process::exit(1)
}

/// What a line holds that must not be kept.
fn leak(line: &str) -> Option<&'static str> {
    let word = |c: char| c.is_ascii_alphanumeric() || "._%+-@".contains(c);
    let words = || line.split(|c| !word(c));
    if words().any(|word| word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))) {
        return Some("an e-mail address");
    }
    if words().any(|word| word.find("eyJ").is_some_and(|at| word.len() - at > 12)) || line.to_ascii_lowercase().contains("bearer ") {
        return Some("a token");
    }
    if line.match_indices('+').any(|(at, _)| is_number(&line[at + 1..])) {
        return Some("a phone number");
    }
    if SECRETS.iter().any(|secret| line.contains(secret)) {
        return Some("a secret");
    }
    let body = ["\\\"success\\\":", "\\\"object\\\":", "\\\"email\\\":", "\\\"contacts\\\":"];
    (PEOPLE.iter().any(|name| line.contains(name)) || body.iter().any(|key| line.contains(key))).then_some("a body")
}

/// Whether a text begins with seven digits, grouped or not.
fn is_number(text: &str) -> bool {
    let digits = text.chars().take_while(|c| c.is_ascii_digit() || " -()".contains(*c)).filter(char::is_ascii_digit);
    digits.count() >= 7
}

/// Takes whole lines of the subscriber.
struct Watcher;

impl io::Write for Watcher {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        log_line(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_leak_is_seen_and_nothing_else() {
        for (line, expected) in [
            ("to crew1@example.test", Some("an e-mail address")),
            ("x=eyJhbGciOiJIUzI1NiJ9.e30.c2ln", Some("a token")),
            ("authorization: Bearer x", Some("a token")),
            ("call +1 555 0100", Some("a phone number")),
            ("call +49-170-1234567", Some("a phone number")),
            ("key sk_test_1", Some("a secret")),
            ("signature t=1,v1=00", Some("a secret")),
            (r#"{"error":"{\"object\":\"event\"}"}"#, Some("a body")),
            ("Mara Quill", Some("a body")),
            (r#"{"message":"request refused","request_id":"0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01","status":404}"#, None),
            ("rev 1+2, a@b, in 2026-03-05T09:30:00+00:00", None),
        ] {
            assert_eq!(leak(line), expected, "{line}");
        }
    }
}

//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{Timestamp, UserId};
use store::import::OnError;

use crate::failure::Failure;
use crate::table::Place;

/// The API on a laptop: everything in one process, no account and no other server.
#[derive(Debug, Parser)]
#[command(name = "local", about, long_about = None)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub shared: Shared,
    /// Options of the server.
    #[command(flatten)]
    pub server: Server,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Args)]
pub struct Shared {
    /// Keep the table in this folder, which must exist; default: in memory
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "dynamodb")]
    pub data: Option<PathBuf>,
    /// Use the table of another server; it is created when absent
    #[arg(long, global = true, value_name = "URL", value_parser = url)]
    pub dynamodb: Option<String>,
    /// Stop the clock at this time; it governs everything, token expiry included
    #[arg(long, global = true, value_name = "RFC3339", value_parser = time)]
    pub now: Option<Timestamp>,
}

impl Shared {
    /// Which table is meant.
    #[must_use]
    pub fn place(&self) -> Place {
        match (&self.data, &self.dynamodb) {
            (Some(folder), _) => Place::Folder(folder.clone()),
            (None, Some(url)) => Place::Server(url.clone()),
            (None, None) => Place::Memory,
        }
    }
}

/// Options of the server.
#[derive(Debug, Args)]
pub struct Server {
    /// Port on 127.0.0.1; 0 takes a free one [default: 3000]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Use this cache, redis:// or rediss://; default: one in memory
    #[arg(long, value_name = "URL")]
    pub cache: Option<String>,
    /// Start without the demo account
    #[arg(long)]
    pub no_demo: bool,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load or migrate data (format: docs/import.md)
    Import {
        /// One JSON object a line
        file: PathBuf,
        /// With bad lines: write nothing, or put them aside in FILE.rejects.ndjson
        #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
        on_error: BadLines,
    },
    /// Print a JWT
    Token {
        /// Whose
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
        /// The user's address
        #[arg(long, value_name = "E")]
        email: Option<String>,
        /// How long it holds: a number of s, m, h or d
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = period)]
        expires_in: Duration,
    },
    /// Serve an embedded table alone, on a free port, to whatever speaks DynamoDB
    Table,
    /// Recompute a user's aggregates from contacts and jobs; print drift and repair it
    Rebuild {
        /// Whose
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
    },
    /// Fill the mirror from Stripe (STRIPE_SECRET_KEY): everything of each customer that the table knows
    StripeBackfill {
        /// Also of the customers that only Stripe knows
        #[arg(long)]
        all: bool,
    },
    /// Send an event of Stripe, signed, to a running server and print the answer
    StripeTrigger {
        /// Its name, such as customer.subscription.deleted
        event: String,
        /// Whom it is about
        #[arg(long, value_name = "ID", value_parser = user)]
        user: UserId,
        /// Where the server is
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000", value_parser = plain_url)]
        url: String,
    },
    /// Run an event of Stripe again that is in quarantine, when what was wrong is mended
    Reprocess {
        /// Stripe's id of it
        event: String,
    },
}

/// What an import does about bad lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BadLines {
    /// Write nothing.
    Stop,
    /// Put them aside.
    Skip,
}

impl From<BadLines> for OnError {
    fn from(what: BadLines) -> Self {
        match what {
            BadLines::Stop => Self::Stop,
            BadLines::Skip => Self::Skip,
        }
    }
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// This text.
    Help(String),
    /// A run.
    Run(Arguments),
}

/// Reads the command line.
///
/// # Errors
/// [`Failure::Usage`], one line, for anything that cannot be used.
pub fn parse(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Asked, Failure> {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => return Ok(Asked::Help(error.to_string())),
        Err(error) => return Err(Failure::Usage(one_line(&error.to_string()))),
    };
    let Server { port, cache, no_demo } = &arguments.server;
    let given = [("--port", port.is_some()), ("--cache", cache.is_some()), ("--no-demo", *no_demo)].into_iter().find(|(_, given)| *given);
    if let (Some(command), Some((option, _))) = (&arguments.command, given) {
        return Err(Failure::Usage(format!("{option} is of the server, not of {}", command.name())));
    }
    Ok(Asked::Run(arguments))
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Import { .. } => "import",
            Self::Token { .. } => "token",
            Self::Table => "table",
            Self::Rebuild { .. } => "rebuild",
            Self::StripeTrigger { .. } => "stripe-trigger",
            Self::Reprocess { .. } => "reprocess",
            Self::StripeBackfill { .. } => "stripe-backfill",
        }
    }
}

/// The first paragraph of clap's message without its label: what is wrong, not how to do it right.
fn one_line(message: &str) -> String {
    let lines = message.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").map(str::to_owned).unwrap_or(line)
}

fn url(text: &str) -> Result<String, String> {
    let url: http::Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(text.to_owned()),
        _ => Err("not an http:// or https:// URL".to_owned()),
    }
}

/// A server without TLS, as `local` is.
fn plain_url(text: &str) -> Result<String, String> {
    url(text).ok().filter(|url| url.starts_with("http://")).ok_or_else(|| "not an http:// URL".to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error: domain::InvalidTimestamp| error.to_string())
}

fn user(text: &str) -> Result<UserId, String> {
    UserId::parse(text).map_err(|error| error.to_string())
}

/// `90`, `90s`, `15m`, `24h`, `7d`: one second to ten years.
fn period(text: &str) -> Result<Duration, String> {
    const TEN_YEARS_S: u64 = 10 * 366 * 86_400;
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("not a number of s, m, h or d".to_owned()),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds) if (1..=TEN_YEARS_S).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("not between one second and ten years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("local").chain(line.split_whitespace()).map(Into::into);
        match parse(words) {
            Ok(Asked::Run(arguments)) => Ok(arguments),
            Ok(Asked::Help(text)) => panic!("help: {text}"),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn shared_options_stand_before_or_after_the_command() {
        for line in ["--data d --now 2026-03-05T09:30:00Z rebuild --user u", "rebuild --user u --now 2026-03-05T09:30:00Z --data d"] {
            let arguments = parsed(line).unwrap();
            assert_eq!(arguments.shared.place(), Place::Folder("d".into()), "{line}");
            assert_eq!(arguments.shared.now.unwrap().to_string(), "2026-03-05T09:30:00.000Z");
        }
        assert_eq!(parsed("--dynamodb http://127.0.0.1:8000").unwrap().shared.place(), Place::Server("http://127.0.0.1:8000".into()));
        assert_eq!(parsed("").unwrap().shared.place(), Place::Memory);
    }

    #[test]
    fn what_cannot_be_used_is_one_line() {
        for (line, text) in [
            ("--nope", "unexpected argument '--nope' found"),
            ("--port x", "invalid value 'x' for '--port <PORT>': invalid digit found in string"),
            ("--port 70000", "invalid value '70000' for '--port <PORT>': 70000 is not in 0..=65535"),
            ("--now yesterday", "invalid value 'yesterday' for '--now <RFC3339>': not a time between 1970 and 9999 in RFC 3339 form"),
            ("--dynamodb x", "invalid value 'x' for '--dynamodb <URL>': not an http:// or https:// URL"),
            ("--data a --dynamodb http://h", "the argument '--data <DIR>' cannot be used with '--dynamodb <URL>'"),
            ("token", "the following required arguments were not provided: --user <ID>"),
            ("token --user a/b", "invalid value 'a/b' for '--user <ID>': not a valid user id"),
            ("token --user u --expires-in 0", "invalid value '0' for '--expires-in <TIME>': not between one second and ten years"),
            ("token --user u --expires-in 5w", "invalid value '5w' for '--expires-in <TIME>': not a number of s, m, h or d"),
            ("import f --on-error maybe", "invalid value 'maybe' for '--on-error <WHAT>' [possible values: stop, skip]"),
            ("--port 4000 token --user u", "--port is of the server, not of token"),
            ("frobnicate", "unrecognized subcommand 'frobnicate'"),
        ] {
            assert_eq!(parsed(line).unwrap_err(), text, "{line}");
        }
    }

    #[test]
    fn periods_have_units() {
        assert_eq!(["90", "15m", "24h", "7d"].map(|text| period(text).unwrap().as_secs()), [90, 900, 86_400, 604_800]);
        assert!(period("99999999999999999999").is_err() && period("-1").is_err() && period("").is_err());
    }
}

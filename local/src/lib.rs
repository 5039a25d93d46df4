//! The API on a laptop: a gateway that speaks API Gateway's events, an embedded table with its stream, and the commands beside the server.
//!
//! The tests use the same gateway, table and stream.

mod billing;
mod calls;
mod cli;
mod demo;
mod docs;
pub mod downloads;
pub mod embedded;
mod failure;
pub mod fake_stripe;
pub mod functions;
pub mod gateway;
mod import;
mod serve;
pub mod server;
mod settings;
pub mod stream;
pub mod table;
mod token;
mod trigger;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::{Arguments, Asked, Command};
use failure::Failure;
use store::Table;
use table::{Opened, Place};

/// What is logged without `LOG_LEVEL`. The embedded server warns of every call that it refuses, also of those that are no fault: is there a table?
const LOG_LEVEL: &str = "warn,dynoxide=error";

pub use settings::{DEVELOPMENT_SECRET, DEVELOPMENT_WEBHOOK_SECRET};

/// Runs the command line: everything that the binary does.
#[must_use]
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = cli::parse(words).and_then(|asked| match asked {
        Asked::Help(text) => {
            print!("{text}");
            Ok(())
        }
        Asked::Run(arguments) => run(&arguments),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                eprintln!("local: {text}");
            }
            failure.code()
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOG_LEVEL));
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::of(&error))?;
    runtime.block_on(command(arguments))
}

async fn command(arguments: &Arguments) -> Result<(), Failure> {
    let shared = &arguments.shared;
    let now = settings::clock(shared.now).now();
    match &arguments.command {
        None => serve::serve(&arguments.server, shared).await,
        Some(Command::Token { user, email, expires_in }) => {
            println!("{}", token::token(user, email.as_deref(), now, *expires_in)?);
            Ok(())
        }
        Some(Command::Import { file, on_error }) => {
            let (_running, table) = lasting_table(&shared.place(), "import").await?;
            import::import(&table, file, (*on_error).into(), now).await
        }
        Some(Command::Table) => serve::table(&shared.place()).await,
        Some(Command::Rebuild { user }) => {
            let (_running, table) = lasting_table(&shared.place(), "rebuild").await?;
            let rebuilt = table.rebuild(user, now).await.map_err(|error| Failure::of(&error))?;
            for difference in &rebuilt.differences {
                println!("{difference}");
            }
            let found = if rebuilt.differences.is_empty() { "no difference" } else { "repaired" };
            println!("{user}: {found}, rev {}", rebuilt.rev);
            Ok(())
        }
        Some(Command::StripeBackfill { all }) => {
            let (_running, table) = lasting_table(&shared.place(), "stripe-backfill").await?;
            billing::backfill(table, settings::clock(shared.now), *all).await
        }
        Some(Command::StripeTrigger { event, user, url }) => trigger::trigger(event, user, url, now).await,
        Some(Command::Reprocess { event }) => {
            let (_running, table) = lasting_table(&shared.place(), "reprocess").await?;
            billing::reprocess(table, settings::clock(shared.now), event).await
        }
    }
}

/// A table that is still there when the command has ended.
async fn lasting_table(place: &Place, command: &str) -> Result<(Opened, Table), Failure> {
    if *place == Place::Memory {
        return Err(Failure::Usage(format!("{command} needs --data DIR or --dynamodb URL: a table in memory ends with the command")));
    }
    let opened = place.open(&settings::lookup).map_err(|error| Failure::Usage(failure::causes(&error)))?;
    let table = opened.table(None);
    // A table of AWS is there, or its name is wrong: an empty one under that name would look like an account without data.
    if !place.is_aws() {
        table.create_if_absent().await.map_err(|error| Failure::of(&error))?;
    }
    Ok((opened, table))
}

//! What the numbers in the documentation are based on.
//!
//! `cargo run --profile bench -p bench -- million [--contacts N]`, `.. -- contacts [--sizes N,N]`, `.. -- instructions`

mod contacts;
mod figures;
mod generate;
mod instructions;
mod load;
mod memory;
mod million;
mod process;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures what the documentation claims")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Imports one large account to disk and reads and changes it.
    Million {
        /// Contacts of the account.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
        contacts: u64,
    },
    /// Lists, searches, sorts and exports accounts of several sizes.
    Contacts {
        /// Contacts of each account.
        #[arg(long, value_delimiter = ',', default_value = "10,1000,100000,200000,1000000")]
        sizes: Vec<u64>,
    },
    /// Counts the instructions of a cached request of the dashboard.
    Instructions {
        /// Requests that are counted.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        requests: u32,
        /// Where callgrind's profile stays, for callgrind_annotate.
        #[arg(long)]
        profile: Option<std::path::PathBuf>,
    },
    /// What `instructions` watches.
    #[command(hide = true)]
    CachedRequests {
        /// Where the cache is.
        #[arg(long)]
        cache: String,
        /// Requests that are counted.
        #[arg(long)]
        requests: u32,
    },
    /// What `contacts` starts to see how much memory some requests take.
    #[command(hide = true)]
    Memory {
        /// Where the table is.
        #[arg(long)]
        endpoint: String,
        /// Who asks.
        #[arg(long)]
        user: String,
        /// What time it is, in milliseconds.
        #[arg(long)]
        now_ms: i64,
        /// What is asked for.
        paths: Vec<String>,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.command {
        Command::Million { contacts } => runtime.block_on(million::run(contacts)),
        Command::Contacts { sizes } => runtime.block_on(contacts::run(&sizes)),
        Command::Instructions { requests, profile } => runtime.block_on(instructions::run(requests, profile)),
        Command::CachedRequests { cache, requests } => instructions::cached_requests(&cache, requests),
        Command::Memory { endpoint, user, now_ms, paths } => runtime.block_on(memory::run(&endpoint, &user, now_ms, &paths)),
    }
}

//! What the numbers in the documentation are based on.
//!
//! `cargo run --profile bench -p bench -- million [--contacts N]`, `.. -- contacts [--sizes N,N]`

mod contacts;
mod figures;
mod generate;
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
        Command::Memory { endpoint, user, now_ms, paths } => runtime.block_on(memory::run(&endpoint, &user, now_ms, &paths)),
    }
}

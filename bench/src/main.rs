//! What the numbers in the documentation are based on.
//!
//! `cargo run --release -p bench -- million [--contacts N]`, `.. -- contacts [--sizes N,N]`

mod contacts;
mod generate;
mod million;

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
    /// Lists, searches and sorts accounts of several sizes.
    Contacts {
        /// Contacts of each account.
        #[arg(long, value_delimiter = ',', default_value = "10,1000,100000,200000,1000000")]
        sizes: Vec<u64>,
    },
    /// What `contacts` starts to see how much memory that takes.
    #[command(hide = true)]
    ContactsMemory {
        /// Where the table is.
        #[arg(long)]
        endpoint: String,
        /// Contacts of the account.
        #[arg(long)]
        contacts: u64,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.command {
        Command::Million { contacts } => runtime.block_on(million::run(contacts)),
        Command::Contacts { sizes } => runtime.block_on(contacts::run(&sizes)),
        Command::ContactsMemory { endpoint, contacts } => runtime.block_on(contacts::memory(&endpoint, contacts)),
    }
}

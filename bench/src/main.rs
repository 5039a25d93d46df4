//! What the numbers in the documentation are based on.
//!
//! `cargo run --release -p bench -- million [--contacts N]`

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
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.command {
        Command::Million { contacts } => runtime.block_on(million::run(contacts)),
    }
}

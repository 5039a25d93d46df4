//! Commands about Stripe's state in a table.

use std::sync::Arc;

use app::{App, Backfill, Clock, KeptLetters, Parts, Reprocessed};
use cache::Coherent;
use store::Table;

use crate::failure::Failure;
use crate::settings;

/// Runs an event again that is in quarantine, and prints what became of it.
///
/// # Errors
/// [`Failure::Failed`] when it is not there, still cannot be applied, or the table fails.
pub async fn reprocess(table: Table, clock: Clock, event: &str) -> Result<(), Failure> {
    match app(table, clock)?.reprocess(event).await.map_err(|error| Failure::of(&*error))? {
        Reprocessed::Done(settled) => {
            println!("{event}: {}", settled.message);
            Ok(())
        }
        Reprocessed::Kept(reason) => Err(Failure::Failed(format!("{event} stays in quarantine: {reason}"))),
        Reprocessed::NotThere => Err(Failure::Failed(format!("{event} is not in quarantine"))),
    }
}

/// Takes everything of the customers over from Stripe, and prints how much the mirror showed otherwise.
///
/// # Errors
/// [`Failure::Usage`] without a key; [`Failure::Failed`] when Stripe or the table fails, [`Failure::Said`] when a customer does.
pub async fn backfill(table: Table, clock: Clock, all: bool) -> Result<(), Failure> {
    let client = settings::stripe_client()?.ok_or_else(|| Failure::Usage("STRIPE_SECRET_KEY: is not set".to_owned()))?;
    let app = app(table, clock)?.with_stripe_client(client);
    let whose = if all { Backfill::All } else { Backfill::Known };
    let done = app.backfill(whose).await.map_err(|error| Failure::of(&*error))?;
    for (customer, reason) in &done.failed {
        eprintln!("local: {customer}: {reason}");
    }
    println!("{} customers, {} objects changed, {} customers failed", done.customers, done.changed, done.failed.len());
    if done.failed.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// An app on a table, without a cache: what it changes is told to the cache by the table's stream.
fn app(table: Table, clock: Clock) -> Result<App, Failure> {
    let (edge, stripe) = (settings::edge()?, settings::stripe()?);
    let parts = Parts { table, cache: Coherent::off(), edge, clock, dead_letters: Arc::new(KeptLetters::default()) };
    Ok(App::from_parts(parts).with_stripe(stripe))
}

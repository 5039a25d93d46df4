//! Lambda entry point.

use std::sync::Arc;

fn main() -> Result<(), app::BoxError> {
    let queue = dead_letters::Queue::from_lookup(&|name| std::env::var(name).ok())?;
    app::consume(env!("CARGO_PKG_NAME"), Arc::new(queue), |app, batch| Box::pin(on_table_stream::handle(app, batch)))
}

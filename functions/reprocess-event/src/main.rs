//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::run_job(env!("CARGO_PKG_NAME"), |app, event, until| Box::pin(reprocess_event::handle(app, event, until)))
}

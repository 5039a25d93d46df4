//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::run_job(|app, event, until| Box::pin(reprocess_event::handle(app, event, until)))
}

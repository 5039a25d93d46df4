//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::run_job_with_stripe(env!("CARGO_PKG_NAME"), |app, event, until| Box::pin(reconcile_stripe::handle(app, event, until)))
}

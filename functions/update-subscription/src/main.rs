//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve_billing(|app, request| Box::pin(update_subscription::handle(app, request)))
}

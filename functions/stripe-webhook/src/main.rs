//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve_webhook(|app, request| Box::pin(stripe_webhook::handle(app, request)))
}

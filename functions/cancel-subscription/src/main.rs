//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve_billing(|app, request| Box::pin(cancel_subscription::handle(app, request)))
}

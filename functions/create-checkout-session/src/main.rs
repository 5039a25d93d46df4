//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve_billing(|app, request| Box::pin(create_checkout_session::handle(app, request)))
}

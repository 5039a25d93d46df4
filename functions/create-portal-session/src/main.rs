//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve_billing(|app, request| Box::pin(create_portal_session::handle(app, request)))
}

//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve(|app, request| Box::pin(warm_session::handle(app, request)))
}

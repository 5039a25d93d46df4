//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve(|app, request| Box::pin(fallback::handle(app, request)))
}

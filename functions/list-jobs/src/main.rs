//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve(|app, request| Box::pin(list_jobs::handle(app, request)))
}

//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve(|app, request| Box::pin(can_upload::handle(app, request)))
}

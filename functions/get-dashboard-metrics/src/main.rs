//! Lambda entry point.

fn main() -> Result<(), app::BoxError> {
    app::serve(|app, request| Box::pin(get_dashboard_metrics::handle(app, request)))
}

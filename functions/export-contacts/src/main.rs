//! Lambda entry point.

use std::sync::Arc;

fn main() -> Result<(), app::BoxError> {
    let bucket = export_contacts::Bucket::from_lookup(&|name| std::env::var(name).ok())?;
    app::serve_exports(Arc::new(bucket), |app, request| Box::pin(export_contacts::handle(app, request)))
}

//! Lambda entry point.

use std::sync::Arc;

fn main() -> Result<(), app::BoxError> {
    let provider = refresh_jwks::Provider::from_lookup(&|name| std::env::var(name).ok())?;
    app::publish_keys(Arc::new(provider))
}

//! Warming: what the first page after a sign-in will ask for.

use std::time::Duration;

use domain::views;
use web::{ApiError, Caller, Request};

use crate::cached::{Loaded, View};
use crate::errors::of_store;
use crate::reads::alive;
use crate::{App, body};

/// Time that warming may take.
const BUDGET: Duration = Duration::from_millis(50);

impl App {
    /// Loads the caller's dashboard and contact statistics into the cache, as far as the time allows.
    ///
    /// # Errors
    /// `401` without a caller; failing to warm is none.
    pub async fn warm(&self, request: &Request) -> Result<(), ApiError> {
        let user = &Caller::of(request)?.user;
        let dashboard = self.warmed(request, View::dashboard("dashboard-data"), || async {
            let root = self.root(user).await?;
            let plans = self.plans(request.now()).await;
            Ok(Loaded::new(root.rev, body::data(&views::dashboard(user, &root, &plans, request.now()))))
        });
        let stats = self.warmed(request, View::stats("contact-stats"), || async {
            let found = self.table.stats(user).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            Ok(Loaded::new(found.rev, body::data(&views::contact_stats(&found.value, request.now()))).cacheable(found.settled))
        });
        match tokio::time::timeout(BUDGET, futures::future::join(dashboard, stats)).await {
            Ok((Ok(()), Ok(()))) => {}
            _ => tracing::info!("warming did not come to its end"),
        }
        Ok(())
    }
}

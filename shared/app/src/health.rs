//! Alive, and ready.

use std::time::Duration;

use web::{Request, Response};

use crate::{App, body};

/// Time that the table has to answer.
const READY_WITHIN: Duration = Duration::from_secs(1);

impl App {
    /// Says that the process runs.
    #[must_use]
    pub fn alive(&self, request: &Request) -> Response {
        Response::json(200, body::alive(request.now()))
    }

    /// Says whether the table answers.
    pub async fn ready(&self, _request: &Request) -> Response {
        let ready = matches!(tokio::time::timeout(READY_WITHIN, self.table.ping()).await, Ok(Ok(())));
        Response::json(if ready { 200 } else { 503 }, body::health(ready))
    }
}

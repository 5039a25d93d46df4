//! The table's stream, from the commits themselves: what a transaction wrote is delivered to its consumers as DynamoDB's stream would.
//!
//! At least once, in order, repeated until acknowledged. The embedded server has a stream of its own, which makes every write slower
//! the more records it keeps; so the client's HTTP layer takes the records from the requests that succeed.

mod record;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use app::{App, Clock, StreamHandler};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, watch};

use record::{Before, Filter, Write, record, writes};

/// Records that wait. A writer waits too when there are more.
const WAITING_MAX: usize = 10_000;
/// As the template's `BatchSize`.
const BATCH_MAX: usize = 100;
const RETRY_DELAY_MIN: Duration = Duration::from_millis(20);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(2);
const COMMIT: &str = "DynamoDB_20120810.TransactWriteItems";

/// The end that commits are told to.
#[derive(Clone)]
pub struct Feed(Arc<Told>);

struct Told {
    table: String,
    clock: Clock,
    /// Where an item's old image is looked up; without it records have none.
    database: Option<Database>,
    outlets: Vec<Outlet>,
    waiting: watch::Sender<usize>,
    /// The number of the next record, held while a commit runs: so records are in the order of the commits.
    next: Mutex<u64>,
}

/// Where records of one consumer go.
struct Outlet {
    filter: Filter,
    records: mpsc::Sender<Value>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("table", &self.0.table).finish_non_exhaustive()
    }
}

/// The end that delivers.
#[derive(Debug)]
pub struct Delivery {
    records: mpsc::Receiver<Value>,
    waiting: watch::Sender<usize>,
}

/// A stream of a table, with a delivery for each of the functions that consume it.
#[must_use]
pub fn stream(table: &str, database: Option<Database>, clock: Clock, functions: &[&str]) -> (Feed, Vec<Delivery>) {
    let waiting = watch::Sender::new(0);
    let (mut outlets, mut deliveries) = (Vec::new(), Vec::new());
    for function in functions {
        let (sender, records) = mpsc::channel(WAITING_MAX);
        outlets.push(Outlet { filter: Filter::of_template(function), records: sender });
        deliveries.push(Delivery { records, waiting: waiting.clone() });
    }
    let told = Told { table: table.to_owned(), clock, database, outlets, waiting, next: Mutex::new(0) };
    (Feed(Arc::new(told)), deliveries)
}

impl Feed {
    /// A client that tells of the commits that go through it.
    #[must_use]
    pub fn observe(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let feed = self.clone();
        http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Observer { inner, feed: feed.clone() })
        })
    }

    /// Waits until every record is acknowledged.
    pub async fn settled(&self) {
        let mut waiting = self.0.waiting.subscribe();
        let _ = waiting.wait_for(|waiting| *waiting == 0).await;
    }

    /// The admitted items that a commit writes; nothing for other requests.
    fn admitted(&self, request: &HttpRequest) -> Vec<Write> {
        if request.headers().get("x-amz-target") != Some(COMMIT) {
            return Vec::new();
        }
        let body = request.body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        writes(&body).into_iter().filter(|write| self.0.outlets.iter().any(|outlet| outlet.filter.admits(write))).collect()
    }

    fn before(&self, write: &Write) -> Before {
        let Some(database) = self.0.database.as_ref() else { return Before::Unknown };
        let request = json!({"TableName": self.0.table, "Key": write.keys});
        let found = serde_json::from_value(request).ok().and_then(|request| database.get_item(request).ok());
        match found.map(|found| found.item) {
            None => Before::Unknown,
            Some(None) => Before::Nothing,
            Some(Some(item)) => serde_json::to_value(item).map_or(Before::Unknown, Before::Image),
        }
    }

    async fn tell(&self, writes: Vec<(Write, Before)>, next: &mut u64) {
        for (write, before) in writes {
            let outlets: Vec<_> = self.0.outlets.iter().filter(|outlet| outlet.filter.admits(&write)).collect();
            let Some(record) = record(&self.0.table, write, before, *next, self.0.clock.now()) else { continue };
            *next += 1;
            for outlet in outlets {
                self.0.waiting.send_modify(|waiting| *waiting += 1);
                if outlet.records.send(record.clone()).await.is_err() {
                    // Nobody delivers any more: the process is about to end.
                    self.0.waiting.send_modify(|waiting| *waiting -= 1);
                }
            }
        }
    }
}

/// A connector that sees every request and whether it succeeded.
#[derive(Debug)]
struct Observer {
    inner: SharedHttpConnector,
    feed: Feed,
}

impl HttpConnector for Observer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let writes = self.feed.admitted(&request);
        if writes.is_empty() {
            return self.inner.call(request);
        }
        let (inner, feed) = (self.inner.clone(), self.feed.clone());
        // A task of its own: the caller may give up on a commit that succeeds, and its record must come all the same.
        let commit = tokio::spawn(async move {
            let mut next = feed.0.next.lock().await;
            let writes = writes.into_iter().map(|write| (feed.before(&write), write)).map(|(before, write)| (write, before)).collect();
            let response = inner.call(request).await?;
            if response.status().is_success() {
                feed.tell(writes, &mut next).await;
            }
            Ok(response)
        });
        HttpConnectorFuture::new(async move { commit.await.unwrap_or_else(|error| Err(ConnectorError::other(error.into(), None))) })
    }
}

impl Delivery {
    /// Delivers to the consumer `name` until the feed is gone.
    pub async fn run(mut self, app: Arc<App>, name: &str, handler: StreamHandler) {
        let mut batch: VecDeque<Value> = VecDeque::new();
        let mut delay = RETRY_DELAY_MIN;
        loop {
            if batch.is_empty() {
                let mut next = Vec::new();
                if self.records.recv_many(&mut next, BATCH_MAX).await == 0 {
                    return;
                }
                batch.extend(next);
            }
            let acknowledged = acknowledged(&app, name, handler, &batch).await;
            self.waiting.send_modify(|waiting| *waiting -= acknowledged);
            batch.drain(..acknowledged);
            if batch.is_empty() || acknowledged > 0 {
                delay = RETRY_DELAY_MIN;
                continue;
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(RETRY_DELAY_MAX);
        }
    }
}

/// How many records, from the first, need not come again: those before the first that failed.
async fn acknowledged(app: &App, name: &str, handler: StreamHandler, batch: &VecDeque<Value>) -> usize {
    let event = serde_json::from_value(json!({"Records": batch}));
    let response = match event {
        Ok(event) => app::take_stream(app, name, event, handler).await,
        Err(error) => Err(error.into()),
    };
    match response {
        Ok(response) => {
            let failed: Vec<_> = response.batch_item_failures.into_iter().filter_map(|failure| failure.item_identifier).collect();
            let first = batch.iter().position(|record| failed.iter().any(|number| record["dynamodb"]["SequenceNumber"] == number.as_str()));
            first.unwrap_or(batch.len())
        }
        Err(error) => {
            tracing::error!(error = %error, "the stream's consumer failed: the batch comes again");
            0
        }
    }
}

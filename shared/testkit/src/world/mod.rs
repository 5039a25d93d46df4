//! A whole API in process, with everything about it under the test's control.

mod build;
mod client;
mod tamper;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use app::{App, Clock, KeptLetters};
use domain::Timestamp;
use http::header::CONTENT_TYPE;
use local::embedded::Embedded;
use local::fake_stripe::FakeStripe;
use local::gateway::Gateway;
use local::stream::Feed;
use serde_json::Value;
use store::Table;
use store::import::{OnError, Silent};
use store::meter::Reading;

pub use build::OLD_WEBHOOK_SECRET;
pub(crate) use build::edge;
pub use client::Client;

use crate::faults::Faults;
use crate::online::Online;
use crate::policies::{Policies, acting_as};
use crate::reply::Reply;
use crate::seed::Seed;
use crate::tokens::{claims_at, sign};

pub(crate) const TABLE: &str = "callsheets";
/// Who asks unless told otherwise.
const USER: &str = "u1";

/// A whole API in process.
#[derive(Debug)]
pub struct World {
    gateway: Gateway,
    clock: Clock,
    faults: Faults,
    policies: Policies,
    feed: Feed,
    letters: Arc<KeptLetters>,
    embedded: Embedded,
    metrics: Arc<Mutex<Vec<String>>>,
    stripe: FakeStripe,
}

impl World {
    /// Imports an account. Each seed is a file of its own: ids of different users may be the same.
    pub async fn import(&self, seed: &Seed) {
        self.import_lines(&seed.ndjson()).await;
    }

    /// Imports lines of the import format.
    pub async fn import_lines(&self, lines: &str) {
        import_lines(self.table(), lines, self.clock.now()).await;
    }

    /// Waits until the stream has delivered everything.
    pub async fn settled(&self) {
        self.feed.settled().await;
    }

    /// The lines of metrics so far.
    #[must_use]
    pub fn metrics(&self) -> Vec<String> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The app.
    #[must_use]
    pub fn app(&self) -> &App {
        self.gateway.app()
    }

    /// The table that the app uses, faults included.
    #[must_use]
    pub fn table(&self) -> &Table {
        self.app().table()
    }

    /// Gives a function an event as JSON, whatever its route.
    pub async fn invoke(&self, function: &str, event: &str) -> Reply {
        let response = acting_as(function, self.gateway.invoke(function, event)).await.expect("an event and an answer that can be read");
        Reply::new(function.to_owned(), response)
    }

    /// What the functions may ask of the table, and did.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Faults of the table.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Stripe, as this world has it. Its events reach nobody before [`World::online`].
    #[must_use]
    pub fn stripe(&self) -> &FakeStripe {
        &self.stripe
    }

    /// Serves over HTTP, so that Stripe's events come in.
    pub async fn online(&self) -> Online<'_> {
        Online::of(self, self.gateway.clone()).await
    }

    /// What a recount of a user finds wrong.
    pub async fn drift(&self, user: &str) -> Vec<String> {
        let user = domain::UserId::parse(user).expect("a good id");
        self.table().rebuild(&user, self.clock.now()).await.expect("the table answers").differences
    }

    /// What the stream's consumer rejected.
    #[must_use]
    pub fn letters(&self) -> &KeptLetters {
        &self.letters
    }

    /// Makes the table unreachable, or reachable again.
    pub fn table_down(&self, down: bool) {
        self.faults.down(down);
    }

    /// Sets the clock.
    pub fn set_now(&self, now: &str) {
        self.clock.set(now.parse().expect("a time in RFC 3339 form"));
    }

    /// Where the table is, for another process.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.embedded.endpoint()
    }

    /// What was asked of the table so far.
    #[must_use]
    pub fn meter(&self) -> Reading {
        self.table().meter().read()
    }

    /// A user with a good token.
    #[must_use]
    pub fn as_user(&self, user: &str) -> Client<'_> {
        self.with_token(&sign(&claims_at(user, self.clock.now())))
    }

    /// The header of a user's good token.
    pub(crate) fn authorization(&self, user: &str) -> String {
        format!("Bearer {}", sign(&claims_at(user, self.clock.now())))
    }

    /// Somebody without a token.
    #[must_use]
    pub fn anonymous(&self) -> Client<'_> {
        Client::new(self, None)
    }

    /// Somebody with any token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Client<'_> {
        Client::new(self, Some(format!("Bearer {token}")))
    }

    /// Asks as user `u1`.
    pub async fn get(&self, path: &str) -> Reply {
        self.as_user(USER).get(path).await
    }

    /// Deletes as user `u1`.
    pub async fn delete(&self, path: &str) -> Reply {
        self.as_user(USER).delete(path).await
    }

    /// Sends JSON as user `u1`.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.as_user(USER).post(path, body).await
    }

    /// Sends any body as user `u1`.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: &[u8]) -> Reply {
        self.as_user(USER).send("POST", path, &[(CONTENT_TYPE.as_str(), content_type)], body).await
    }

    /// Sends anything as user `u1`.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.as_user(USER).send(method, path, headers, body).await
    }
}

/// Imports an account.
async fn import_lines(table: &Table, lines: &str, now: Timestamp) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(lines.as_bytes()).expect("a temporary file");
    let report = store::import::import(table, file.path(), OnError::Stop, now, &mut Silent).await.expect("the table answers");
    assert!(!report.stopped, "bad seed: {:?}", report.bad_lines);
}

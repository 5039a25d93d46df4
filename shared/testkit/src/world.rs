//! A whole API in process, with everything about it under the test's control.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::metrics::Metrics;
use app::{App, AppUrl, Auditor, Clock, Downloads, KeptLetters, Parts, StripeConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use cache::Coherent;
use domain::Timestamp;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use local::downloads::Shelf;
use local::embedded::Embedded;
use local::fake_stripe::FakeStripe;
use local::gateway::Gateway;
use local::stream::Feed;
use serde_json::Value;
use store::import::{OnError, Silent};
use store::meter::Reading;
use store::{Table, TableConfig};
use web::edge::EdgeConfig;

use crate::faults::Faults;
use crate::online::Online;
use crate::policies::{Policies, acting_as};
use crate::reply::Reply;
use crate::seed::{NOW, Seed};
use crate::tokens::{claims_at, sign};
use crate::watch;

pub(crate) const TABLE: &str = "callsheets";
/// Where the worlds' app is.
const APP_URL: &str = "https://app.example.test";
/// A second signing secret that worlds accept, beside the one of `local`.
pub const OLD_WEBHOOK_SECRET: &str = "whsec_before_the_rotation";
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
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

/// What is about a world beside its table and cache.
struct Around {
    /// `on` or `off`: the contract's rate limits.
    limits: &'static str,
    /// One of so many hits that the auditor looks behind.
    audited: u64,
    /// Who gets the table's stream.
    consumers: &'static [&'static str],
    /// A Stripe to ask.
    stripe: Option<stripe_client::Client>,
    /// Whether Stripe's events are of live mode.
    live: bool,
    /// Where large files go; nothing for the gateway's own shelf.
    downloads: Option<Arc<dyn Downloads>>,
}

impl Default for Around {
    fn default() -> Self {
        Self { limits: "off", audited: 0, consumers: &["on-table-stream"], stripe: None, live: false, downloads: None }
    }
}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    world: &'a World,
    authorization: Option<String>,
    address: IpAddr,
}

impl World {
    /// A world without any account.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A world with accounts and a memory cache.
    pub async fn with(seeds: &[Seed]) -> Self {
        Self::with_cache(Coherent::memory(cache::Settings::default()), seeds).await
    }

    /// A world in which every read goes to the table.
    pub async fn with_cache_off(seeds: &[Seed]) -> Self {
        Self::with_cache(Coherent::off(), seeds).await
    }

    /// A world with a cache of the test's choice.
    pub async fn with_cache(cache: Coherent, seeds: &[Seed]) -> Self {
        Self::build(cache, Around::default(), seeds).await
    }

    /// A world with a cache of the test's choice that keeps the contract's rate limits.
    pub async fn with_limits(cache: Coherent, seeds: &[Seed]) -> Self {
        Self::build(cache, Around { limits: "on", ..Around::default() }, seeds).await
    }

    /// A world with a memory cache, one of so many of whose hits the auditor looks behind.
    pub async fn with_auditor(one_in: u64, seeds: &[Seed]) -> Self {
        let around = Around { audited: one_in, ..Around::default() };
        Self::build(Coherent::memory(cache::Settings::default()), around, seeds).await
    }

    /// A world that asks a Stripe for what its stream marks.
    pub async fn with_stripe(seeds: &[Seed], stripe: stripe_client::Client) -> Self {
        let around = Around { consumers: &["on-table-stream", "on-stripe-refetch"], stripe: Some(stripe), ..Around::default() };
        Self::build(Coherent::memory(cache::Settings::default()), around, seeds).await
    }

    /// A world that has a Stripe, and asks it only when the test says so.
    pub async fn with_idle_stripe(seeds: &[Seed], stripe: stripe_client::Client) -> Self {
        let around = Around { stripe: Some(stripe), ..Around::default() };
        Self::build(Coherent::memory(cache::Settings::default()), around, seeds).await
    }

    /// A world in Stripe's live mode.
    pub async fn with_live_stripe(seeds: &[Seed]) -> Self {
        let around = Around { live: true, ..Around::default() };
        Self::build(Coherent::memory(cache::Settings::default()), around, seeds).await
    }

    /// A world whose large files go to a place of the test's choice.
    pub async fn with_downloads(downloads: Arc<dyn Downloads>, seeds: &[Seed]) -> Self {
        let around = Around { downloads: Some(downloads), ..Around::default() };
        Self::build(Coherent::memory(cache::Settings::default()), around, seeds).await
    }

    async fn build(cache: Coherent, around: Around, seeds: &[Seed]) -> Self {
        watch::start();
        let consumers = around.consumers;
        let embedded = Embedded::memory().expect("a free port and a thread");
        let clock = Clock::frozen(NOW.parse().expect("a constant in the right form"));
        let faults = Faults::default();
        let (feed, deliveries) = local::stream::stream(TABLE, Some(embedded.database().clone()), clock.clone(), consumers);
        let config = TableConfig::local(TABLE, embedded.endpoint());
        let policies = Policies::of_template(local::gateway::TEMPLATE);
        let http = policies.wrap(faults.wrap(feed.observe(local::table::http_client())));
        let client = config.client_config().http_client(http).build();
        let table = Table::with_client(aws_sdk_dynamodb::Client::from_conf(client), TABLE.to_owned());
        table.create_if_absent().await.expect("the table");
        let letters = Arc::new(KeptLetters::default());
        let app = App::from_parts(Parts { table, cache, edge: edge(around.limits), clock: clock.clone(), dead_letters: letters.clone() });
        let metrics = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&metrics);
        let sink = move |line: &str| {
            watch::metric_line(line);
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        };
        let app = app.with_metrics(Metrics::to("test", Arc::new(sink))).with_auditor(Auditor::one_in(around.audited));
        let shelf = Arc::new(Shelf::new("http://localhost:3000", clock.clone()).expect("a temporary folder"));
        let stripe = FakeStripe::start(clock.clone()).await.expect("a free port");
        let url = AppUrl::from_lookup(&|_| Some(APP_URL.to_owned())).expect("a constant in the right form");
        let calls = around.stripe.unwrap_or_else(|| client_of(&stripe));
        let app = app.with_stripe(webhook(around.live)).with_downloads(around.downloads.unwrap_or_else(|| shelf.clone()));
        let app = Arc::new(app.with_stripe_client(calls).with_app_url(url));
        for (delivery, name) in deliveries.into_iter().zip(consumers) {
            let (name, handler) = local::functions::STREAM_CONSUMERS.iter().find(|(known, _)| known == name).expect("a consumer");
            tokio::spawn(acting_as(name, delivery.run(Arc::clone(&app), name, *handler)));
        }
        let gateway = Gateway::new(app).expect("every function is wired").with_shelf(shelf);
        let world = Self { gateway, clock, faults, policies, feed, letters, embedded, metrics, stripe };
        for seed in seeds {
            world.import(seed).await;
        }
        world.settled().await;
        world.app().load().await;
        world
    }

    /// Imports an account. Each seed is a file of its own: ids of different users may be the same.
    pub async fn import(&self, seed: &Seed) {
        self.import_lines(&seed.ndjson()).await;
    }

    /// Imports lines of the import format.
    pub async fn import_lines(&self, lines: &str) {
        import_lines(self.table(), lines, self.clock.now()).await;
    }

    /// Puts an item in the place of another that does not decode.
    pub async fn damage(&self, pk: &str, sk: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = [("pk", pk), ("sk", sk), ("body", "{")].into_iter();
        let put = put.fold(self.past_the_app().put_item().table_name(TABLE), |put, (name, value)| put.item(name, text(value)));
        put.send().await.expect("the table answers");
    }

    /// Removes an item, which the app itself never does.
    pub async fn remove(&self, pk: &str, sk: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let delete = self.past_the_app().delete_item().table_name(TABLE).key("pk", text(pk)).key("sk", text(sk));
        delete.send().await.expect("the table answers");
    }

    /// Writes another text in the place of one in an item's body, which must have it.
    pub async fn rewrite(&self, pk: &str, sk: &str, from: &str, to: &str) {
        let client = self.past_the_app();
        let get = client.get_item().table_name(TABLE).key("pk", AttributeValue::S(pk.into())).key("sk", AttributeValue::S(sk.into()));
        let mut item = get.send().await.expect("the table answers").item.expect("the item is there");
        let body = item["body"].as_s().expect("a body").clone();
        assert!(body.contains(from), "{from} is not in {body}");
        item.insert("body".into(), AttributeValue::S(body.replacen(from, to, 1)));
        client.put_item().table_name(TABLE).set_item(Some(item)).send().await.expect("the table answers");
    }

    /// A client of the table without faults and without a stream.
    fn past_the_app(&self) -> aws_sdk_dynamodb::Client {
        let config = TableConfig::local(TABLE, self.embedded.endpoint()).client_config().http_client(local::table::http_client());
        aws_sdk_dynamodb::Client::from_conf(config.build())
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

    /// Raises a user's revision behind the back of the app and of its stream, as if an invalidation had been lost.
    pub async fn raise_unheard(&self, user: &str, rev: u64) {
        let (pk, sk) = (AttributeValue::S(format!("USER#{user}")), AttributeValue::S("ROOT".to_owned()));
        let update = self.past_the_app().update_item().table_name(TABLE).key("pk", pk).key("sk", sk).update_expression("SET rev = :rev");
        update.expression_attribute_values(":rev", AttributeValue::N(rev.to_string())).send().await.expect("the table answers");
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
        Client { world: self, authorization: None, address: LOCALHOST }
    }

    /// Somebody with any token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Client<'_> {
        Client { world: self, authorization: Some(format!("Bearer {token}")), address: LOCALHOST }
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

impl Drop for World {
    /// Fails the test if anything was written so far that must not be: by this world or by one before it.
    fn drop(&mut self) {
        let found = watch::found();
        assert!(found.is_empty() || std::thread::panicking(), "{}", found.join("\n"));
    }
}

impl Client<'_> {
    /// Asks from another address.
    #[must_use]
    pub fn from(self, address: &str) -> Self {
        Self { address: address.parse().expect("an address"), ..self }
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"").await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], b"").await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[(CONTENT_TYPE.as_str(), "application/json")], body.to_string().as_bytes()).await
    }

    /// Sends anything.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path).header(HOST, "localhost:3000");
        if let Some(authorization) =
            self.authorization.as_ref().filter(|_| !headers.iter().any(|(name, _)| *name == AUTHORIZATION.as_str()))
        {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body)).expect("a request that HTTP allows");
        let function = match web::endpoints::lookup(method, request.uri().path()) {
            web::endpoints::Lookup::Found { endpoint, .. } => endpoint.function,
            _ => "fallback",
        };
        let answer = acting_as(function, self.world.gateway.call(request, self.address)).await;
        Reply::new(format!("{method} {path}"), answer)
    }
}

/// Imports an account.
async fn import_lines(table: &Table, lines: &str, now: Timestamp) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(lines.as_bytes()).expect("a temporary file");
    let report = store::import::import(table, file.path(), OnError::Stop, now, &mut Silent).await.expect("the table answers");
    assert!(!report.stopped, "bad seed: {:?}", report.bad_lines);
}

/// The edge as `local` sets it up.
pub(crate) fn edge(limits: &str) -> EdgeConfig {
    let lookup = |variable: &str| match variable {
        "RATE_LIMITS" => Some(limits.to_owned()),
        "JWT_SECRET" => Some(local::DEVELOPMENT_SECRET.to_owned()),
        "STAGE" => Some("test".to_owned()),
        _ => None,
    };
    EdgeConfig::from_lookup(&lookup).expect("constants in the right form")
}

/// Two signing secrets, as while one is rotated.
fn webhook(live: bool) -> StripeConfig {
    let lookup = |variable: &str| match variable {
        "STRIPE_WEBHOOK_SECRETS" => Some(format!("{OLD_WEBHOOK_SECRET}, {}", local::DEVELOPMENT_WEBHOOK_SECRET)),
        "STRIPE_LIVE" => Some(live.to_string()),
        _ => None,
    };
    StripeConfig::from_lookup(&lookup).expect("constants in the right form")
}

/// A client that does not wait as long as one of a function does.
fn client_of(stripe: &FakeStripe) -> stripe_client::Client {
    let lookup = |variable: &str| match variable {
        "STRIPE_SECRET_KEY" => Some("sk_test_of_the_worlds".to_owned()),
        "STRIPE_API_URL" => Some(stripe.url()),
        "STAGE" => Some("test".to_owned()),
        _ => None,
    };
    let config = stripe_client::Config::from_lookup(&lookup).expect("constants in the right form");
    stripe_client::Client::new(&config.with_times(Duration::from_secs(5), Duration::from_millis(5)))
}

//! How a world is made.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::metrics::Metrics;
use app::{App, AppUrl, Auditor, Clock, Downloads, KeptLetters, Parts, StripeConfig};
use cache::Coherent;
use local::downloads::Shelf;
use local::embedded::Embedded;
use local::fake_stripe::FakeStripe;
use local::gateway::Gateway;
use store::{Table, TableConfig};
use web::edge::EdgeConfig;

use super::{TABLE, World};
use crate::faults::Faults;
use crate::policies::{Policies, acting_as};
use crate::seed::{NOW, Seed};
use crate::watch;

/// Where the worlds' app is.
const APP_URL: &str = "https://app.example.test";
/// A second signing secret that worlds accept, beside the one of `local`.
pub const OLD_WEBHOOK_SECRET: &str = "whsec_before_the_rotation";

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

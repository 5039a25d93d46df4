//! Wiring: what the functions depend on. A function is a `handle` over [`App`] and a request; [`serve`] and [`consume`] run it.
//!
//! Reads go through the cache to the table, writes go to the table and then tell the cache. Cache and store meet only here.

// The futures of a read hold those of the SDK and of the cache's client, which are deep.
#![recursion_limit = "256"]

mod audit;
mod billing_ids;
mod billing_reads;
pub mod body;
mod buying;
mod cached;
mod clock;
mod config;
mod contact_book;
pub mod contact_edits;
mod contacts_query;
mod dead_letters;
mod envelope;
mod errors;
mod export;
mod export_query;
mod health;
mod keys;
mod limits;
pub mod logs;
pub mod metrics;
mod pages;
mod plans;
mod query;
mod reads;
mod search;
mod serve;
mod stream;
mod stripe;
mod subscriptions;
mod warm;
mod writes;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use book::Shelf;
use cache::Coherent;
use store::Table;
use web::edge::{Edge, EdgeConfig};

pub use audit::Auditor;
pub use billing_ids::{PriceRequest, SubscriptionRequest};
pub use buying::{AppUrl, Checkout};
pub use clock::Clock;
pub use config::Config;
pub use contacts_query::ContactsQuery;
pub use dead_letters::{DeadLetters, KeptLetters, Letter};
pub use envelope::Envelope;
pub use export::{Download, Downloads, LINK_LIFE};
pub use export_query::ExportQuery;
pub use keys::{KeySource, Refreshed};
pub use query::{JobsQuery, SaveRequest};
pub use reads::Seen;
pub use serve::{
    Handled, Handler, JobHandler, StreamHandler, consume, consume_with_stripe, publish_keys, respond, run_job, run_job_with_stripe, serve,
    serve_billing, serve_exports, serve_webhook, take_stream,
};
pub use store::Reprocessed;
pub use stream::StreamBatch;
pub use stripe::{Backfill, Backfilled, Job, Reconciled, StripeConfig, live_mode};
pub use subscriptions::ChangedSubscription;
pub use web::BoxError;
pub use writes::{DeletedContacts, SavedContacts};

use contact_book::SHELF_BYTES_MAX;
use keys::LastAsked;
use metrics::Metrics;
use plans::PlansCell;

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The table.
    pub table: Table,
    /// The cache.
    pub cache: Coherent,
    /// Settings of the edge.
    pub edge: EdgeConfig,
    /// The clock.
    pub clock: Clock,
    /// Where records go that can never be handled.
    pub dead_letters: Arc<dyn DeadLetters>,
}

/// What the requests of one environment share. Built once in init.
#[derive(Debug)]
pub struct App {
    table: Table,
    cache: Coherent,
    edge: Edge,
    clock: Clock,
    plans: PlansCell,
    keys_asked: LastAsked,
    dead_letters: Arc<dyn DeadLetters>,
    stripe: Option<StripeConfig>,
    stripe_client: Option<stripe_client::Client>,
    app_url: Option<AppUrl>,
    stripe_live: bool,
    downloads: Option<Arc<dyn Downloads>>,
    metrics: Metrics,
    auditor: Auditor,
    /// Whether it has answered before.
    warm: AtomicBool,
    shelf: Mutex<Shelf>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn from_parts(parts: Parts) -> Self {
        let Parts { table, cache, edge, clock, dead_letters } = parts;
        Self {
            table,
            cache,
            edge: Edge::new(edge),
            clock,
            plans: PlansCell::new(),
            keys_asked: LastAsked::never(),
            dead_letters,
            stripe: None,
            stripe_client: None,
            app_url: None,
            stripe_live: false,
            downloads: None,
            metrics: Metrics::off(),
            auditor: Auditor::one_in(0),
            warm: AtomicBool::new(false),
            shelf: Mutex::new(Shelf::new(SHELF_BYTES_MAX)),
        }
    }

    /// Connects as the settings say and loads the plans and the identity provider's keys. Neither a cache nor a table that does not answer keeps the function from starting.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub async fn start(config: Config) -> Result<Self, BoxError> {
        let clock = Clock::System;
        let app = Self::from_parts(Parts {
            table: Table::connect(&config.table),
            cache: Coherent::connect(config.cache).await,
            edge: config.edge,
            clock,
            dead_letters: Arc::new(KeptLetters::default()),
        });
        let app = app.with_metrics(config.metrics).with_auditor(config.auditor);
        app.load().await;
        Ok(app)
    }

    /// Loads what init loads before the first request: the plans and the identity provider's keys. A failure leaves the built-in ones.
    pub async fn load(&self) {
        futures::join!(self.load_plans(), self.refresh_keys(self.clock.now()));
    }

    /// Sends what is rejected somewhere else.
    #[must_use]
    pub fn with_dead_letters(self, dead_letters: Arc<dyn DeadLetters>) -> Self {
        Self { dead_letters, ..self }
    }

    /// Writes metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Looks behind hits of the cache.
    #[must_use]
    pub fn with_auditor(self, auditor: Auditor) -> Self {
        Self { auditor, ..self }
    }

    /// Takes Stripe's events.
    #[must_use]
    pub fn with_stripe(self, stripe: StripeConfig) -> Self {
        Self { stripe_live: stripe.live(), stripe: Some(stripe), ..self }
    }

    /// Sets Stripe's mode where events come from the table or from Stripe's list, not signed.
    #[must_use]
    pub fn with_stripe_live(self, live: bool) -> Self {
        Self { stripe_live: live, ..self }
    }

    /// Calls Stripe.
    #[must_use]
    pub fn with_stripe_client(self, client: stripe_client::Client) -> Self {
        Self { stripe_client: Some(client), ..self }
    }

    /// Sends browsers back to the app.
    #[must_use]
    pub fn with_app_url(self, url: AppUrl) -> Self {
        Self { app_url: Some(url), ..self }
    }

    /// Stripe, where it is called.
    #[must_use]
    pub fn stripe_client(&self) -> Option<&stripe_client::Client> {
        self.stripe_client.as_ref()
    }

    /// The table, for tools that work on it directly.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The cache, for tools that look at it.
    #[must_use]
    pub fn cache(&self) -> &Coherent {
        &self.cache
    }

    /// Empties what this process keeps of contact books, as a new process begins.
    pub fn forget_buckets(&self) {
        self.with_shelf(|shelf| *shelf = Shelf::new(SHELF_BYTES_MAX));
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

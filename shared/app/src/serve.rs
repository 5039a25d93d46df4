//! Entry points of the functions: init once, then one event after the other.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lambda_events::streams::DynamoDbEventResponse;
use futures::FutureExt;
use lambda_http::{Adapter, Body, RequestExt};
use lambda_runtime::{LambdaEvent, Service, service_fn};
use serde::de::IgnoredAny;
use serde_json::Value;
use store::meter::Reading;
use web::edge::{Given, Served};
use web::{ApiError, BoxError, Request, Response};

use crate::limits::InCache;
use crate::metrics::{Calls, Ended, Observed};
use crate::{App, AppUrl, Config, DeadLetters, Downloads, Envelope, KeySource, StreamBatch, StripeConfig, logs};

/// What a handler returns, boxed: a function pointer keeps the runtime's generics from compiling once per function.
pub type Handled<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// An HTTP function.
pub type Handler = for<'a> fn(&'a App, Request) -> Handled<'a, Result<Response, ApiError>>;
/// A consumer of the table's stream.
pub type StreamHandler = for<'a> fn(&'a App, StreamBatch) -> Handled<'a, Result<DynamoDbEventResponse, BoxError>>;

/// A function that is invoked by a schedule or by hand: its event, and when its time is up.
pub type JobHandler = for<'a> fn(&'a App, Value, Instant) -> Handled<'a, Result<Value, BoxError>>;

/// Time kept back from the handler, so that the answer is written before the environment is stopped.
const ANSWER_TIME: Duration = Duration::from_millis(300);
/// Who answers what has no endpoint.
const FALLBACK: &str = "fallback";

/// Runs an HTTP function until the environment ends.
///
/// # Errors
/// When a setting is missing or unusable, or the runtime API fails.
pub fn serve(handler: Handler) -> Result<(), BoxError> {
    run(async move { answer(App::start(Config::from_env()?).await?, handler).await })
}

/// Runs the function that takes Stripe's events until the environment ends. Without signing secrets it does not start.
///
/// # Errors
/// As [`serve`].
pub fn serve_webhook(handler: Handler) -> Result<(), BoxError> {
    run(async move {
        let stripe = StripeConfig::from_lookup(&env)?;
        answer(App::start(Config::from_env()?).await?.with_stripe(stripe), handler).await
    })
}

/// Runs the function that exports contacts until the environment ends. Large files go to `downloads`.
///
/// # Errors
/// As [`serve`].
pub fn serve_exports(downloads: Arc<dyn Downloads>, handler: Handler) -> Result<(), BoxError> {
    run(async move { answer(App::start(Config::from_env()?).await?.with_downloads(downloads), handler).await })
}

/// Runs an HTTP function that calls Stripe until the environment ends. Without a usable key, or without the app's address, it does not
/// start.
///
/// # Errors
/// As [`serve`].
pub fn serve_billing(handler: Handler) -> Result<(), BoxError> {
    run(async move {
        let lookup = |name: &str| std::env::var(name).ok();
        let (stripe, url) = (stripe_client::Config::from_lookup(&lookup)?, AppUrl::from_lookup(&lookup)?);
        let app = App::start(Config::from_env()?).await?;
        answer(app.with_stripe_client(stripe_client::Client::new(&stripe)).with_app_url(url), handler).await
    })
}

async fn answer(app: App, handler: Handler) -> Result<(), BoxError> {
    let app = Arc::new(app);
    let mut function = Adapter::from(service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, BoxError>(respond(&app, request, handler).await) }
    }));
    // What `lambda_http::run` does, but for the envelope.
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Envelope>| {
        function.call(LambdaEvent::new(event.payload.into_inner(), event.context))
    }))
    .await
}

/// Runs a consumer of the table's stream until the environment ends. What it rejects goes to `dead_letters`; its metrics are of `name`.
///
/// # Errors
/// As [`serve`].
pub fn consume(name: &'static str, dead_letters: Arc<dyn DeadLetters>, handler: StreamHandler) -> Result<(), BoxError> {
    run(async move { take(name, App::start(Config::of_events()?).await?.with_dead_letters(dead_letters), handler).await })
}

/// Runs a consumer of the table's stream that asks Stripe.
///
/// # Errors
/// As [`serve`].
pub fn consume_with_stripe(name: &'static str, dead_letters: Arc<dyn DeadLetters>, handler: StreamHandler) -> Result<(), BoxError> {
    run(async move { take(name, with_client(App::start(Config::of_events()?).await?)?.with_dead_letters(dead_letters), handler).await })
}

async fn take(name: &'static str, app: App, handler: StreamHandler) -> Result<(), BoxError> {
    let app = Arc::new(app);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<StreamBatch>| {
        let app = Arc::clone(&app);
        async move { take_stream(&app, name, event.payload, handler).await }
    }))
    .await
}

/// Runs a function that a schedule or a person invokes. Its metrics are of `name`.
///
/// # Errors
/// As [`serve`].
pub fn run_job(name: &'static str, handler: JobHandler) -> Result<(), BoxError> {
    run(async move {
        let live = crate::live_mode(&env)?;
        perform(name, App::start(Config::of_events()?).await?.with_stripe_live(live), handler).await
    })
}

/// Runs a function that a schedule or a person invokes and that asks Stripe.
///
/// # Errors
/// As [`serve`].
pub fn run_job_with_stripe(name: &'static str, handler: JobHandler) -> Result<(), BoxError> {
    run(async move {
        let live = crate::live_mode(&env)?;
        perform(name, with_client(App::start(Config::of_events()?).await?)?.with_stripe_live(live), handler).await
    })
}

/// Runs the function that refreshes the identity provider's keys until the environment ends. Its event says nothing but that it is time.
///
/// # Errors
/// As [`serve`].
pub fn publish_keys(source: Arc<dyn KeySource>) -> Result<(), BoxError> {
    run(async move {
        let app = Arc::new(App::start(Config::of_events()?).await?);
        lambda_runtime::run(service_fn(move |_: LambdaEvent<IgnoredAny>| {
            let (app, source) = (Arc::clone(&app), Arc::clone(&source));
            async move {
                let refreshed = app.measured("refresh-jwks", app.publish_keys(&*source)).await;
                match &refreshed {
                    Ok(refreshed) => tracing::info!(?refreshed, "the identity provider's keys"),
                    Err(error) => tracing::error!(error = %error, "the identity provider's keys are not refreshed: the stored ones stay"),
                }
                refreshed.map(|_| ())
            }
        }))
        .await
    })
}

async fn perform(name: &'static str, app: App, handler: JobHandler) -> Result<(), BoxError> {
    let app = Arc::new(app);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let app = Arc::clone(&app);
        async move {
            let now = SystemTime::now();
            let left = event.context.deadline().duration_since(now).unwrap_or_default().saturating_sub(ANSWER_TIME);
            app.measured(name, handler(&app, event.payload, Instant::now() + left)).await
        }
    }))
    .await
}

fn with_client(app: App) -> Result<App, BoxError> {
    let config = stripe_client::Config::from_lookup(&env)?;
    Ok(app.with_stripe_client(stripe_client::Client::new(&config)))
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Answers one HTTP request and writes its metrics: what [`serve`] does with an event, and a local server with its own.
pub async fn respond(app: &App, request: lambda_http::Request, handler: Handler) -> lambda_http::Response<Body> {
    let watch = app.watch();
    let deadline = time_left(&request);
    let now = app.clock.now();
    if app.edge.misses_key(&request) {
        app.refresh_keys(now).await;
    }
    let run = |request| async move {
        // A panic fails this request and no other.
        let caught = AssertUnwindSafe(handler(app, request)).catch_unwind().await;
        caught.unwrap_or_else(|_| Err(ApiError::Internal("the handler panicked".into())))
    };
    let counters = InCache(&app.cache);
    let answer = web::edge::handle(&app.edge, request, Given { now, deadline, counters: Some(&counters) }, run).await;
    let served = answer.extensions().get::<Served>();
    served.iter().for_each(|served| app.metrics.note_limits(served.limits));
    let function = served.and_then(|served| served.function).unwrap_or(FALLBACK);
    app.observed(watch, function, Ended::Status(answer.status().as_u16()));
    answer
}

/// Takes a batch of the table's stream and writes its metrics: what [`consume`] does with an event, and a local stream with its own.
///
/// # Errors
/// Those of the consumer.
pub async fn take_stream(app: &App, name: &str, batch: StreamBatch, handler: StreamHandler) -> Result<DynamoDbEventResponse, BoxError> {
    app.measured(name, handler(app, batch)).await
}

/// Where a request or event began.
struct Watch {
    started: Instant,
    table: Reading,
    stripe: Calls,
}

impl App {
    fn watch(&self) -> Watch {
        Watch { started: Instant::now(), table: self.table.meter().read(), stripe: self.calls_to_stripe() }
    }

    fn calls_to_stripe(&self) -> Calls {
        self.stripe_client.as_ref().map_or(Calls::default(), |client| Calls { count: client.calls(), time: client.time() })
    }

    /// Writes the metrics of what `watch` began with.
    fn observed(&self, watch: Watch, function: &str, ended: Ended) {
        let cold = !self.warm.swap(true, Ordering::Relaxed);
        if !self.metrics.is_on() {
            return;
        }
        self.metrics.write(&Observed {
            function,
            at: self.clock.now(),
            ended,
            took: watch.started.elapsed(),
            cache: self.cache.take_counted(),
            table: self.table.meter().read().since(&watch.table),
            stripe: self.calls_to_stripe().since(watch.stripe),
            cold,
        });
    }

    /// Does the work of an event that is no HTTP request, and writes its metrics.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn measured<T, E>(&self, function: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let watch = self.watch();
        let result = work.await;
        self.observed(watch, function, if result.is_ok() { Ended::Done } else { Ended::Failed });
        result
    }
}

/// Time that the environment leaves for the handler. The wall clock is right here: it is the one that the runtime's deadline is of.
fn time_left(request: &lambda_http::Request) -> Option<Duration> {
    let deadline = Duration::from_millis(request.lambda_context_ref()?.deadline);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // A context without a deadline is that of a local server.
    (!deadline.is_zero()).then(|| deadline.saturating_sub(now).saturating_sub(ANSWER_TIME))
}

/// One thread: a Lambda environment serves one request at a time, and a runtime of several threads costs 3 ms of every cold start.
fn run(work: impl Future<Output = Result<(), BoxError>>) -> Result<(), BoxError> {
    logs::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work).inspect_err(|error| tracing::error!(error = %error, "the function cannot start or go on"))
}

//! Calls: attempts until one succeeds, none is left, or the time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use tokio::time::timeout;

use crate::breaker::Breaker;
use crate::transport::{Answer, Transport};
use crate::{Config, List, Page, StripeError, Written};

/// Repetitions of a call after its first attempt.
const REPETITIONS_MAX: u32 = 2;
/// Pages that [`Client::all`] reads: 10,000 objects.
const PAGES_MAX: usize = 100;
/// Bytes of an id; Stripe's own have at most 255.
const ID_BYTES_MAX: usize = 255;

/// An object at Stripe, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object<'a> {
    /// A customer. Deleted ones are still shown, with `deleted: true`.
    Customer(&'a str),
    /// A subscription.
    Subscription(&'a str),
    /// An invoice.
    Invoice(&'a str),
    /// A payment method.
    PaymentMethod(&'a str),
    /// A product.
    Product(&'a str),
    /// A price.
    Price(&'a str),
    /// A checkout session.
    Checkout(&'a str),
    /// An event.
    Event(&'a str),
}

impl Object<'_> {
    fn path(self) -> Result<String, StripeError> {
        match self {
            Self::Customer(id) => place("/customers", id),
            Self::Subscription(id) => place("/subscriptions", id),
            Self::Invoice(id) => place("/invoices", id),
            Self::PaymentMethod(id) => place("/payment_methods", id),
            Self::Product(id) => place("/products", id),
            Self::Price(id) => place("/prices", id),
            Self::Checkout(id) => place("/checkout/sessions", id),
            Self::Event(id) => place("/events", id),
        }
    }
}

/// The path of an object. What no id can be is not asked for.
pub(crate) fn place(collection: &str, id: &str) -> Result<String, StripeError> {
    let is_id = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_id { Ok(format!("{collection}/{id}")) } else { Err(StripeError::NotFound) }
}

/// Stripe, as it is called. Clones share connections, breaker and counter.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    breaker: Breaker,
    attempt_time_max: Duration,
    pause: Duration,
    /// Microseconds that attempts took.
    taken_us: AtomicU64,
}

/// An attempt that did not succeed.
struct Failed {
    error: StripeError,
    repeat: bool,
}

impl Failed {
    fn last(error: StripeError) -> Self {
        Self { error, repeat: false }
    }
}

impl Client {
    /// A client. It connects with the first call.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (attempt_time_max, pause) = (config.attempt_time_max, config.pause);
        Self(Arc::new(Inner {
            transport: Transport::new(config),
            breaker: Breaker::default(),
            attempt_time_max,
            pause,
            taken_us: AtomicU64::new(0),
        }))
    }

    /// Attempts that were sent so far, repetitions included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.transport.attempts()
    }

    /// What the attempts took together so far, without the pauses between them.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_micros(self.0.taken_us.load(Ordering::Relaxed))
    }

    /// An object as Stripe shows it.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn object(&self, object: Object<'_>, until: Instant) -> Result<Value, StripeError> {
        let request = RequestBuilder::new(StripeMethod::Get, object.path()?);
        Ok(self.call(&request, None, until).await?.object)
    }

    /// The page of a list that begins after an object, or the first one.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn page(&self, list: List<'_>, after: Option<&str>, until: Instant) -> Result<Page, StripeError> {
        let (path, query) = list.request(after);
        let request = RequestBuilder::new(StripeMethod::Get, path).query(&query);
        let answer = self.call(&request, None, until).await?;
        Page::of(answer.object).ok_or(StripeError::unavailable("the answer is no list"))
    }

    /// All objects of a list. For what one customer has, or a catalogue; longer lists are read page by page.
    ///
    /// # Errors
    /// [`StripeError`]; also when there are more than 10,000.
    pub async fn all(&self, list: List<'_>, until: Instant) -> Result<Vec<Value>, StripeError> {
        let (mut objects, mut after) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let page = self.page(list, after.as_deref(), until).await?;
            objects.extend(page.objects);
            after = page.next;
            if after.is_none() {
                return Ok(objects);
            }
        }
        Err(StripeError::unavailable("the list is too long"))
    }

    /// Sends a request until it succeeds, may not be repeated, or the time is up. Each attempt has the same key.
    pub(crate) async fn call(&self, request: &RequestBuilder, key: Option<&str>, until: Instant) -> Result<Written, StripeError> {
        let mut repetition = 0;
        loop {
            let failed = match self.attempt(request, key, until).await {
                Ok(written) => return Ok(written),
                Err(failed) => failed,
            };
            let pause = self.pause(repetition, failed.error.retry_after());
            if !failed.repeat || repetition == REPETITIONS_MAX || Instant::now() + pause >= until {
                return Err(failed.error);
            }
            tracing::debug!(error = %failed.error, repetition, "a call to Stripe is repeated");
            tokio::time::sleep(pause).await;
            repetition += 1;
        }
    }

    /// The pause before a repetition: what Stripe asks for, else a growing one with jitter, so that many do not come back at once.
    fn pause(&self, repetition: u32, asked: Option<Duration>) -> Duration {
        asked.unwrap_or_else(|| (self.0.pause * 2_u32.pow(repetition)).mul_f64(rand::rng().random_range(0.5..1.0)))
    }

    async fn attempt(&self, request: &RequestBuilder, key: Option<&str>, until: Instant) -> Result<Written, Failed> {
        let now = Instant::now();
        let time = until.saturating_duration_since(now).min(self.0.attempt_time_max);
        if time.is_zero() {
            return Err(Failed::last(StripeError::unavailable("no time is left")));
        }
        let admission = self
            .0
            .breaker
            .admit(now)
            .map_err(|wait| Failed::last(StripeError::Unavailable { reason: "it failed again and again", retry_after: Some(wait) }))?;
        let sent = timeout(time, self.0.transport.send(request, key)).await;
        self.0.taken_us.fetch_add(u64::try_from(now.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let result = match sent.unwrap_or(Err(StripeError::unavailable("no answer in time"))) {
            Ok(answer) => sorted(answer),
            Err(error) => Err(Failed { error, repeat: true }),
        };
        let healthy = !matches!(&result, Err(Failed { error: StripeError::Unavailable { .. }, .. }));
        admission.verdict(healthy, Instant::now());
        result
    }
}

/// Sorts an answer by what can be done about it.
/// Source: <https://docs.stripe.com/error-low-level> and the statuses in <https://docs.stripe.com/api/errors>.
fn sorted(answer: Answer) -> Result<Written, Failed> {
    let Answer { status, body, replayed, retry_after, should_retry, request } = answer;
    let word = |name: &str| Some(body.as_ref()?.get("error")?.get(name)?.as_str()?.to_owned());
    let (error, repeat) = match status {
        200..=299 => match body {
            Some(object @ Value::Object(_)) => return Ok(Written { object, replayed }),
            _ => (StripeError::unavailable("the answer is not Stripe's"), true),
        },
        404 => (StripeError::NotFound, false),
        401 | 403 => (StripeError::KeyRejected { status, request }, false),
        409 | 424 | 429 => (StripeError::Busy { status, retry_after }, true),
        500..=599 => (StripeError::Unavailable { reason: "an error of Stripe", retry_after }, true),
        _ => (StripeError::Refused { status, code: word("code"), param: word("param"), request }, false),
    };
    Err(Failed { error, repeat: should_retry.unwrap_or(repeat) })
}

//! Webhooks: signed, sent again until they are taken, and on demand several times, out of order or late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing::signature::Secrets;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio::sync::{mpsc, watch};

use super::Shared;

/// Deliveries of one event before it is given up: about a minute. Stripe goes on for three days.
const DELIVERIES_MAX: u32 = 40;
/// Pause before the second delivery; each later one is twice as long, up to [`PAUSE_MAX`], and up to a half shorter by chance.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Stripe waits a little longer than this.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// How events are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// One after the other. One that is refused does not stop those after it.
    #[default]
    InOrder,
    /// All at once.
    AtOnce,
    /// Not before they are released.
    Held,
}

/// In which order held events are released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were made.
    Made,
    /// The last one first.
    Reversed,
    /// Any.
    Shuffled,
}

/// Where events go.
#[derive(Debug, Clone)]
struct Webhook {
    url: String,
    secrets: Vec<Secrets>,
}

#[derive(Debug)]
struct Settings {
    webhook: Option<Webhook>,
    manner: Manner,
    copies: usize,
}

/// The post office.
#[derive(Debug)]
pub(super) struct Post {
    settings: Mutex<Settings>,
    queue: mpsc::UnboundedSender<String>,
    /// Deliveries that are not at their end.
    under_way: watch::Sender<usize>,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Post {
    pub(super) fn new(queue: mpsc::UnboundedSender<String>) -> Self {
        let settings = Mutex::new(Settings { webhook: None, manner: Manner::default(), copies: 1 });
        Self { settings, queue, under_way: watch::Sender::new(0), client: Client::builder(TokioExecutor::new()).build_http() }
    }

    fn settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send_to(&self, url: &str, secrets: &str) {
        let secrets = secrets.split(',').filter_map(|secret| Secrets::parse(secret).ok()).collect();
        self.settings().webhook = Some(Webhook { url: url.to_owned(), secrets });
    }

    pub(super) fn deliver(&self, manner: Manner) {
        self.settings().manner = manner;
    }

    pub(super) fn copies(&self, copies: usize) {
        self.settings().copies = copies;
    }

    pub(super) async fn settled(&self) {
        let mut under_way = self.under_way.subscribe();
        // It cannot fail: the sender is this value's own.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    fn begin(&self, event: String) {
        for _ in 0..self.settings().copies {
            self.under_way.send_modify(|count| *count += 1);
            // Nobody takes from the queue once the fake is dropped.
            let _ = self.queue.send(event.clone());
        }
    }

    fn end(&self) {
        self.under_way.send_modify(|count| *count -= 1);
    }

    /// Sends a body once: whether it was taken.
    async fn send(&self, body: &[u8], at: i64) -> bool {
        let Some(Webhook { url, secrets }) = self.settings().webhook.clone() else { return false };
        let signatures: Vec<_> = secrets.iter().map(|secret| secret.sign(body, at)).collect();
        let request = http::Request::post(url)
            .header("content-type", "application/json; charset=utf-8")
            .header("stripe-signature", joined(&signatures))
            .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
        let Ok(request) = request.body(Full::new(Bytes::copy_from_slice(body))) else { return false };
        let sent = async {
            let answer = self.client.request(request).await.ok()?;
            let status = answer.status();
            answer.into_body().collect().await.ok()?;
            Some(status.is_success())
        };
        matches!(tokio::time::timeout(ANSWER_TIME_MAX, sent).await, Ok(Some(true)))
    }
}

/// One header of several signatures: one time, all `v1`.
fn joined(signatures: &[String]) -> String {
    let mut header = signatures.first().cloned().unwrap_or_default();
    for signature in signatures.iter().skip(1) {
        let v1 = signature.split(',').find(|part| part.starts_with("v1=")).unwrap_or_default();
        header = format!("{header},{v1}");
    }
    header
}

impl Shared {
    /// Sends what was told since, unless it is to be held or has nowhere to go.
    pub(super) fn dispatch(&self) {
        let ready = {
            let settings = self.post.settings();
            settings.webhook.is_some() && settings.manner != Manner::Held
        };
        if ready {
            self.release(Order::Made);
        }
    }

    pub(super) fn release(&self, order: Order) {
        let mut events = std::mem::take(&mut self.account().outbox);
        match order {
            Order::Made => {}
            Order::Reversed => events.reverse(),
            Order::Shuffled => events.shuffle(&mut rand::rng()),
        }
        for event in events {
            self.post.begin(event);
        }
    }

    /// Sends an event once: whether it was taken.
    async fn deliver_once(&self, event: &str) -> bool {
        let (body, at) = {
            let account = self.account();
            let body = account.event(event).map(|event| serde_json::to_vec_pretty(event).unwrap_or_default());
            (body.unwrap_or_default(), account.now())
        };
        let taken = self.post.send(&body, at).await;
        if taken {
            let mut account = self.account();
            account.told.iter_mut().filter(|told| told.event["id"] == event).for_each(|told| told.delivered = true);
        }
        taken
    }

    /// Sends an event again until it is taken or given up.
    async fn deliver_again(&self, event: &str) {
        let mut pause = PAUSE;
        for _ in 1..DELIVERIES_MAX {
            let part = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(part)).await;
            pause = (pause * 2).min(PAUSE_MAX);
            if self.deliver_once(event).await {
                return;
            }
        }
        tracing::warn!(event, "the webhook did not take an event of the fake Stripe");
    }
}

/// Sends what is queued.
pub(super) async fn run(shared: Arc<Shared>, mut queued: mpsc::UnboundedReceiver<String>) {
    while let Some(event) = queued.recv().await {
        let at_once = shared.post.settings().manner == Manner::AtOnce;
        let taken = !at_once && shared.deliver_once(&event).await;
        if taken {
            shared.post.end();
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            if !(at_once && shared.deliver_once(&event).await) {
                shared.deliver_again(&event).await;
            }
            shared.post.end();
        });
    }
}

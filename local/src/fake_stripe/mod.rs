//! A Stripe on this machine, for the laptop and the tests: its API over HTTP, its pages, and its signed webhooks.
//!
//! Its honesty. It answers the addresses that are called here, with the fields that are read here, as Stripe's reference documents
//! them: ids, lists with `has_more`, ended subscriptions only with `status=all`, parameters that an address does not have refused, a key
//! used again for another request refused, the first answer again for the same, keys ignored by `DELETE`, an ended subscription unknown
//! to `DELETE`, events with the version of their time, redelivery of what was not answered with 2xx. The contract suite
//! (`tests/it/stripe_client.rs`) holds the client to the same against it. What it simplifies: ids grow, answers to refused requests are
//! never kept under their key, no two requests of one key run at once, a subscription has one item, proration moves no money, and
//! webhooks come back within seconds, not hours.

mod account;
mod actions;
mod api;
mod commands;
mod delivery;
mod form;
mod lists;
mod objects;
mod page;
mod server;
mod shape;
pub mod triggers;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app::Clock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use commands::Action;
pub use delivery::{Manner, Order};
pub use server::Fault;
pub use shape::Shape;

use account::Account;
use delivery::Post;

/// A running fake. It ends when it is dropped.
#[derive(Debug)]
pub struct FakeStripe {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Shared {
    account: Mutex<Account>,
    post: Post,
    refusing: watch::Sender<bool>,
    address: SocketAddr,
}

impl FakeStripe {
    /// Starts on a free port. Events wait until [`FakeStripe::send_events_to`] says where to.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (queue, queued) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            account: Mutex::new(Account::new(clock, format!("http://{address}"))),
            post: Post::new(queue),
            refusing: watch::Sender::new(false),
            address,
        });
        let tasks = [tokio::spawn(server::serve(listener, Arc::clone(&shared))), tokio::spawn(delivery::run(Arc::clone(&shared), queued))];
        Ok(Self { shared, tasks })
    }

    /// Its address: that of the API, and of a page to play Stripe on.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Sends all events, also those that waited, to a webhook, signed with each secret of a comma list.
    pub fn send_events_to(&self, url: &str, secrets: &str) {
        self.shared.post.send_to(url, secrets);
        self.shared.dispatch();
    }

    /// Makes something happen: the object that it happened to.
    ///
    /// # Errors
    /// Why it cannot happen.
    pub fn act(&self, action: Action<'_>) -> Result<Value, &'static str> {
        self.shared.act(action, None)
    }

    /// An object as it is now, in the present shape.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        self.shared.account().get(id).cloned()
    }

    /// Objects of a kind (`customer`, `checkout.session`), newest first.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.shared.account().of_kind(kind).cloned().collect()
    }

    /// Adds or replaces an object without telling anybody.
    pub fn put(&self, object: Value) {
        self.shared.account().put(object);
    }

    /// Adds an active subscription, with its customer unless there is one, without telling anybody.
    ///
    /// # Panics
    /// When the catalogue has no such price.
    pub fn subscribe(&self, customer: &str, subscription: &str, user: &str, price: &str) -> Value {
        self.shared.account().subscribe(customer, subscription, user, price).expect("a price of the catalogue")
    }

    /// Takes an object away without telling anybody.
    pub fn remove(&self, id: &str) {
        self.shared.account().remove(id);
    }

    /// Tells of any object: the event's id.
    pub fn tell(&self, kind: &str, object: &Value) -> String {
        let id = self.shared.account().tell_of(kind, object, None);
        self.shared.dispatch();
        id
    }

    /// Everything that was told, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.shared.account().told.iter().map(|told| told.event.clone()).collect()
    }

    /// Ids of events that the webhook has not taken.
    #[must_use]
    pub fn undelivered(&self) -> Vec<String> {
        let account = self.shared.account();
        account.told.iter().filter(|told| !told.delivered).filter_map(|told| told.event["id"].as_str()).map(str::to_owned).collect()
    }

    /// Requests to the API so far, by method and path with ids replaced: `GET /v1/customers/{id}`.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.shared.account().requests.clone()
    }

    /// Requests to the API so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.account().requests.values().sum()
    }

    /// Shows objects, and makes events, in another shape from now on. A single request asks for it with `?shape=old`.
    pub fn set_shape(&self, shape: Shape) {
        self.shared.account().shape = shape;
    }

    /// Lets the next requests meet a fault, after those that were asked for before.
    pub fn fault(&self, fault: Fault, times: usize) {
        self.shared.account().faults.extend(std::iter::repeat_n(fault, times));
    }

    /// Forgets faults that nobody met.
    pub fn clear_faults(&self) {
        self.shared.account().faults.clear();
    }

    /// Refuses connections, or takes them again.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.send_replace(refusing);
    }

    /// How events are sent from now on.
    pub fn deliver(&self, manner: Manner) {
        self.shared.post.deliver(manner);
        self.shared.dispatch();
    }

    /// How often each event is sent.
    pub fn copies(&self, copies: usize) {
        self.shared.post.copies(copies);
    }

    /// Sends what was held.
    pub fn release(&self, order: Order) {
        self.shared.release(order);
    }

    /// Waits until every event that was sent was taken, or given up.
    pub async fn settled(&self) {
        self.shared.post.settled().await;
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes something happen and tells of it, in another shape if one is given.
    fn act(&self, action: Action<'_>, shape: Option<Shape>) -> Result<Value, &'static str> {
        let done = self.account().shaped(shape, |account| action.run(account));
        self.dispatch();
        done
    }
}

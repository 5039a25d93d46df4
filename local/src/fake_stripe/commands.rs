//! What can be made to happen, by name: for the pages, for scripts and for tests.

use serde_json::{Map, Value, json};

use super::Shared;
use super::account::Account;
use super::delivery::{Manner, Order};
use super::form;
use super::server::Fault;
use super::shape::Shape;

/// Something that happens at Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// The user of a checkout session pays.
    CompleteCheckout(&'a str),
    /// Nobody pays a checkout session.
    ExpireCheckout(&'a str),
    /// A subscription's next period is paid.
    Renew(&'a str),
    /// A subscription's next period is not paid.
    FailPayment(&'a str),
    /// A subscription ends now.
    Cancel(&'a str),
    /// A subscription is to end with its period.
    CancelAtPeriodEnd(&'a str),
    /// A subscription stands still.
    Pause(&'a str),
    /// A subscription goes on.
    Resume(&'a str),
    /// A subscription moves to a price.
    ChangePrice(&'a str, &'a str),
    /// A customer is deleted.
    DeleteCustomer(&'a str),
    /// A payment method is taken off its customer.
    Detach(&'a str),
}

impl<'a> Action<'a> {
    /// The action of a name, on the object with an id.
    fn named(name: &str, id: &'a str, price: &'a str) -> Option<Self> {
        Some(match name {
            "complete-checkout" => Self::CompleteCheckout(id),
            "expire-checkout" => Self::ExpireCheckout(id),
            "renew" => Self::Renew(id),
            "fail-payment" => Self::FailPayment(id),
            "cancel" => Self::Cancel(id),
            "cancel-at-period-end" => Self::CancelAtPeriodEnd(id),
            "pause" => Self::Pause(id),
            "resume" => Self::Resume(id),
            "change-price" => Self::ChangePrice(id, price),
            "delete-customer" => Self::DeleteCustomer(id),
            "detach" => Self::Detach(id),
            _ => return None,
        })
    }

    pub(super) fn run(self, account: &mut Account) -> Result<Value, &'static str> {
        match self {
            Self::CompleteCheckout(id) => account.complete_checkout(id),
            Self::ExpireCheckout(id) => account.expire_checkout(id),
            Self::Renew(id) => account.renew(id, true),
            Self::FailPayment(id) => account.renew(id, false),
            Self::Cancel(id) => account.cancel(id, false),
            Self::CancelAtPeriodEnd(id) => account.cancel(id, true),
            Self::Pause(id) => account.pause(id),
            Self::Resume(id) => account.resume(id),
            Self::ChangePrice(id, price) => account.change_price(id, price),
            Self::DeleteCustomer(id) => account.delete_customer(id),
            Self::Detach(id) => account.detach(id),
        }
    }
}

/// Runs a command of `POST /control/{name}`: an action with its `id`, or one about the fake itself. `?shape=old` tells of an action in the old
/// shape.
pub(super) fn run(shared: &Shared, name: &str, shape: Option<Shape>, fields: &Map<String, Value>) -> Result<Value, &'static str> {
    let field = |name: &str| form::text(fields, &[name]).unwrap_or_default();
    if let Some(action) = Action::named(name, field("id"), field("price")) {
        return shared.act(action, shape);
    }
    let number = |name: &str| field(name).parse::<usize>().ok();
    match name {
        "shape" => {
            shared.account().shape = Shape::named(field("shape")).ok_or("shape: old or current")?;
        }
        "fault" => {
            let fault =
                fault(field("kind"), number("retry_after")).ok_or("kind: 429, any other status, hang, garbage, closed or answer-lost")?;
            shared.account().faults.extend(std::iter::repeat_n(fault, number("times").unwrap_or(1).min(1_000)));
        }
        "deliver" => {
            let manner = match field("manner") {
                "at-once" => Manner::AtOnce,
                "held" => Manner::Held,
                _ => Manner::InOrder,
            };
            shared.post.deliver(manner);
            shared.dispatch();
        }
        "subscribe" => {
            let fields = ["customer", "id", "user", "price"].map(field);
            let [customer, subscription, user, price] =
                fields.iter().all(|text| !text.is_empty()).then_some(fields).ok_or("customer, id, user and price are needed")?;
            return shared.account().subscribe(customer, subscription, user, price);
        }
        "copies" => shared.post.copies(number("copies").unwrap_or(1).clamp(1, 100)),
        "release" => shared.release(match field("order") {
            "reversed" => Order::Reversed,
            "shuffled" => Order::Shuffled,
            _ => Order::Made,
        }),
        _ => return Err("no such command"),
    }
    Ok(json!({"done": name}))
}

fn fault(kind: &str, retry_after: Option<usize>) -> Option<Fault> {
    Some(match kind {
        "hang" => Fault::Hang,
        "garbage" => Fault::Garbage,
        "closed" => Fault::Closed,
        "answer-lost" => Fault::AnswerLost,
        "429" => Fault::RateLimited { retry_after_s: retry_after.and_then(|seconds| u64::try_from(seconds).ok()) },
        status => Fault::Status(status.parse().ok().filter(|status| (400..600).contains(status))?),
    })
}

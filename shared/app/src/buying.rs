//! Buying: one customer at Stripe a user, checkouts, and visits to the billing portal.
//!
//! Nothing is stored of a checkout: it changes nothing until Stripe's events say that it was paid.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use store::Buyer;
use stripe_client::{Client, Confirm, Intent, NewCheckout, NewCustomer, NewPortal, Object, PriceChange, StripeError};
use web::{ApiError, Caller, ConfigError, Request};

use crate::App;
use crate::errors::{of_store, of_stripe};
use crate::subscriptions::{has_ended, plan_item};

/// Time that the calls of one request may take together.
pub(crate) const CALLS_TIME_MAX: Duration = Duration::from_secs(15);
/// Checkouts and customers that can turn out to be used up before one is good. Each is one more call, of which a day has few.
const TRIES: usize = 4;

/// A checkout to send the browser to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// Stripe's id of the session.
    pub session_id: String,
    /// Stripe's page.
    pub url: Option<String>,
}

/// `APP_URL`: where the app is that Stripe sends browsers back to, such as `https://app.example.com`. No default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppUrl(String);

impl AppUrl {
    /// Reads the setting through `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`] when it is missing or unusable.
    pub fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let bad = |problem| ConfigError { variable: "APP_URL", problem };
        let text = lookup("APP_URL").filter(|text| !text.is_empty()).ok_or(bad("is not set"))?;
        let url: http::Uri = text.parse().map_err(|_| bad("is no URL"))?;
        match url.scheme_str() {
            Some("http" | "https") if url.query().is_none() && !text.contains('#') => Ok(Self(text.trim_end_matches('/').to_owned())),
            _ => Err(bad("is no http:// or https:// URL without a query")),
        }
    }
}

impl App {
    /// Opens a checkout of an offered price, or finds the one that the same wish opened before. Who is subscribed gets a page that changes the
    /// subscription: a checkout would be a second one, and both would be charged.
    ///
    /// # Errors
    /// `400` for a price that is not offered; `401` for a deleted account; `503` when Stripe or the table is unavailable.
    pub async fn open_checkout(&self, request: &Request, price: &str) -> Result<Checkout, ApiError> {
        let caller = Caller::of(request)?;
        let plans = self.plans(request.now()).await;
        if !plans.listed().any(|plan| plan.stripe_price_id.as_deref() == Some(price)) {
            return Err(ApiError::BadRequest("priceId: not offered".to_owned()));
        }
        let (stripe, until) = (self.billing_calls()?, until(request));
        let back = self.app_url(request)?;
        let mut buyer = self.table.buyer(&caller.user).await.map_err(of_store)?;
        if let Some(change) = self.open_change(request, &buyer, price, until).await? {
            return Ok(change);
        }
        let mut once = occasion(request)?;
        for _ in 0..TRIES {
            let customer = self.customer(stripe, caller, &buyer, until).await?;
            let new = NewCheckout {
                customer: &customer,
                price,
                success_url: &format!("{back}/billing?checkout=success&session_id={{CHECKOUT_SESSION_ID}}"),
                cancel_url: &format!("{back}/billing?checkout=canceled"),
            };
            let intent = Intent { user: caller.user.as_str(), once: &once };
            let made = match stripe.create_checkout(&new, &intent, until).await {
                Err(gone) if gone.is_missing("customer") => {
                    buyer = buyer.without(&customer);
                    continue;
                }
                made => made.map_err(of_stripe)?,
            };
            let id = made.object["id"].as_str().unwrap_or_default().to_owned();
            // Stripe repeats its first answer: meanwhile the session can have been paid, or have expired.
            let now = if made.replayed { stripe.object(Object::Checkout(&id), until).await.map_err(of_stripe)? } else { made.object };
            if now["status"] == "open" {
                return Ok(Checkout { session_id: id, url: text(&now["url"]) });
            }
            once = format!("after {id}");
        }
        Err(ApiError::Conflict("Too many checkouts today".to_owned()))
    }

    /// Opens the page that moves a subscribed user to another price; at the same price the portal's first page. Nothing for who is not
    /// subscribed, or not any more.
    async fn open_change(&self, request: &Request, buyer: &Buyer, price: &str, until: Instant) -> Result<Option<Checkout>, ApiError> {
        let (Some(customer), Some(subscription)) = (&buyer.subscribed_as, &buyer.subscription) else { return Ok(None) };
        let (stripe, caller) = (self.billing_calls()?, Caller::of(request)?);
        let found = match stripe.object(Object::Subscription(subscription), until).await {
            Err(StripeError::NotFound) => return Ok(None),
            found => found.map_err(of_stripe)?,
        };
        if has_ended(&found) {
            return Ok(None);
        }
        let (back, plans) = (self.app_url(request)?, self.plans(request.now()).await);
        let item = plan_item(&found, &plans).filter(|item| item["price"]["id"] != price).and_then(|item| item["id"].as_str());
        let success_url = format!("{back}/billing?checkout=success");
        let confirm = item.map(|item| Confirm { change: PriceChange { subscription, item, price }, success_url: &success_url });
        let new = NewPortal { customer, return_url: &format!("{back}/billing?checkout=canceled"), confirm };
        // The page holds for minutes only: two submits of one wish get one, a later wish another.
        let minute = || request.now().to_string().chars().take(16).collect();
        let once = client_key(request)?.map_or_else(minute, str::to_owned);
        let made = stripe.create_portal(&new, &Intent { user: caller.user.as_str(), once: &once }, until).await.map_err(of_stripe)?;
        let session_id = text(&made.object["id"]).unwrap_or_default();
        Ok(Some(Checkout { session_id, url: text(&made.object["url"]) }))
    }

    /// Opens a visit to the billing portal: its address.
    ///
    /// # Errors
    /// `400` without a subscription; `401` for a deleted account; `503` when Stripe or the table is unavailable.
    pub async fn open_portal(&self, request: &Request) -> Result<String, ApiError> {
        let caller = Caller::of(request)?;
        let buyer = self.table.buyer(&caller.user).await.map_err(of_store)?;
        let none = || ApiError::BadRequest("No active subscription found".to_owned());
        let customer = buyer.subscribed_as.ok_or_else(none)?;
        let (stripe, until) = (self.billing_calls()?, until(request));
        let new = NewPortal { customer: &customer, return_url: &format!("{}/billing", self.app_url(request)?), confirm: None };
        // A visit is short: each gets an address of its own unless the client says that it is the same.
        let once = client_key(request)?.map_or_else(|| request.now().ms().to_string(), str::to_owned);
        let made = stripe.create_portal(&new, &Intent { user: caller.user.as_str(), once: &once }, until).await;
        match made {
            Ok(made) => text(&made.object["url"]).ok_or_else(|| ApiError::Internal("the portal has no address".into())),
            Err(gone) if gone.is_missing("customer") => Err(none()),
            Err(error) => Err(of_stripe(error)),
        }
    }

    /// The caller's customer, which is created when there is none. Two requests at once create one: they have the same key.
    async fn customer(&self, stripe: &Client, caller: &Caller, buyer: &Buyer, until: Instant) -> Result<String, ApiError> {
        if let Some(customer) = &buyer.customer {
            return Ok(customer.clone());
        }
        let once = buyer.former.as_deref().map_or_else(|| "first".to_owned(), |former| format!("after {former}"));
        let new = NewCustomer { email: caller.email.as_deref() };
        let made = stripe.create_customer(&new, &Intent { user: caller.user.as_str(), once: &once }, until).await;
        let made = made.map_err(of_stripe)?;
        let id = text(&made.object["id"]).ok_or_else(|| ApiError::Internal("a customer without an id".into()))?;
        self.table.choose_customer(&caller.user, buyer, &id).await.map_err(of_store)
    }

    /// Stripe, for what its caller waits for.
    pub(crate) fn billing_calls(&self) -> Result<&Client, ApiError> {
        self.stripe_client().ok_or_else(|| ApiError::Internal("no key of Stripe is set".into()))
    }

    /// Where the app is that the user came from, if it is one that may call; else the configured one.
    fn app_url(&self, request: &Request) -> Result<String, ApiError> {
        let origin = request.header("origin").filter(|origin| self.edge.allows(origin)).map(str::to_owned);
        origin
            .or_else(|| self.app_url.as_ref().map(|url| url.0.clone()))
            .ok_or_else(|| ApiError::Internal("no address of the app is set".into()))
    }
}

/// Until when the request's calls may take.
pub(crate) fn until(request: &Request) -> Instant {
    let latest = Instant::now() + CALLS_TIME_MAX;
    request.deadline().map_or(latest, |deadline| deadline.min(latest))
}

/// What tells one wish from the next: the client's own key, or the day.
pub(crate) fn occasion(request: &Request) -> Result<String, ApiError> {
    let day = || request.now().to_string().chars().take(10).collect();
    Ok(client_key(request)?.map_or_else(day, str::to_owned))
}

/// `Idempotency-Key`, as far as the client sends one.
fn client_key(request: &Request) -> Result<Option<&str>, ApiError> {
    match request.header("idempotency-key") {
        Some(key) if !(1..=255).contains(&key.len()) => Err(ApiError::BadRequest("Idempotency-Key: 1 to 255 characters".to_owned())),
        key => Ok(key),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_address_is_one_that_a_path_can_follow() {
        let read = |text: &str| AppUrl::from_lookup(&|_| Some(text.to_owned())).map(|url| url.0).map_err(|error| error.to_string());
        assert_eq!(read("https://app.example.com/"), Ok("https://app.example.com".to_owned()));
        assert_eq!(read("http://localhost:5173/a"), Ok("http://localhost:5173/a".to_owned()));
        for bad in ["", "app.example.com", "javascript:alert(1)", "https://a.test/?x=1", "https://a.test/#x", "ftp://a.test"] {
            assert!(read(bad).unwrap_err().starts_with("APP_URL: "), "{bad}");
        }
    }
}

//! The part of Stripe's API that is called here. What is not there answers as Stripe does for an unknown address.

use serde_json::{Map, Value, json};

use super::account::{Account, Basket};
use super::{form, lists, objects};

/// An answer: status and body.
pub(super) type Answer = (u16, Value);

/// Collections with their kinds of objects.
const COLLECTIONS: [(&str, &str); 8] = [
    ("customers", "customer"),
    ("subscriptions", "subscription"),
    ("invoices", "invoice"),
    ("payment_methods", "payment_method"),
    ("products", "product"),
    ("prices", "price"),
    ("checkout/sessions", "checkout.session"),
    ("billing_portal/sessions", "billing_portal.session"),
];

/// A request, below `/v1/`.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) body: &'a str,
    pub(super) key: Option<&'a str>,
}

impl Asked<'_> {
    /// What is counted: the method and the path, ids replaced.
    pub(super) fn counted(&self) -> String {
        match place(self.path) {
            Some((collection, _, Some(_))) => format!("{} /v1/{collection}/{{id}}", self.method),
            _ => format!("{} /v1/{}", self.method, self.path),
        }
    }
}

/// Collection, kind and id of a path.
fn place(path: &str) -> Option<(&'static str, &'static str, Option<&str>)> {
    if let Some(rest) = path.strip_prefix("events") {
        return Some(("events", "event", rest.strip_prefix('/'))).filter(|_| rest.is_empty() || rest.starts_with('/'));
    }
    COLLECTIONS.iter().find_map(|(collection, kind)| match path.strip_prefix(collection)? {
        "" => Some((*collection, *kind, None)),
        rest => Some((*collection, *kind, Some(rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'))?))),
    })
}

impl Account {
    /// Answers a request; whether the answer is that of an earlier one with its key.
    pub(super) fn answer(&mut self, asked: &Asked<'_>) -> (Answer, bool) {
        let request = format!("{} {}\n{}", asked.method, asked.path, asked.body);
        let key = asked.key.filter(|_| asked.method == "POST");
        if let Some(kept) = key.and_then(|key| self.keys.get(key)) {
            if kept.request != request {
                return (error(400, "idempotency_error", None, None), false);
            }
            return ((kept.status, kept.body.clone()), true);
        }
        let answer = self.carry_out(asked).unwrap_or_else(|refused| refused);
        // What fails validation was not begun, and is not kept.
        if let Some(key) = key.filter(|_| answer.0 < 400) {
            self.keys.insert(key.to_owned(), super::account::Kept { request, status: answer.0, body: answer.1.clone() });
        }
        (answer, false)
    }

    fn carry_out(&mut self, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let (_, kind, id) = place(asked.path).ok_or_else(|| error(404, "invalid_request_error", None, None))?;
        let parameters = form::parse(if asked.method == "GET" { asked.query } else { asked.body });
        let shown = match (asked.method, kind, id) {
            ("GET", "event", None) => lists::events(self, &parameters)?,
            ("GET", "event", Some(id)) => self.event(id).cloned().ok_or_else(|| missing("id"))?,
            ("GET", _, None) => self.shape.show(&lists::objects(self, kind, &parameters)?),
            ("GET", _, Some(id)) => self.shape.show(self.existing(kind, id, "id")?),
            ("POST", "customer", None) => self.create_customer(&parameters)?,
            ("POST", "checkout.session", None) => self.create_checkout(&parameters)?,
            ("POST", "billing_portal.session", None) => self.create_portal(&parameters)?,
            ("POST", "subscription", Some(id)) => self.update_subscription(id, &parameters)?,
            // A subscription that has ended counts as none here.
            ("DELETE", "subscription", Some(id)) => {
                let ended = self.cancel(id, false).map_err(|_| missing("id"))?;
                self.shape.show(&ended)
            }
            _ => return Err(error(404, "invalid_request_error", None, None)),
        };
        Ok((200, shown))
    }

    /// An object of a kind. `parameter` is what named it.
    fn existing(&self, kind: &str, id: &str, parameter: &str) -> Result<&Value, Answer> {
        self.get(id).filter(|found| found["object"] == kind).ok_or_else(|| missing(parameter))
    }

    fn create_customer(&mut self, parameters: &Map<String, Value>) -> Result<Value, Answer> {
        known(parameters, &["email", "name", "metadata"])?;
        let id = self.id("cus");
        let metadata = parameters.get("metadata").cloned().unwrap_or_else(|| json!({}));
        let customer = objects::customer(&id, form::text(parameters, &["email"]), &metadata, self.now());
        self.put(customer.clone());
        self.tell("customer.created", &id, None);
        Ok(customer)
    }

    fn create_checkout(&mut self, parameters: &Map<String, Value>) -> Result<Value, Answer> {
        const NAMES: [&str; 8] =
            ["mode", "customer", "client_reference_id", "line_items", "metadata", "subscription_data", "success_url", "cancel_url"];
        known(parameters, &NAMES)?;
        if form::text(parameters, &["mode"]) != Some("subscription") {
            return Err(error(400, "invalid_request_error", Some("parameter_invalid_empty"), Some("mode")));
        }
        for name in ["success_url", "cancel_url"] {
            absolute(parameters, name)?;
        }
        let customer = form::text(parameters, &["customer"]).unwrap_or_default();
        self.customer(customer)?;
        let line = "line_items[0][price]";
        let price = form::text(parameters, &["line_items", "0", "price"]).unwrap_or_default().to_owned();
        if !self.existing("price", &price, line)?["active"].as_bool().unwrap_or_default() {
            return Err(error(400, "invalid_request_error", Some("price_inactive"), Some(line)));
        }
        let id = self.id("cs_test");
        let url = format!("{}/checkout/{id}", self.url);
        let session = objects::checkout(&id, &url, &Value::Object(parameters.clone()), self.existing("price", &price, line)?, self.now());
        let metadata = parameters.get("subscription_data").map(|data| data["metadata"].clone()).unwrap_or_default();
        self.baskets.insert(id, Basket { price, metadata });
        self.put(session.clone());
        Ok(session)
    }

    fn create_portal(&mut self, parameters: &Map<String, Value>) -> Result<Value, Answer> {
        known(parameters, &["customer", "return_url", "flow_data"])?;
        absolute(parameters, "return_url")?;
        self.customer(form::text(parameters, &["customer"]).unwrap_or_default())?;
        if parameters.contains_key("flow_data") {
            self.confirmable(parameters)?;
        }
        let id = self.id("bps");
        let session = objects::portal(&id, &format!("{}/portal/{id}", self.url), &Value::Object(parameters.clone()), self.now());
        self.put(session.clone());
        Ok(session)
    }

    /// Refuses a change that nobody could confirm.
    fn confirmable(&self, parameters: &Map<String, Value>) -> Result<(), Answer> {
        const FLOW: &str = "subscription_update_confirm";
        let refused = |parameter| error(400, "invalid_request_error", Some("resource_missing"), Some(parameter));
        let of = |names: &[&str]| form::text(parameters, &[&["flow_data", FLOW][..], names].concat()).unwrap_or_default();
        if form::text(parameters, &["flow_data", "type"]) != Some(FLOW) {
            return Err(error(400, "invalid_request_error", Some("parameter_invalid_empty"), Some("flow_data[type]")));
        }
        let found = self.existing("subscription", of(&["subscription"]), "flow_data[subscription_update_confirm][subscription]")?;
        if found["status"] == "canceled" || found["customer"] != parameters["customer"] {
            return Err(refused("flow_data[subscription_update_confirm][subscription]"));
        }
        if found["items"]["data"][0]["id"] != of(&["items", "0", "id"]) {
            return Err(refused("flow_data[subscription_update_confirm][items][0][id]"));
        }
        let price = "flow_data[subscription_update_confirm][items][0][price]";
        let to = self.existing("price", of(&["items", "0", "price"]), price)?;
        if to["active"] != true || found["items"]["data"][0]["price"]["id"] == to["id"] {
            return Err(error(400, "invalid_request_error", None, Some(price)));
        }
        Ok(())
    }

    fn update_subscription(&mut self, id: &str, parameters: &Map<String, Value>) -> Result<Value, Answer> {
        known(parameters, &["items", "proration_behavior", "cancel_at_period_end", "metadata"])?;
        let found = self.existing("subscription", id, "id")?;
        if found["status"] == "canceled" {
            return Err(error(400, "invalid_request_error", Some("resource_missing"), Some("subscription")));
        }
        if let Some(item) = form::text(parameters, &["items", "0", "id"])
            && found["items"]["data"][0]["id"] != item
        {
            return Err(error(400, "invalid_request_error", Some("resource_missing"), Some("items[0][id]")));
        }
        let refused = |_| error(400, "invalid_request_error", Some("resource_missing"), Some("items[0][price]"));
        if let Some(price) = form::text(parameters, &["items", "0", "price"]).map(str::to_owned) {
            self.change_price(id, &price).map_err(refused)?;
        }
        if let Some(word) = form::text(parameters, &["cancel_at_period_end"]).map(str::to_owned) {
            self.update(id, &json!({"cancel_at_period_end": word == "true"})).map_err(refused)?;
        }
        Ok(self.shape.show(self.existing("subscription", id, "id")?))
    }

    /// Refuses a customer that is not there, or not any more.
    fn customer(&self, id: &str) -> Result<(), Answer> {
        let refused = || error(400, "invalid_request_error", Some("resource_missing"), Some("customer"));
        self.get(id).filter(|found| found["object"] == "customer" && found["deleted"].is_null()).map(|_| ()).ok_or_else(refused)
    }
}

/// An error in Stripe's envelope.
pub(super) fn error(status: u16, kind: &str, code: Option<&str>, parameter: Option<&str>) -> Answer {
    let mut error = json!({"type": kind, "message": "The fake refuses this."});
    for (name, word) in [("code", code), ("param", parameter)] {
        if let Some(word) = word {
            error[name] = json!(word);
        }
    }
    (status, json!({"error": error}))
}

/// What is asked for by its own address is 404, what a parameter names 400.
fn missing(parameter: &str) -> Answer {
    error(if parameter == "id" { 404 } else { 400 }, "invalid_request_error", Some("resource_missing"), Some(parameter))
}

/// Refuses parameters that this address does not have, as Stripe does.
pub(super) fn known(parameters: &Map<String, Value>, names: &[&str]) -> Result<(), Answer> {
    match parameters.keys().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => Err(error(400, "invalid_request_error", Some("parameter_unknown"), Some(unknown))),
        None => Ok(()),
    }
}

fn absolute(parameters: &Map<String, Value>, name: &str) -> Result<(), Answer> {
    let url: Option<http::Uri> = form::text(parameters, &[name]).and_then(|text| text.parse().ok());
    match url.and_then(|url| url.scheme_str().map(str::to_owned)).as_deref() {
        Some("http" | "https") => Ok(()),
        _ => Err(error(400, "invalid_request_error", Some("url_invalid"), Some(name))),
    }
}

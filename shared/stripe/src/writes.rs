//! What is changed at Stripe. Everything carries the user's id, so that each event names whose it is.

use serde::Serialize;
use serde_json::Value;
use std::time::Instant;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::client::{Client, place};
use crate::{Intent, StripeError};

/// What Stripe made or changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The object as it was when the effect took place.
    pub object: Value,
    /// Whether this intent was carried out before. Then the object can have changed since.
    pub replayed: bool,
}

/// A customer to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCustomer<'a> {
    /// The user's e-mail address, for receipts.
    pub email: Option<&'a str>,
}

/// A checkout to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCheckout<'a> {
    /// Stripe's id of the customer.
    pub customer: &'a str,
    /// The price to subscribe to.
    pub price: &'a str,
    /// Where Stripe sends the browser after payment.
    pub success_url: &'a str,
    /// Where it sends the browser when the user goes back.
    pub cancel_url: &'a str,
}

/// A visit to the billing portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewPortal<'a> {
    /// Stripe's id of the customer.
    pub customer: &'a str,
    /// Where Stripe sends the browser afterwards.
    pub return_url: &'a str,
    /// What the visit is for; nothing for the portal's first page.
    pub confirm: Option<Confirm<'a>>,
}

/// A change that the user is asked to confirm, with what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirm<'a> {
    /// The change.
    pub change: PriceChange<'a>,
    /// Where Stripe sends the browser when it was confirmed.
    pub success_url: &'a str,
}

/// Another price for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceChange<'a> {
    /// Stripe's id of the subscription.
    pub subscription: &'a str,
    /// The item whose price changes.
    pub item: &'a str,
    /// The new price.
    pub price: &'a str,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "userId")]
    user: &'a str,
}

#[derive(Serialize)]
struct CustomerForm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct LineItem<'a> {
    price: &'a str,
    quantity: u32,
}

#[derive(Serialize)]
struct SubscriptionData<'a> {
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct CheckoutForm<'a> {
    mode: &'static str,
    customer: &'a str,
    client_reference_id: &'a str,
    line_items: [LineItem<'a>; 1],
    metadata: Metadata<'a>,
    subscription_data: SubscriptionData<'a>,
    success_url: &'a str,
    cancel_url: &'a str,
}

#[derive(Serialize)]
struct PortalForm<'a> {
    customer: &'a str,
    return_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow_data: Option<FlowForm<'a>>,
}

#[derive(Serialize)]
struct FlowForm<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    subscription_update_confirm: ConfirmForm<'a>,
    after_completion: AfterForm<'a>,
}

#[derive(Serialize)]
struct ConfirmForm<'a> {
    subscription: &'a str,
    items: [ItemForm<'a>; 1],
}

#[derive(Serialize)]
struct AfterForm<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    redirect: RedirectForm<'a>,
}

#[derive(Serialize)]
struct RedirectForm<'a> {
    return_url: &'a str,
}

impl<'a> From<Confirm<'a>> for FlowForm<'a> {
    fn from(Confirm { change, success_url }: Confirm<'a>) -> Self {
        Self {
            kind: "subscription_update_confirm",
            subscription_update_confirm: ConfirmForm {
                subscription: change.subscription,
                items: [ItemForm { id: change.item, price: change.price }],
            },
            after_completion: AfterForm { kind: "redirect", redirect: RedirectForm { return_url: success_url } },
        }
    }
}

#[derive(Serialize)]
struct ItemForm<'a> {
    id: &'a str,
    price: &'a str,
}

#[derive(Serialize)]
struct UpdateForm<'a> {
    items: [ItemForm<'a>; 1],
    proration_behavior: &'static str,
}

impl Client {
    /// Creates a customer of the intent's user.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_customer(&self, new: &NewCustomer<'_>, intent: &Intent<'_>, until: Instant) -> Result<Written, StripeError> {
        let form = CustomerForm { email: new.email, metadata: Metadata { user: intent.user } };
        self.post("create-customer", "/customers", &form, intent, until).await
    }

    /// Opens a checkout of one monthly subscription.
    ///
    /// # Errors
    /// [`StripeError`]; a customer or price that is not there is [`StripeError::is_missing`] of `customer` or `line_items[0][price]`.
    pub async fn create_checkout(&self, new: &NewCheckout<'_>, intent: &Intent<'_>, until: Instant) -> Result<Written, StripeError> {
        let form = CheckoutForm {
            mode: "subscription",
            customer: new.customer,
            client_reference_id: intent.user,
            line_items: [LineItem { price: new.price, quantity: 1 }],
            metadata: Metadata { user: intent.user },
            subscription_data: SubscriptionData { metadata: Metadata { user: intent.user } },
            success_url: new.success_url,
            cancel_url: new.cancel_url,
        };
        self.post("create-checkout", "/checkout/sessions", &form, intent, until).await
    }

    /// Opens a visit to the billing portal.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn create_portal(&self, new: &NewPortal<'_>, intent: &Intent<'_>, until: Instant) -> Result<Written, StripeError> {
        let form = PortalForm { customer: new.customer, return_url: new.return_url, flow_data: new.confirm.map(FlowForm::from) };
        self.post("create-portal", "/billing_portal/sessions", &form, intent, until).await
    }

    /// Moves a subscription to another price, with prorations.
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn change_price(&self, change: &PriceChange<'_>, intent: &Intent<'_>, until: Instant) -> Result<Written, StripeError> {
        let path = place("/subscriptions", change.subscription)?;
        let form = UpdateForm { items: [ItemForm { id: change.item, price: change.price }], proration_behavior: "create_prorations" };
        self.post("change-price", &path, &form, intent, until).await
    }

    /// Ends a subscription at once: the subscription as it is then. Stripe takes no key for it, as it can end only once; a repetition
    /// whose first answer was lost is [`StripeError::NotFound`].
    ///
    /// # Errors
    /// [`StripeError`].
    pub async fn cancel_subscription(&self, id: &str, until: Instant) -> Result<Value, StripeError> {
        let request = RequestBuilder::new(StripeMethod::Delete, place("/subscriptions", id)?);
        Ok(self.call(&request, None, until).await?.object)
    }

    async fn post(
        &self,
        operation: &str,
        path: &str,
        form: &impl Serialize,
        intent: &Intent<'_>,
        until: Instant,
    ) -> Result<Written, StripeError> {
        let request = RequestBuilder::new(StripeMethod::Post, path).form(form);
        let key = intent.key(operation, request.body.as_deref().unwrap_or_default());
        self.call(&request, Some(&key), until).await
    }
}

//! A subscription that its owner ends or moves to another price: Stripe is told, and its answer is taken into the mirror by the same
//! guarded transaction as an event, so that the caller's next read shows it. Stripe's event finds it done.

use std::time::Instant;

use billing::{Answer, CustomerItem, ItemId};
use domain::{Plans, Rev, UserId};
use serde_json::Value;
use store::{Answered, Before, OwnSubscription, Question};
use stripe_client::{Client, Intent, Object, PriceChange, StripeError};
use web::{ApiError, Caller, Request};

use crate::App;
use crate::buying::{occasion, until};
use crate::errors::{of_store, of_stripe};

/// A subscription after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedSubscription {
    /// As Stripe shows it.
    pub object: Value,
    /// The revision from which on the views show it.
    pub rev: Rev,
}

/// The subscription that a request is about.
struct Target<'a> {
    user: &'a UserId,
    id: &'a str,
    customer: String,
    item: CustomerItem,
    /// What was stored before Stripe was told.
    before: Before,
}

impl App {
    /// Ends a subscription of the caller at once.
    ///
    /// # Errors
    /// `404` when the caller has no such subscription; `409` when it has ended; `401` for a deleted account; `503` when Stripe or the table is
    /// unavailable: a repetition finds out what became of the first try.
    pub async fn cancel_subscription(&self, request: &Request, id: &str) -> Result<ChangedSubscription, ApiError> {
        let user = &Caller::of(request)?.user;
        let target = self.target(user, id).await?;
        let (stripe, until) = (self.billing_calls()?, until(request));
        let ended = match stripe.cancel_subscription(id, until).await {
            // It has ended already: by a try whose answer was lost, or elsewhere. Stripe shows which.
            Err(StripeError::NotFound) => stripe.object(Object::Subscription(id), until).await,
            answer => answer,
        };
        match ended {
            Err(StripeError::NotFound) => {
                self.take(stripe, &target, None, request, until).await?;
                Err(ApiError::NotFound("Subscription"))
            }
            object => self.taken(stripe, &target, object.map_err(of_stripe)?, request, until).await,
        }
    }

    /// Moves a subscription of the caller to another offered price, with prorations.
    ///
    /// # Errors
    /// `400` for a price that is not offered; `404` when the caller has no such subscription; `409` when it has ended, or Stripe cannot
    /// charge for it; `401` for a deleted account; `503` when Stripe or the table is unavailable.
    pub async fn change_price(&self, request: &Request, id: &str, price: &str) -> Result<ChangedSubscription, ApiError> {
        let user = &Caller::of(request)?.user;
        let plans = self.plans(request.now()).await;
        if !plans.listed().any(|plan| plan.stripe_price_id.as_deref() == Some(price)) {
            return Err(ApiError::BadRequest("priceId: not offered".to_owned()));
        }
        let target = self.target(user, id).await?;
        let (stripe, until) = (self.billing_calls()?, until(request));
        let found = match stripe.object(Object::Subscription(id), until).await {
            Err(StripeError::NotFound) => {
                self.take(stripe, &target, None, request, until).await?;
                return Err(ApiError::NotFound("Subscription"));
            }
            found => found.map_err(of_stripe)?,
        };
        if has_ended(&found) {
            self.take(stripe, &target, Some(found), request, until).await?;
            return Err(ended());
        }
        let item = plan_item(&found, &plans).ok_or_else(|| ApiError::Internal("a subscription without an item".into()))?;
        if item["price"]["id"] == price {
            return self.taken(stripe, &target, found, request, until).await;
        }
        // The way back and there again on one day is another wish: the customer's revision tells them apart.
        let once = format!("{} {}", occasion(request)?, target.before.rev.unwrap_or_default());
        let change = PriceChange { subscription: id, item: item["id"].as_str().unwrap_or_default(), price };
        match stripe.change_price(&change, &Intent { user: user.as_str(), once: &once }, until).await {
            Ok(changed) if !changed.replayed => self.taken(stripe, &target, changed.object, request, until).await,
            Ok(_) => {
                let now = stripe.object(Object::Subscription(id), until).await.map_err(of_stripe)?;
                self.taken(stripe, &target, now, request, until).await
            }
            Err(StripeError::Refused { status: 402, .. }) => Err(ApiError::Conflict("The payment was refused".to_owned())),
            Err(error) => Err(of_stripe(error)),
        }
    }

    /// The caller's subscription, with what is stored of it.
    async fn target<'a>(&self, user: &'a UserId, id: &'a str) -> Result<Target<'a>, ApiError> {
        let own = self.table.own_subscription(user, id).await.map_err(of_store)?;
        let OwnSubscription { customer, ended: has_ended } = own.ok_or(ApiError::NotFound("Subscription"))?;
        if has_ended {
            return Err(ended());
        }
        let item = CustomerItem::Item(ItemId::Subscription(id.to_owned()));
        let before = self.table.before(&customer, &item).await.map_err(of_store)?;
        Ok(Target { user, id, customer, item, before })
    }

    async fn taken(
        &self,
        stripe: &Client,
        target: &Target<'_>,
        object: Value,
        request: &Request,
        until: Instant,
    ) -> Result<ChangedSubscription, ApiError> {
        let rev = self.take(stripe, target, Some(object.clone()), request, until).await?;
        Ok(ChangedSubscription { object, rev })
    }

    /// Takes what Stripe shows (nothing: it has no such object) into the mirror: the revision that shows it. When something of the customer
    /// changed meanwhile, most likely by the event of this very change, Stripe is asked again.
    async fn take(
        &self,
        stripe: &Client,
        target: &Target<'_>,
        mut shown: Option<Value>,
        request: &Request,
        until: Instant,
    ) -> Result<Rev, ApiError> {
        let plans = self.plans(request.now()).await;
        let mut before = target.before;
        loop {
            let answer = shown.as_ref().map_or(Answer::Missing, Answer::Object);
            let question = Question { customer: &target.customer, object: &target.item, before, asked_at: request.now() };
            match self.table.answered(question, answer, &plans).await.map_err(of_store)? {
                Answered::Changed(Some((user, rev))) => {
                    self.bump(&user, rev).await;
                    return Ok(rev);
                }
                Answered::Changed(None) | Answered::Same => return self.present_rev(target.user).await,
                Answered::Refused(reason) => return Err(ApiError::Internal(reason.into())),
                Answered::Moved => {}
            }
            before = self.table.before(&target.customer, &target.item).await.map_err(of_store)?;
            shown = match stripe.object(Object::Subscription(target.id), until).await {
                Err(StripeError::NotFound) => None,
                found => Some(found.map_err(of_stripe)?),
            };
        }
    }

    async fn present_rev(&self, user: &UserId) -> Result<Rev, ApiError> {
        Ok(self.table.root(user).await.map_err(of_store)?.map(|root| root.rev).unwrap_or_default())
    }
}

/// Whether Stripe shows a subscription that has ended for good.
pub(crate) fn has_ended(subscription: &Value) -> bool {
    subscription["status"] == "canceled" || subscription["status"] == "incomplete_expired"
}

/// The item that the plan is paid by: the one whose price is in the catalogue, else the first.
pub(crate) fn plan_item<'a>(subscription: &'a Value, plans: &Plans) -> Option<&'a Value> {
    let items = subscription["items"]["data"].as_array()?;
    let is_plan = |item: &&Value| item["price"]["id"].as_str().is_some_and(|price| plans.of_price(price).id != plans.free().id);
    items.iter().find(is_plan).or_else(|| items.first())
}

fn ended() -> ApiError {
    ApiError::Conflict("Subscription is already canceled".to_owned())
}

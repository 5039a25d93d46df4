//! What Stripe's products and prices change in the plan catalogue: which price a plan has, and whether it is offered (D18).
//!
//! A price is a plan's when the catalogue names it, or when it or its product carries the plan's id as `metadata.planId`, or as
//! `lookup_key` (`starter`, `starter_monthly`). The plans are always computed from the deployment's catalogue and all that Stripe
//! told, never from the last result, so the order of events does not matter.

use std::collections::BTreeMap;

use domain::{Plan, PlanId, Plans};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::{Decision, Marker, Outcome, Quarantine, duplicate, write};
use crate::event::{Event, Malformed};
use crate::guard::{Applied, Guarded, Rank, Stored, Version, apply, settle};
use crate::json;
use crate::refetch::Answer;
use crate::work::Work;

/// Prices and products that are kept, each.
const ENTRIES_MAX: usize = 500;

/// A price, as far as plans depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Stripe's id.
    pub id: String,
    /// The plan that it names.
    pub plan: Option<PlanId>,
    /// Its product.
    pub product: Option<String>,
    /// Whether it can be bought.
    pub active: bool,
    /// Smallest units of the currency; none for tiers.
    pub unit_amount: Option<i64>,
    /// Whether it is in US dollars by the single month, as plans are.
    pub is_monthly_usd: bool,
    /// Unix seconds.
    pub created: i64,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A product, as far as plans depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Stripe's id.
    pub id: String,
    /// The plan that it names.
    pub plan: Option<PlanId>,
    /// Whether it can be bought.
    pub active: bool,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// All that Stripe told about prices and products, in one item. Every change raises `rev`, the condition of its transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Raised by one in every transaction.
    pub rev: u64,
    /// By id.
    pub prices: BTreeMap<String, Stored<Price>>,
    /// By id.
    pub products: BTreeMap<String, Stored<Product>>,
}

/// Something that a person has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// A price that can be bought has another amount than its plan.
    AmountDiffers {
        /// The plan.
        plan: PlanId,
        /// Stripe's price id.
        price: String,
    },
}

/// Changes of the catalogue, on the condition that it still has the revision that was read (or is still absent).
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueWrites {
    /// What Stripe told, its `rev` already raised by one.
    pub catalogue: Catalogue,
    /// The plans that follow.
    pub plans: Plans,
    /// What is wrong with Stripe's prices.
    pub alarms: Vec<Alarm>,
}

/// Which object of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogueId {
    /// A price, by id.
    Price(String),
    /// A product, by id.
    Product(String),
}

/// A change of a product or price.
#[derive(Debug, Clone)]
pub struct CatalogueWork {
    event_type: String,
    fingerprint: String,
    version: Version,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Price(Price),
    Product(Product),
}

impl Guarded for Price {
    fn weight(&self) -> u8 {
        u8::from(self.deleted)
    }
}

impl Guarded for Product {
    fn weight(&self) -> u8 {
        u8::from(self.deleted)
    }
}

impl Price {
    fn from_object(object: &Value, rank: Rank) -> Result<Self, Malformed> {
        let deleted = rank == Rank::Deleted;
        let is_month = json::text(object, &["recurring", "interval"]) == Some("month")
            && json::number(object, &["recurring", "interval_count"]).unwrap_or(1) == 1;
        Ok(Self {
            id: json::id(object, &["id"]).ok_or(Malformed("a price without an id"))?,
            plan: plan_named(object),
            product: json::id(object, &["product"]),
            active: json::flag(object, &["active"]) && !deleted,
            unit_amount: json::number(object, &["unit_amount"]),
            is_monthly_usd: is_month && json::text(object, &["currency"]).is_some_and(|currency| currency.eq_ignore_ascii_case("usd")),
            created: json::seconds(object, &["created"]).unwrap_or_default(),
            deleted,
        })
    }
}

impl Product {
    fn from_object(object: &Value, rank: Rank) -> Result<Self, Malformed> {
        let deleted = rank == Rank::Deleted;
        let id = json::id(object, &["id"]).ok_or(Malformed("a product without an id"))?;
        Ok(Self { id, plan: plan_named(object), active: json::flag(object, &["active"]) && !deleted, deleted })
    }
}

fn plan_named(object: &Value) -> Option<PlanId> {
    let key = json::text(object, &["lookup_key"]).map(|key| key.strip_suffix("_monthly").unwrap_or(key));
    [json::text(object, &["metadata", "planId"]), key].into_iter().flatten().find_map(|word| match word.to_ascii_lowercase().as_str() {
        "starter" => Some(PlanId::Starter),
        "professional" => Some(PlanId::Professional),
        "enterprise" => Some(PlanId::Enterprise),
        _ => None,
    })
}

impl CatalogueWork {
    pub(crate) fn price(event: &Event, version: Version) -> Result<Work, Malformed> {
        let change = Change::Price(Price::from_object(&event.object, version.rank)?);
        Ok(Self::work(event, version, change))
    }

    pub(crate) fn product(event: &Event, version: Version) -> Result<Work, Malformed> {
        let change = Change::Product(Product::from_object(&event.object, version.rank)?);
        Ok(Self::work(event, version, change))
    }

    fn work(event: &Event, version: Version, change: Change) -> Work {
        let (event_type, fingerprint) = (event.event_type.clone(), event.fingerprint.clone());
        Work::Catalogue(Box::new(Self { event_type, fingerprint, version, change }))
    }

    /// Decides on the event. `base` is the deployment's own catalogue, not the last result.
    #[must_use]
    pub fn decide(&self, marker: Option<&Marker>, stored: Option<&Catalogue>, base: &Plans) -> Decision {
        if let Some(marker) = marker {
            return duplicate(marker, &self.fingerprint);
        }
        let mut catalogue = stored.cloned().unwrap_or_default();
        let changed = match &self.change {
            Change::Price(price) => put(&mut catalogue.prices, &price.id, price, &self.version),
            Change::Product(product) => put(&mut catalogue.products, &product.id, product, &self.version),
        };
        if catalogue.prices.len().max(catalogue.products.len()) > ENTRIES_MAX {
            return Decision::Quarantine(Quarantine::CatalogueFull);
        }
        let outcome = if changed { Outcome::Applied } else { Outcome::Stale };
        let writes = changed.then(|| catalogue.writes(base));
        write(&self.event_type, &self.fingerprint, outcome, None, writes)
    }
}

fn put<T: Guarded>(entries: &mut BTreeMap<String, Stored<T>>, id: &str, value: &T, version: &Version) -> bool {
    match apply(entries.get(id), value.clone(), version.clone()) {
        Applied::Changed(stored) => {
            entries.insert(id.to_owned(), stored);
            true
        }
        Applied::Stale => false,
    }
}

impl Catalogue {
    /// What Stripe has to be asked for.
    #[must_use]
    pub fn marked(&self) -> Vec<CatalogueId> {
        let prices = self.prices.values().filter(|stored| stored.needs_refresh).map(|stored| CatalogueId::Price(stored.value.id.clone()));
        let products =
            self.products.values().filter(|stored| stored.needs_refresh).map(|stored| CatalogueId::Product(stored.value.id.clone()));
        prices.chain(products).collect()
    }

    /// Takes Stripe's answer. `self` was read before Stripe was asked, at `asked_at`; its revision is the condition of the transaction.
    ///
    /// # Errors
    /// [`Quarantine`] when the answer is no such object.
    pub fn refetched(&self, id: &CatalogueId, answer: Answer<'_>, asked_at: i64, base: &Plans) -> Result<CatalogueWrites, Quarantine> {
        let mut catalogue = self.clone();
        match (id, answer.or_missing()) {
            (CatalogueId::Price(id), Answer::Object(object)) => {
                let price = Price::from_object(object, Rank::Updated)?;
                same(id, &price.id)?;
                catalogue.prices.insert(id.clone(), settle(self.prices.get(id), price, asked_at));
            }
            (CatalogueId::Product(id), Answer::Object(object)) => {
                let product = Product::from_object(object, Rank::Updated)?;
                same(id, &product.id)?;
                catalogue.products.insert(id.clone(), settle(self.products.get(id), product, asked_at));
            }
            (CatalogueId::Price(id), Answer::Missing) => {
                if let Some(known) = self.prices.get(id) {
                    let gone = Price { active: false, deleted: true, ..known.value.clone() };
                    catalogue.prices.insert(id.clone(), settle(Some(known), gone, asked_at));
                }
            }
            (CatalogueId::Product(id), Answer::Missing) => {
                if let Some(known) = self.products.get(id) {
                    let gone = Product { active: false, deleted: true, ..known.value.clone() };
                    catalogue.products.insert(id.clone(), settle(Some(known), gone, asked_at));
                }
            }
        }
        Ok(catalogue.writes(base))
    }

    fn writes(mut self, base: &Plans) -> CatalogueWrites {
        self.rev += 1;
        let (plans, alarms) = self.plans(base);
        CatalogueWrites { catalogue: self, plans, alarms }
    }

    /// The plans as they are offered, and what is wrong with Stripe's prices.
    #[must_use]
    pub fn plans(&self, base: &Plans) -> (Plans, Vec<Alarm>) {
        let json = serde_json::to_string(base).expect("plans have string keys and whole numbers");
        let mut plans: Vec<Plan> = serde_json::from_str(&json).expect("plans decode from what they encode to");
        let mut alarms = Vec::new();
        for plan in plans.iter_mut().filter(|plan| plan.id != PlanId::Free) {
            self.offer(plan, base, &mut alarms);
        }
        let json = serde_json::to_string(&plans).expect("plans have string keys and whole numbers");
        (Plans::from_json(&json).expect("the free plan was left alone"), alarms)
    }

    /// Sets a plan's current price and whether it is offered.
    fn offer(&self, plan: &mut Plan, base: &Plans, alarms: &mut Vec<Alarm>) {
        let prices: Vec<&Price> =
            self.prices.values().map(|stored| &stored.value).filter(|price| self.plan_of(price, base) == Some(plan.id)).collect();
        let former = prices.iter().map(|price| price.id.clone()).filter(|id| !plan.stripe_price_ids.contains(id)).collect::<Vec<_>>();
        plan.stripe_price_ids.extend(former);
        let is_buyable = |price: &&&Price| price.active && price.is_monthly_usd && self.product_sells(price.product.as_deref());
        let has_amount = |price: &Price| price.unit_amount.is_some_and(|amount| u64::try_from(amount) == Ok(plan.price));
        // The enterprise plan is by contract: its prices mean the plan, but it is never listed and has no amount to compare.
        if plan.listed {
            let wrong = prices.iter().filter(is_buyable).filter(|price| !has_amount(price));
            alarms.extend(wrong.map(|price| Alarm::AmountDiffers { plan: plan.id, price: price.id.clone() }));
            let newest = prices.iter().filter(is_buyable).filter(|price| has_amount(price)).max_by_key(|price| (price.created, &price.id));
            let untold = plan.stripe_price_id.as_ref().filter(|id| !self.prices.contains_key(*id)).cloned();
            let current = newest.map(|price| price.id.clone()).or(untold.filter(|_| self.some_product_sells(plan.id)));
            plan.listed = current.is_some();
            if let Some(current) = current.filter(|current| plan.stripe_price_id.as_ref() != Some(current)) {
                plan.stripe_price_ids.extend(plan.stripe_price_id.replace(current));
            }
        }
        let current = plan.stripe_price_id.clone();
        plan.stripe_price_ids.retain(|id| Some(id) != current.as_ref());
        plan.stripe_price_ids.sort_unstable();
        plan.stripe_price_ids.dedup();
    }

    fn plan_of(&self, price: &Price, base: &Plans) -> Option<PlanId> {
        let by_catalogue = Some(base.of_price(&price.id).id).filter(|plan| *plan != PlanId::Free);
        let product = || self.products.get(price.product.as_deref()?)?.value.plan;
        by_catalogue.or(price.plan).or_else(product)
    }

    /// Whether a product can be bought; one that was never told about can.
    fn product_sells(&self, id: Option<&str>) -> bool {
        id.and_then(|id| self.products.get(id)).is_none_or(|stored| stored.value.active)
    }

    /// Whether one of the products that name the plan can be bought; so it is when none does.
    fn some_product_sells(&self, plan: PlanId) -> bool {
        let mut products = self.products.values().map(|stored| &stored.value).filter(|product| product.plan == Some(plan)).peekable();
        products.peek().is_none() || products.any(|product| product.active)
    }
}

fn same(asked: &str, answered: &str) -> Result<(), Malformed> {
    if asked == answered { Ok(()) } else { Err(Malformed("Stripe answered with another object")) }
}

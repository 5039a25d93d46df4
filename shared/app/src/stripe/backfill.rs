//! Filling the mirror from Stripe, customer by customer: after a migration, and when something is in doubt.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use billing::catalogue::CatalogueId;
use billing::{Answer, is_id};
use futures::future::{join_all, try_join};
use stripe_client::List;
use web::BoxError;

use super::refetch::RefetchError;
use crate::App;

/// Customers that are asked for together.
const CONCURRENCY: usize = 5;
/// Time for one list.
const LIST_TIME: Duration = Duration::from_secs(60);
/// Tries when the catalogue changes meanwhile.
const TRIES: u32 = 5;

/// Whose mirror is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backfill {
    /// That of every customer that the table knows.
    Known,
    /// That of these, and of all customers that Stripe has.
    All,
}

/// What a backfill did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Customers that were asked for.
    pub customers: usize,
    /// Objects that the mirror showed otherwise, or not at all.
    pub changed: usize,
    /// Customers that could not be taken over, with the reason.
    pub failed: Vec<(String, String)>,
}

impl App {
    /// Takes prices, products and everything of the customers over from Stripe. A repetition finishes what was left.
    ///
    /// # Errors
    /// When a list, or the table, fails. A customer that fails is reported, and the others go on.
    pub async fn backfill(&self, whose: Backfill) -> Result<Backfilled, BoxError> {
        self.backfill_catalogue().await?;
        let mut customers = self.table.customers().await?;
        if whose == Backfill::All {
            customers.extend(self.customers_at_stripe().await?);
        }
        let customers: Vec<String> = customers.into_iter().collect();
        let mut done = Backfilled { customers: customers.len(), ..Backfilled::default() };
        for together in customers.chunks(CONCURRENCY) {
            let filled = join_all(together.iter().map(|customer| self.fill_customer(customer))).await;
            for (customer, result) in together.iter().zip(filled) {
                match result {
                    Ok(changed) => done.changed += changed,
                    Err(error) => done.failed.push((customer.clone(), error.to_string())),
                }
            }
        }
        Ok(done)
    }

    async fn customers_at_stripe(&self) -> Result<BTreeSet<String>, BoxError> {
        let client = self.stripe()?;
        let (mut customers, mut after) = (BTreeSet::new(), None);
        loop {
            let page = client.page(List::Customers, after.as_deref(), Instant::now() + LIST_TIME).await?;
            customers.extend(page.objects.iter().filter_map(|customer| customer["id"].as_str()).filter(|id| is_id(id)).map(str::to_owned));
            after = page.next;
            if after.is_none() {
                return Ok(customers);
            }
        }
    }

    async fn backfill_catalogue(&self) -> Result<(), RefetchError> {
        let client = self.stripe()?;
        for _ in 0..TRIES {
            let before = self.table.stripe_catalogue().await?;
            let asked_at = self.clock.now().unix_seconds();
            let until = Instant::now() + LIST_TIME;
            let (products, prices) = try_join(client.all(List::Products, until), client.all(List::Prices, until)).await?;
            let id = |object: &serde_json::Value| object["id"].as_str().map(str::to_owned);
            let products = products.iter().filter_map(|object| Some((CatalogueId::Product(id(object)?), Answer::Object(object))));
            let prices = prices.iter().filter_map(|object| Some((CatalogueId::Price(id(object)?), Answer::Object(object))));
            if self.take_catalogue(before.as_ref(), &products.chain(prices).collect::<Vec<_>>(), asked_at).await? {
                return Ok(());
            }
        }
        Err(RefetchError::Later("the catalogue changes faster than Stripe answers".into()))
    }
}

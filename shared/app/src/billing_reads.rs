//! The billing endpoints' reads: from the mirror, through the cache, never from Stripe.
//!
//! The root, or a snapshot with it, is read first and labels the answer: every change of a user's customer raises the root's revision.

use billing::views;
use bytes::Bytes;
use store::CustomerHead;
use web::{ApiError, Caller, Request, Response};

use crate::cached::{CUSTOMER, Loaded, View};
use crate::errors::of_store;
use crate::reads::alive;
use crate::{App, body};

/// Invoices that an answer shows (openapi.yaml).
const INVOICES_MAX: usize = 100;
/// Invoices that are read for them: thrown-away drafts are not shown.
const INVOICES_READ: usize = 120;
/// Payment methods that are read: detached ones are not shown.
const METHODS_READ: usize = 200;

/// What of a customer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Customer,
    Invoices,
    Cards,
}

impl Part {
    fn view(self, customer: &str) -> View {
        let name = match self {
            Self::Customer => "stripe-customer",
            Self::Invoices => "billing-history",
            Self::Cards => "payment-methods",
        };
        View::of_customer(name, customer)
    }
}

impl App {
    /// Shows the caller's customer object: one snapshot on a miss.
    ///
    /// # Errors
    /// `404` when the customer is not the caller's; `401` for a deleted account; `503` when the table fails and nothing usable is cached.
    pub async fn show_stripe_customer(&self, request: &Request, customer: &str) -> Result<Response, ApiError> {
        self.show_of_customer(request, Part::Customer, customer).await
    }

    /// Shows the newest invoices of the caller's customer: two trips on a miss.
    ///
    /// # Errors
    /// As [`App::show_stripe_customer`].
    pub async fn show_billing_history(&self, request: &Request, customer: &str) -> Result<Response, ApiError> {
        self.show_of_customer(request, Part::Invoices, customer).await
    }

    /// Shows the cards of the caller's customer: two trips on a miss.
    ///
    /// # Errors
    /// As [`App::show_stripe_customer`].
    pub async fn show_payment_methods(&self, request: &Request, customer: &str) -> Result<Response, ApiError> {
        self.show_of_customer(request, Part::Cards, customer).await
    }

    /// Shows usage, subscription, invoices and cards: two trips on a miss, one without a customer.
    ///
    /// # Errors
    /// `401` for a deleted account; `503` when the table fails and nothing usable is cached.
    pub async fn show_billing_summary(&self, request: &Request) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        self.cached(request, View::billing("billing-summary"), || async {
            let root = self.root(user).await?;
            let items = match &root.billing.customer {
                Some(customer) => self.table.methods_and_invoices(&customer.id, METHODS_READ).await.map_err(of_store)?,
                None => Vec::new(),
            };
            let plans = self.plans(request.now()).await;
            let summary = views::summary(&root, &items, &plans, request.now(), INVOICES_MAX);
            Ok(Loaded::new(root.rev, body::data(&summary)))
        })
        .await
    }

    /// Shows something of a customer that has to be the caller's own (D7).
    async fn show_of_customer(&self, request: &Request, part: Part, customer: &str) -> Result<Response, ApiError> {
        let user = &Caller::of(request)?.user;
        if !billing::is_id(customer) {
            return Err(ApiError::NotFound(CUSTOMER));
        }
        self.cached(request, part.view(customer), || async {
            let found = self.table.own_customer(user, customer).await.map_err(of_store)?;
            alive(found.deleted_at)?;
            match &found.value {
                Some(head) => Ok(Loaded::new(found.rev, self.body_of(part, head).await?)),
                // Not kept: anybody can name any number of customers.
                None => Ok(Loaded::missing(found.rev, CUSTOMER).cacheable(false)),
            }
        })
        .await
    }

    async fn body_of(&self, part: Part, head: &CustomerHead) -> Result<Bytes, ApiError> {
        let (customer, stale) = (head.meta.customer.as_str(), head.meta.needs_fill());
        Ok(match part {
            Part::Customer => body::named("customer", &views::customer(&head.meta, head.root.billing.customer.as_ref()), stale),
            Part::Invoices => {
                let items = self.table.newest_invoices(customer, INVOICES_READ).await.map_err(of_store)?;
                body::named("history", &views::invoices(&items, INVOICES_MAX), stale)
            }
            Part::Cards => {
                let items = self.table.payment_methods(customer, METHODS_READ).await.map_err(of_store)?;
                body::named("methods", &views::cards(&items), stale)
            }
        })
    }
}

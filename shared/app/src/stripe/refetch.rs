//! Asking Stripe: for what is marked, for a customer that is new, and for what a list shows otherwise.
//!
//! The table is read, Stripe is asked, and the answer is stored on the condition that the customer is still as it was read. Whatever an event
//! changes in between makes Stripe be asked again. The client's own time limit, repetitions and breaker bound it.

use std::time::{Duration, Instant};

use billing::catalogue::CatalogueId;
use billing::{Answer, CustomerItem, ItemId, Outcome, Related, Shown};
use domain::{Rev, UserId};
use serde_json::Value;
use store::stream::Refresh;
use store::{Answered, CatalogueAnswered, Filled, Question, StoreError};
use stripe_client::{Client, List, Object, StripeError};
use web::BoxError;

use super::alarms::Watched;
use crate::App;

/// Times that Stripe is asked for one thing because something else changed meanwhile.
const QUESTIONS_MAX: u32 = 5;
/// Time for one thing: what it takes at Stripe is well below a second.
const ASKING_TIME: Duration = Duration::from_secs(8);

/// Why something was not taken over from Stripe.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefetchError {
    /// The same may work later.
    #[error(transparent)]
    Later(BoxError),
    /// It can never work: why.
    #[error("{0}")]
    Never(String),
}

impl From<StoreError> for RefetchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Malformed { .. } => Self::Never(error.to_string()),
            error => Self::Later(error.into()),
        }
    }
}

impl From<StripeError> for RefetchError {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Refused { .. } => Self::Never(error.to_string()),
            error => Self::Later(error.into()),
        }
    }
}

impl App {
    /// Stripe.
    pub(crate) fn stripe(&self) -> Result<&Client, RefetchError> {
        self.stripe_client().ok_or_else(|| RefetchError::Later("no key for Stripe is set".into()))
    }

    /// Does what a marked item asks for. Nothing is done when it is marked no longer.
    pub(crate) async fn refresh(&self, refresh: &Refresh) -> Result<(), RefetchError> {
        match refresh {
            Refresh::Catalogue => self.refetch_catalogue(None).await,
            Refresh::Event(event) => self.complete_parked(event).await,
            Refresh::Customer(customer, object) => {
                let before = self.table.before(customer, object).await?;
                match (before.needs_fill, before.needs_refresh) {
                    (true, _) => self.fill_customer(customer).await.map(drop),
                    (false, true) => self.refetch(customer, object).await.map(drop),
                    (false, false) => Ok(()),
                }
            }
        }
    }

    /// Takes one object over as Stripe shows it now: whether the mirror showed it otherwise.
    pub(crate) async fn refetch(&self, customer: &str, object: &CustomerItem) -> Result<bool, RefetchError> {
        let client = self.stripe()?;
        for _ in 0..QUESTIONS_MAX {
            let before = self.table.before(customer, object).await?;
            let question = Question { customer, object, before, asked_at: self.clock.now() };
            let found = found(client.object(at_stripe(customer, object), Instant::now() + ASKING_TIME).await)?;
            let answer = found.as_ref().map_or(Answer::Missing, Answer::Object);
            let plans = self.plans(question.asked_at).await;
            match self.table.answered(question, answer, &plans).await? {
                Answered::Changed(shown) => {
                    self.show_rev(shown).await;
                    return Ok(true);
                }
                Answered::Same => return Ok(false),
                Answered::Moved => {}
                Answered::Refused(reason) => return Err(RefetchError::Never(reason)),
            }
        }
        Err(moved())
    }

    /// Takes everything of a customer over as Stripe shows it now: how many objects the mirror showed otherwise.
    pub(crate) async fn fill_customer(&self, customer: &str) -> Result<usize, RefetchError> {
        let client = self.stripe()?;
        for _ in 0..QUESTIONS_MAX {
            let known = self.table.known_mirror(customer).await?;
            let asked_at = self.clock.now();
            let (head, objects) = everything_of(client, customer).await?;
            let plans = self.plans(asked_at).await;
            let shown = Shown { customer: head.as_ref(), objects: &objects };
            match self.table.fill_mirror(customer, known, shown, &plans, asked_at).await? {
                Filled::Done { changed, shown } => {
                    self.show_rev(shown).await;
                    return Ok(changed);
                }
                Filled::Moved => {}
                Filled::Refused(reason) => return Err(RefetchError::Never(reason)),
            }
        }
        Err(moved())
    }

    /// Takes prices and products over as Stripe shows them now: those that are marked, or one.
    pub(crate) async fn refetch_catalogue(&self, only: Option<CatalogueId>) -> Result<(), RefetchError> {
        let client = self.stripe()?;
        for _ in 0..QUESTIONS_MAX {
            let before = self.table.stripe_catalogue().await?;
            let marked = || before.as_ref().map(|catalogue| catalogue.marked()).unwrap_or_default();
            let ids = only.clone().map_or_else(marked, |id| vec![id]);
            let asked_at = self.clock.now().unix_seconds();
            let mut objects = Vec::with_capacity(ids.len());
            for id in &ids {
                let object = match id {
                    CatalogueId::Price(id) => Object::Price(id),
                    CatalogueId::Product(id) => Object::Product(id),
                };
                objects.push(found(client.object(object, Instant::now() + ASKING_TIME).await)?);
            }
            let answers = ids.into_iter().zip(objects.iter().map(|object| object.as_ref().map_or(Answer::Missing, Answer::Object)));
            if self.take_catalogue(before.as_ref(), &answers.collect::<Vec<_>>(), asked_at).await? {
                return Ok(());
            }
        }
        Err(moved())
    }

    /// Stores answers about prices and products: false when the catalogue changed meanwhile.
    pub(crate) async fn take_catalogue(
        &self,
        before: Option<&billing::catalogue::Catalogue>,
        answers: &[(CatalogueId, Answer<'_>)],
        asked_at: i64,
    ) -> Result<bool, RefetchError> {
        match self.table.catalogue_answered(before, answers, asked_at).await? {
            CatalogueAnswered::Same => Ok(true),
            CatalogueAnswered::Moved => Ok(false),
            CatalogueAnswered::Refused(reason) => Err(RefetchError::Never(reason)),
            CatalogueAnswered::Changed(alarms) => {
                for alarm in alarms {
                    tracing::error!(kind = ?alarm.kind, alarm = alarm.text, "Stripe's catalogue needs a person");
                    self.count(Watched::Alarm(alarm.kind));
                }
                // The stream tells the cache again.
                self.plans_changed().await;
                Ok(true)
            }
        }
    }

    /// Asks for the object that a parked event names, and lets the event rest.
    async fn complete_parked(&self, event: &str) -> Result<(), RefetchError> {
        let Some(related) = self.table.parked(event).await? else { return Ok(()) };
        let outcome = self.take_related(&related).await?;
        Ok(self.table.unpark(event, outcome, self.clock.now()).await?)
    }

    async fn take_related(&self, related: &Related) -> Result<Outcome, RefetchError> {
        let id = related.id.as_str();
        let object = match related.object.as_str() {
            "price" => return self.refetch_catalogue(Some(CatalogueId::Price(id.to_owned()))).await.map(|()| Outcome::Applied),
            "product" => return self.refetch_catalogue(Some(CatalogueId::Product(id.to_owned()))).await.map(|()| Outcome::Applied),
            "customer" => Object::Customer(id),
            "subscription" => Object::Subscription(id),
            "invoice" => Object::Invoice(id),
            "payment_method" => Object::PaymentMethod(id),
            _ => return Ok(Outcome::Ignored),
        };
        // Whose it is has to be known before the mirror can be read, and the mirror before Stripe is asked for what is stored.
        let Some(seen) = found(self.stripe()?.object(object, Instant::now() + ASKING_TIME).await)? else { return Ok(Outcome::Stale) };
        let Some((customer, item)) = CustomerItem::of(&seen) else { return Ok(Outcome::Ignored) };
        self.refetch(&customer, &item).await?;
        Ok(Outcome::Applied)
    }

    async fn show_rev(&self, shown: Option<(UserId, Rev)>) {
        if let Some((user, rev)) = shown {
            self.bump(&user, rev).await;
        }
    }
}

/// Everything that Stripe shows of a customer; nothing when it knows no such customer.
async fn everything_of(client: &Client, customer: &str) -> Result<(Option<Value>, Vec<Value>), RefetchError> {
    let until = Instant::now() + ASKING_TIME;
    let Some(head) = found(client.object(Object::Customer(customer), until).await)? else { return Ok((None, Vec::new())) };
    let list = |list| async move {
        match client.all(list, until).await {
            // A deleted customer has none any more.
            Err(error) if error == StripeError::NotFound || error.is_missing("customer") => Ok(Vec::new()),
            result => result,
        }
    };
    let (subscriptions, invoices, methods) = futures::future::try_join3(
        list(List::SubscriptionsOf(customer)),
        list(List::InvoicesOf(customer)),
        list(List::PaymentMethodsOf(customer)),
    )
    .await?;
    Ok((Some(head), [subscriptions, invoices, methods].concat()))
}

/// An object, or that there is none.
fn found(answer: Result<Value, StripeError>) -> Result<Option<Value>, StripeError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(StripeError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn at_stripe<'a>(customer: &'a str, object: &'a CustomerItem) -> Object<'a> {
    match object {
        CustomerItem::Customer => Object::Customer(customer),
        CustomerItem::Item(ItemId::Subscription(id)) => Object::Subscription(id),
        CustomerItem::Item(ItemId::Invoice { id, .. }) => Object::Invoice(id),
        CustomerItem::Item(ItemId::PaymentMethod(id)) => Object::PaymentMethod(id),
    }
}

fn moved() -> RefetchError {
    RefetchError::Later("it changes faster than Stripe answers".into())
}

//! What the billing endpoints show of the mirror, in Stripe's field names.

use domain::views::{UsageInfo, usage};
use domain::{PlanId, Plans, Root, SubscriptionStatus, Timestamp};
use serde::Serialize;

use crate::mirror::{Card, Invoice, Item, Meta, PaymentMethod};

/// Minutes that one extracted contact saves (D3).
const MINUTES_PER_CONTACT: u64 = 5;
/// What a payment is called that has no text of its own.
const PAYMENT: &str = "Subscription Payment";
/// The payment methods that are shown.
const CARD: &str = "card";

/// `GET /api/billing/customer/{customerId}`: the customer object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerView<'a> {
    id: &'a str,
    object: &'static str,
    email: Option<&'a str>,
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

/// A line of `GET /api/billing/billing-history/{customerId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceView<'a> {
    id: &'a str,
    object: &'static str,
    status: Option<&'a str>,
    number: Option<&'a str>,
    currency: &'a str,
    amount_due: i64,
    amount_paid: i64,
    total: i64,
    created: i64,
    subscription: Option<&'a str>,
    description: Option<&'a str>,
    hosted_invoice_url: Option<&'a str>,
    invoice_pdf: Option<&'a str>,
}

/// A line of `GET /api/billing/payment-methods/{customerId}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentMethodView<'a> {
    id: &'a str,
    object: &'static str,
    #[serde(rename = "type")]
    method: &'a str,
    card: Option<&'a Card>,
    created: i64,
}

/// `GET /api/billing/summary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryView<'a> {
    usage: SummaryUsage,
    subscription: SummarySubscription<'a>,
    billing_history: Vec<SummaryInvoice<'a>>,
    payment_methods: Vec<PaymentMethodView<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryUsage {
    #[serde(flatten)]
    usage: UsageInfo,
    contacts_extracted: u64,
    time_saved: u64,
    days_remaining: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Status {
    Stripe(SubscriptionStatus),
    Inactive(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SummarySubscription<'a> {
    has_subscription: bool,
    plan: PlanId,
    plan_name: &'a str,
    status: Status,
    cancel_at_period_end: bool,
    price: u64,
    interval: &'static str,
    #[serde(flatten)]
    period: Option<Period<'a>>,
}

/// What only a subscription at Stripe has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Period<'a> {
    subscription_id: &'a str,
    current_period_start: i64,
    current_period_end: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_billing_date: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct SummaryInvoice<'a> {
    id: &'a str,
    amount: i64,
    currency: &'a str,
    status: Option<&'a str>,
    created: i64,
    description: &'a str,
    invoice_pdf: Option<&'a str>,
}

/// The customer object: as Stripe told, else as the import named it.
#[must_use]
pub fn customer<'a>(meta: &'a Meta, named: Option<&'a domain::Customer>) -> CustomerView<'a> {
    let told = meta.object.as_ref().map(|stored| &stored.value);
    let named = named.filter(|_| told.is_none());
    CustomerView {
        id: &meta.customer,
        object: "customer",
        email: told.and_then(|told| told.email.as_deref()).or_else(|| named?.email.as_deref()),
        name: told.and_then(|told| told.name.as_deref()).or_else(|| named?.name.as_deref()),
        created: told.filter(|told| !told.deleted).map(|told| told.created),
        deleted: told.is_some_and(|told| told.deleted),
    }
}

/// The invoices among a customer's objects, newest first, at most `count`.
#[must_use]
pub fn invoices(items: &[Item], count: usize) -> Vec<InvoiceView<'_>> {
    shown_invoices(items, count).map(invoice).collect()
}

/// The cards that a customer has, newest first.
#[must_use]
pub fn cards(items: &[Item]) -> Vec<PaymentMethodView<'_>> {
    let methods = items.iter().filter_map(Item::payment_method).map(|stored| &stored.value);
    let mut cards: Vec<&PaymentMethod> = methods.filter(|method| method.attached && method.method == CARD).collect();
    cards.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    cards.into_iter().map(card).collect()
}

/// Usage, subscription, invoices and cards of a user; `items` are those of the customer in the root.
#[must_use]
pub fn summary<'a>(root: &'a Root, items: &'a [Item], plans: &'a Plans, now: Timestamp, count: usize) -> SummaryView<'a> {
    SummaryView {
        usage: SummaryUsage {
            usage: usage(root, plans, now),
            contacts_extracted: root.usage_at(now).contacts_extracted,
            time_saved: root.contacts.all * MINUTES_PER_CONTACT,
            days_remaining: now.days_left_in_month(),
        },
        subscription: subscription(root, plans),
        billing_history: shown_invoices(items, count).map(summary_invoice).collect(),
        payment_methods: cards(items),
    }
}

fn shown_invoices(items: &[Item], count: usize) -> impl Iterator<Item = &Invoice> {
    let mut invoices: Vec<&Invoice> =
        items.iter().filter_map(Item::invoice).map(|stored| &stored.value).filter(|invoice| !invoice.deleted).collect();
    invoices.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    invoices.into_iter().take(count)
}

fn invoice(invoice: &Invoice) -> InvoiceView<'_> {
    InvoiceView {
        id: &invoice.id,
        object: "invoice",
        status: invoice.status.as_deref(),
        number: invoice.number.as_deref(),
        currency: &invoice.currency,
        amount_due: invoice.amount_due,
        amount_paid: invoice.amount_paid,
        total: invoice.total,
        created: invoice.created,
        subscription: invoice.subscription.as_deref(),
        description: invoice.description.as_deref(),
        hosted_invoice_url: invoice.hosted_invoice_url.as_deref(),
        invoice_pdf: invoice.invoice_pdf.as_deref(),
    }
}

/// The contract names five words; another one is shown as none.
fn summary_invoice(invoice: &Invoice) -> SummaryInvoice<'_> {
    const WORDS: [&str; 5] = ["draft", "open", "paid", "uncollectible", "void"];
    SummaryInvoice {
        id: &invoice.id,
        amount: invoice.amount_paid,
        currency: &invoice.currency,
        status: invoice.status.as_deref().filter(|status| WORDS.contains(status)),
        created: invoice.created,
        description: invoice.description.as_deref().unwrap_or(PAYMENT),
        invoice_pdf: invoice.invoice_pdf.as_deref(),
    }
}

fn card(method: &PaymentMethod) -> PaymentMethodView<'_> {
    PaymentMethodView {
        id: &method.id,
        object: "payment_method",
        method: &method.method,
        card: method.card.as_ref(),
        created: method.created,
    }
}

fn subscription<'a>(root: &'a Root, plans: &'a Plans) -> SummarySubscription<'a> {
    let plan = plans.granted(&root.billing);
    let subscribed = root.billing.subscribed();
    SummarySubscription {
        has_subscription: subscribed.is_some(),
        plan: plan.id,
        plan_name: &plan.customer_name,
        status: subscribed.map_or(Status::Inactive("inactive"), |(row, _)| Status::Stripe(row.status)),
        cancel_at_period_end: subscribed.is_some_and(|(row, _)| row.cancel_at_period_end),
        price: plan.price,
        interval: "month",
        period: subscribed.map(|(row, stripe_id)| {
            let end = row.current_period_end.unix_seconds();
            let goes_on = row.status.grants_plan() && row.cancels_at.is_none() && !row.cancel_at_period_end;
            Period {
                subscription_id: stripe_id,
                current_period_start: row.current_period_start.unix_seconds(),
                current_period_end: end,
                next_billing_date: goes_on.then_some(end),
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::guard::{Rank, Stored, Version};

    fn stored<T>(value: T) -> Stored<T> {
        Stored { value, version: Version { created: 1, rank: Rank::Updated, event: "evt_1".into() }, needs_refresh: false }
    }

    fn invoice_of(id: &str, created: i64, status: &str, deleted: bool) -> Item {
        let rank = if deleted { Rank::Deleted } else { Rank::Updated };
        Item::Invoice(stored(Invoice::from_object(&json!({"id": id, "created": created, "status": status}), rank).unwrap()))
    }

    fn method_of(id: &str, kind: &str, attached: bool) -> Item {
        let object = json!({"id": id, "type": kind, "card": {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}});
        Item::PaymentMethod(stored(PaymentMethod::from_object(&object, attached).unwrap()))
    }

    fn ids(list: &impl Serialize) -> Vec<String> {
        let list = serde_json::to_value(list).unwrap();
        list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_newest_invoices_come_first_and_deleted_drafts_not_at_all() {
        let items = [invoice_of("in_1", 5, "paid", false), invoice_of("in_2", 9, "draft", true), invoice_of("in_3", 7, "open", false)];
        assert_eq!(ids(&invoices(&items, 100)), ["in_3", "in_1"]);
        assert_eq!(ids(&invoices(&items, 1)), ["in_3"]);
    }

    #[test]
    fn only_cards_that_the_customer_still_has_are_shown() {
        let items = [method_of("pm_1", "card", true), method_of("pm_2", "card", false), method_of("pm_3", "sepa_debit", true)];
        assert_eq!(ids(&cards(&items)), ["pm_1"]);
        let card = serde_json::to_value(cards(&items)).unwrap();
        assert_eq!(card[0]["card"], json!({"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}));
    }

    #[test]
    fn an_unknown_word_for_an_invoice_is_shown_in_the_history_and_not_in_the_summary() {
        let items = [invoice_of("in_1", 5, "disputed", false)];
        assert_eq!(serde_json::to_value(invoices(&items, 9)).unwrap()[0]["status"], "disputed");
        let (root, plans) = (Root::default(), Plans::built_in());
        let summary = serde_json::to_value(summary(&root, &items, &plans, Timestamp::from_ms(1_772_703_000_000), 9)).unwrap();
        assert_eq!(summary["billingHistory"][0]["status"], json!(null));
        assert_eq!(summary["billingHistory"][0]["description"], "Subscription Payment");
        let expected = json!({"hasSubscription": false, "plan": "free", "planName": "Free Plan", "status": "inactive",
            "cancelAtPeriodEnd": false, "price": 0, "interval": "month"});
        assert_eq!(summary["subscription"], expected);
        assert_eq!(summary["usage"]["daysRemaining"], 26);
    }

    #[test]
    fn a_deleted_customer_is_shown_as_such_and_its_address_is_gone() {
        let named = domain::Customer { id: "cus_1".into(), email: Some("ines@example.test".into()), name: None };
        let unknown = Meta::new("cus_1", None);
        assert_eq!(serde_json::to_value(customer(&unknown, Some(&named))).unwrap()["email"], "ines@example.test");
        let gone = Meta { object: Some(stored(crate::mirror::Customer::gone())), ..unknown };
        let expected = json!({"id": "cus_1", "object": "customer", "email": null, "name": null, "deleted": true});
        assert_eq!(serde_json::to_value(customer(&gone, Some(&named))).unwrap(), expected);
    }
}

//! Stripe's objects as the pinned version of its API shows them, with the fields that anybody here reads.

use domain::{Plan, PlanId, Plans};
use serde_json::{Value, json};

/// Length of the billing periods: 31 days.
pub(super) const PERIOD_S: i64 = 31 * 86_400;

/// Products and prices of the catalogue: of each plan that is sold its current price, and its former ones, which cannot be bought.
pub(super) fn catalogue(now: i64) -> Vec<Value> {
    let plans = Plans::built_in();
    plans.listed().filter(|plan| plan.id != PlanId::Free).flat_map(|plan| of_plan(plan, now)).collect()
}

fn of_plan(plan: &Plan, now: i64) -> Vec<Value> {
    let word = serde_json::to_value(plan.id).unwrap_or_default();
    let product = format!("prod_{}", word.as_str().unwrap_or_default());
    let price = |id: &str, active: bool, created: i64| {
        json!({"id": id, "object": "price", "active": active, "billing_scheme": "per_unit", "created": created, "currency": "usd",
            "livemode": false, "lookup_key": null, "metadata": {"planId": word}, "nickname": null, "product": product,
            "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"}, "type": "recurring",
            "unit_amount": plan.price, "unit_amount_decimal": plan.price.to_string()})
    };
    let head = json!({"id": product, "object": "product", "active": true, "created": now, "default_price": plan.stripe_price_id,
        "description": plan.description, "livemode": false, "metadata": {"planId": word}, "name": plan.name, "type": "service",
        "updated": now});
    let former = plan.stripe_price_ids.iter().map(|id| price(id, false, now - 1));
    let current = plan.stripe_price_id.iter().map(|id| price(id, true, now));
    std::iter::once(head).chain(former).chain(current).collect()
}

/// A customer.
pub(super) fn customer(id: &str, email: Option<&str>, metadata: &Value, now: i64) -> Value {
    json!({"id": id, "object": "customer", "balance": 0, "created": now, "currency": null, "default_source": null, "delinquent": false,
        "description": null, "email": email, "invoice_settings": {"default_payment_method": null}, "livemode": false, "metadata": metadata,
        "name": null, "phone": null})
}

/// A card of a customer.
pub(super) fn card(id: &str, customer: &str, now: i64) -> Value {
    json!({"id": id, "object": "payment_method", "billing_details": {"email": null, "name": null}, "created": now, "customer": customer,
        "livemode": false, "metadata": {}, "type": "card",
        "card": {"brand": "visa", "country": "US", "exp_month": 12, "exp_year": 2034, "funding": "credit", "last4": "4242"}})
}

/// A checkout that waits for its user.
pub(super) fn checkout(id: &str, url: &str, form: &Value, price: &Value, now: i64) -> Value {
    let amount = &price["unit_amount"];
    json!({"id": id, "object": "checkout.session", "amount_subtotal": amount, "amount_total": amount, "cancel_url": form["cancel_url"],
        "client_reference_id": form["client_reference_id"], "created": now, "currency": price["currency"], "customer": form["customer"],
        "expires_at": now + 86_400, "invoice": null, "livemode": false, "metadata": or_empty(&form["metadata"]), "mode": "subscription",
        "payment_status": "unpaid", "status": "open", "subscription": null, "success_url": form["success_url"], "url": url})
}

/// A visit to the billing portal.
pub(super) fn portal(id: &str, url: &str, form: &Value, now: i64) -> Value {
    json!({"id": id, "object": "billing_portal.session", "created": now, "customer": form["customer"], "flow": form["flow_data"],
        "livemode": false, "return_url": form["return_url"], "url": url})
}

/// A subscription of one monthly price that begins now.
pub(super) fn subscription(id: &str, item: &str, customer: &str, price: &Value, metadata: &Value, now: i64) -> Value {
    json!({"id": id, "object": "subscription", "billing_cycle_anchor": now, "cancel_at": null, "cancel_at_period_end": false,
        "canceled_at": null, "collection_method": "charge_automatically", "created": now, "currency": "usd", "customer": customer,
        "default_payment_method": null, "ended_at": null, "latest_invoice": null, "livemode": false, "metadata": or_empty(metadata),
        "pause_collection": null, "start_date": now, "status": "incomplete", "trial_end": null, "trial_start": null,
        "items": {"object": "list", "has_more": false, "total_count": 1, "url": format!("/v1/subscription_items?subscription={id}"),
            "data": [{"id": item, "object": "subscription_item", "created": now, "current_period_end": now + PERIOD_S,
                "current_period_start": now, "metadata": {}, "price": price, "quantity": 1, "subscription": id}]}})
}

/// The draft of a subscription's invoice for the period of its item.
pub(super) fn invoice(id: &str, number: u64, subscription: &Value, now: i64) -> Value {
    let (item, of) = (&subscription["items"]["data"][0], &subscription["id"]);
    let (price, first) = (&item["price"], subscription["latest_invoice"].is_null());
    let amount = &price["unit_amount"];
    let line = json!({"id": format!("il_{number}"), "object": "line_item", "amount": amount, "currency": "usd", "livemode": false,
        "description": "1 x plan", "metadata": {}, "quantity": 1,
        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
        "parent": {"type": "subscription_item_details", "subscription_item_details": {"subscription": of, "subscription_item": item["id"]}},
        "pricing": {"type": "price_details", "price_details": {"price": price["id"], "product": price["product"]}}});
    json!({"id": id, "object": "invoice", "amount_due": amount, "amount_paid": 0, "amount_remaining": amount, "attempt_count": 0,
        "attempted": false, "billing_reason": if first { "subscription_create" } else { "subscription_cycle" }, "created": now,
        "currency": "usd", "customer": subscription["customer"], "description": null, "hosted_invoice_url": null, "invoice_pdf": null,
        "livemode": false, "metadata": {}, "number": null, "status": "draft", "total": amount,
        "parent": {"type": "subscription_details", "subscription_details": {"metadata": subscription["metadata"], "subscription": of}},
        "lines": {"object": "list", "data": [line], "has_more": false, "url": format!("/v1/invoices/{id}/lines")}})
}

/// An event about an object as it is now.
pub(super) fn event(id: &str, kind: &str, version: &str, object: &Value, previous: Option<Value>, now: i64) -> Value {
    let mut data = json!({"object": object});
    if let Some(previous) = previous {
        data["previous_attributes"] = previous;
    }
    json!({"id": id, "object": "event", "api_version": version, "created": now, "data": data, "livemode": false, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null}, "type": kind})
}

fn or_empty(value: &Value) -> Value {
    if value.is_null() { json!({}) } else { value.clone() }
}

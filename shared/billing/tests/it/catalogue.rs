//! Stripe's prices and products change which price a plan has and whether it is offered, and nothing else.

use billing::catalogue::{Alarm, Catalogue, CatalogueId};
use billing::{Answer, Decision, Event, Outcome, Work};
use domain::{PlanId, Plans};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Delivers one event to a catalogue and returns what became of it.
fn deliver(catalogue: &mut Catalogue, body: &str) -> (Outcome, Vec<Alarm>) {
    let Ok(Work::Catalogue(work)) = Event::parse(body.as_bytes()).unwrap().work(false) else { panic!("no event of the catalogue") };
    let Decision::Write(writes) = work.decide(None, Some(catalogue), &Plans::built_in()) else { panic!("nothing to write") };
    let Some(changed) = writes.catalogue else { return (writes.outcome, Vec::new()) };
    assert_eq!(changed.plans, changed.catalogue.plans(&Plans::built_in()).0);
    *catalogue = changed.catalogue;
    (writes.outcome, changed.alarms)
}

fn event(n: usize, event_type: &str, created: i64, object: Value) -> String {
    json!({"id": format!("evt_{n}"), "type": event_type, "created": created, "data": {"object": object}}).to_string()
}

fn price(id: &str, created: i64, amount: i64, active: bool) -> Value {
    json!({"id": id, "object": "price", "active": active, "currency": "usd", "unit_amount": amount, "created": created, "product": "prod_1",
        "recurring": {"interval": "month", "interval_count": 1}, "metadata": {"planId": "starter"}})
}

fn starter(catalogue: &Catalogue) -> (bool, Option<String>) {
    let (plans, _) = catalogue.plans(&Plans::built_in());
    let starter = plans.of_price("starter");
    (starter.listed, starter.stripe_price_id.clone())
}

#[test]
fn a_new_price_becomes_the_plans_and_the_old_one_still_means_it() {
    let mut catalogue = Catalogue::default();
    assert_eq!(deliver(&mut catalogue, &event(1, "price.created", 1, price("price_new", 1, 2900, true))), (Outcome::Applied, vec![]));
    assert_eq!(starter(&catalogue), (true, Some("price_new".into())));
    let (plans, _) = catalogue.plans(&Plans::built_in());
    for id in ["price_new", "price_starter_monthly", "price_demo_starter"] {
        assert_eq!(plans.of_price(id).id, PlanId::Starter, "{id}");
    }
    assert_eq!((plans.free().stripe_price_id.as_ref(), plans.of_price("starter").price), (None, 2900));
    assert_eq!(deliver(&mut catalogue, &event(2, "price.updated", 0, price("price_new", 1, 2900, false))).0, Outcome::Stale);
}

#[test]
fn another_amount_raises_an_alarm_and_is_not_offered() {
    let mut catalogue = Catalogue::default();
    let (_, alarms) = deliver(&mut catalogue, &event(1, "price.created", 1, price("price_dear", 1, 9999, true)));
    assert_eq!(alarms, [Alarm::AmountDiffers { plan: PlanId::Starter, price: "price_dear".into() }]);
    assert_eq!(starter(&catalogue), (true, Some("price_starter_monthly".into())));
}

#[test]
fn a_plan_without_a_price_or_product_for_sale_is_not_offered() {
    let mut catalogue = Catalogue::default();
    deliver(&mut catalogue, &event(1, "price.updated", 1, price("price_starter_monthly", 1, 2900, false)));
    assert_eq!(starter(&catalogue), (false, Some("price_starter_monthly".into())));
    deliver(&mut catalogue, &event(2, "price.created", 2, price("price_new", 2, 2900, true)));
    assert_eq!(starter(&catalogue), (true, Some("price_new".into())));
    let product = json!({"id": "prod_1", "object": "product", "active": false, "metadata": {"planId": "starter"}});
    deliver(&mut catalogue, &event(3, "product.updated", 3, product.clone()));
    assert_eq!(starter(&catalogue), (false, Some("price_starter_monthly".into())));
    deliver(&mut catalogue, &event(4, "product.deleted", 4, product));
    assert!(!starter(&catalogue).0);
}

#[test]
fn yearly_and_foreign_prices_are_no_plans_price() {
    let mut catalogue = Catalogue::default();
    let mut yearly = price("price_year", 1, 29_000, true);
    yearly["recurring"]["interval"] = json!("year");
    let mut euro = price("price_euro", 1, 2900, true);
    euro["currency"] = json!("eur");
    for (n, object) in [yearly, euro].into_iter().enumerate() {
        assert_eq!(deliver(&mut catalogue, &event(n, "price.created", 1, object)), (Outcome::Applied, vec![]));
    }
    assert_eq!(starter(&catalogue), (true, Some("price_starter_monthly".into())));
}

#[test]
fn a_tie_is_settled_by_what_stripe_shows() {
    let mut catalogue = Catalogue::default();
    deliver(&mut catalogue, &event(1, "price.updated", 5, price("price_new", 1, 2900, false)));
    deliver(&mut catalogue, &event(2, "price.updated", 5, price("price_new", 1, 2900, true)));
    assert_eq!(catalogue.marked(), [CatalogueId::Price("price_new".into())]);
    let shown = price("price_new", 1, 2900, false);
    let settled = catalogue.refetched(&catalogue.marked()[0], Answer::Object(&shown), 100, &Plans::built_in()).unwrap();
    assert!(settled.catalogue.marked().is_empty());
    assert_eq!(starter(&settled.catalogue), (true, Some("price_starter_monthly".into())));
    let deleted = json!({"id": "price_new", "deleted": true});
    let gone = catalogue.refetched(&catalogue.marked()[0], Answer::Object(&deleted), 100, &Plans::built_in()).unwrap();
    assert!(gone.catalogue.prices["price_new"].value.deleted);
    assert!(catalogue.refetched(&CatalogueId::Price("price_x".into()), Answer::Object(&shown), 100, &Plans::built_in()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_catalogue_events_ends_in_the_same_plans(
        changes in proptest::collection::vec((0..4_u8, 0..3_u8, 0..4_i64, any::<bool>(), any::<bool>()), 1..12),
        keys in proptest::collection::vec(any::<u32>(), 12),
    ) {
        let body = |(n, (what, target, created, active, right)): (usize, &(u8, u8, i64, bool, bool))| {
            let amount = if *right { 2900 } else { 100 };
            let product = json!({"id": format!("prod_{target}"), "active": active, "metadata": {"planId": "starter"}});
            match what {
                0 => event(n, "price.created", *created, price(&format!("price_{target}"), *created, amount, *active)),
                1 => event(n, "price.updated", *created, price("price_starter_monthly", 0, amount, *active)),
                2 => event(n, "price.deleted", *created, price(&format!("price_{target}"), 0, amount, *active)),
                _ => event(n, "product.updated", *created, product),
            }
        };
        let events: Vec<String> = changes.iter().enumerate().map(body).collect();
        let mut order: Vec<usize> = (0..events.len()).chain(0..events.len() / 2).collect();
        let (mut one, mut other) = (Catalogue::default(), Catalogue::default());
        for n in &order {
            deliver(&mut one, &events[*n]);
        }
        order.sort_by_key(|n| keys[*n]);
        for n in &order {
            deliver(&mut other, &events[*n]);
        }
        one.rev = other.rev;
        prop_assert_eq!(one.plans(&Plans::built_in()), other.plans(&Plans::built_in()));
        prop_assert_eq!(one, other);
    }
}

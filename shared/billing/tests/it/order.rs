//! Every order and repetition of a history ends in the same state, and in Stripe's once it was asked.

use proptest::prelude::*;

use super::history::{Step, Stripe, steps};
use super::table::Table;

/// Deliveries: which event, in an order that has nothing to do with time, some of them several times.
fn shuffled(events: &[String], seed: &[u32]) -> Vec<String> {
    let at = |n: usize| seed[n % seed.len()].wrapping_mul(n as u32 * 2 + 1);
    let mut order: Vec<(u32, usize)> = (0..events.len()).map(|n| (at(n), n)).collect();
    order.extend((0..events.len()).filter(|n| at(*n) % 3 == 0).map(|n| (at(n + 7), n)));
    order.sort_unstable();
    order.into_iter().map(|(_, n)| events[n].clone()).collect()
}

fn delivered<'a>(bodies: impl IntoIterator<Item = &'a String>) -> Table {
    let mut table = Table::default();
    for body in bodies {
        table.deliver(body);
    }
    table
}

fn seed() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 5..40)
}

/// The state when Stripe was asked for everything.
fn of_stripe(stripe: &Stripe) -> Table {
    let mut table = delivered(&stripe.events);
    for (customer, item) in table.all() {
        table.refetch(&customer, &item, &stripe.answers(), stripe.now + 100);
    }
    table
}

fn check(steps: &[Step], seed: &[u32]) -> Result<(), TestCaseError> {
    let stripe = Stripe::live(steps);
    let in_order = delivered(&stripe.events);
    let mut marked = delivered(&shuffled(&stripe.events, seed));
    let mut unmarked = Table::default();
    shuffled(&stripe.events, seed).iter().for_each(|body| unmarked.deliver_unmarked(body));
    prop_assert_eq!(marked.state(), in_order.state());
    prop_assert_eq!(unmarked.state(), in_order.state());

    marked.refetch_marked(&stripe.answers(), stripe.now + 100);
    prop_assert_eq!(marked.shown(), of_stripe(&stripe).shown());
    prop_assert!(!marked.has_marks());
    Ok(())
}

/// Refetches happen while late events still arrive; the clock stands still in the one case, and has moved on in the other.
fn check_interleaved(steps: &[Step], seed: &[u32], seconds_later: i64) -> Result<(), TestCaseError> {
    let stripe = Stripe::live(steps);
    let mut table = Table::default();
    for (n, body) in shuffled(&stripe.events, seed).iter().enumerate() {
        table.deliver(body);
        if seed[n % seed.len()].is_multiple_of(2) {
            table.refetch_marked(&stripe.answers(), stripe.now + seconds_later);
        }
    }
    table.refetch_marked(&stripe.answers(), stripe.now + seconds_later);
    prop_assert_eq!(table.shown(), of_stripe(&stripe).shown());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_and_repetition_ends_in_the_same_state_and_in_stripes_after_the_refetch(steps in steps(40), seed in seed()) {
        check(&steps, &seed)?;
    }

    #[test]
    fn a_refetch_between_late_events_loses_none(steps in steps(40), seed in seed()) {
        check_interleaved(&steps, &seed, 100)?;
        check_interleaved(&steps, &seed, 0)?;
    }
}

/// All orders of a list.
fn permutations(list: &[String]) -> Vec<Vec<String>> {
    if list.len() < 2 {
        return vec![list.to_vec()];
    }
    let mut all = Vec::new();
    for n in 0..list.len() {
        let mut rest = list.to_vec();
        let first = rest.remove(n);
        all.extend(permutations(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_orders_of_six_events_end_in_the_same_state(steps in steps(14)) {
        let mut events = Stripe::live(&steps).events;
        events.truncate(6);
        let expected = delivered(&events).state();
        for order in permutations(&events) {
            prop_assert_eq!(&delivered(&order).state(), &expected, "{:#?}", order);
        }
    }
}

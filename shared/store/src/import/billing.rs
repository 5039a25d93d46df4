//! Chooses a user's billing state from its lines and from what is stored.

use domain::{Billing, Customer};

use super::line::{SubscriptionLine, UserLine};

/// The billing state after an import. A stored subscription that the file does not name stays a candidate.
pub(super) fn merged(stored: &Billing, user: Option<&UserLine>, lines: &[SubscriptionLine]) -> Billing {
    let kept = stored.subscription.iter().filter(|kept| lines.iter().all(|line| line.subscription.id != kept.id));
    let subscription = Billing::choose(lines.iter().map(|line| &line.subscription).chain(kept).cloned());
    let of_chosen = lines.iter().find(|line| subscription.as_ref().is_some_and(|chosen| chosen.id == line.subscription.id));
    let named = of_chosen.and_then(|line| line.customer.clone());
    let of_user = user.and_then(|line| line.stripe_customer_id.clone()).map(|id| Customer { id, email: None, name: None });
    let customer = match (named, of_user, &stored.customer) {
        (Some(new), _, old) | (None, Some(new), old) => Some(completed(new, old.as_ref())),
        (None, None, old) => old.clone(),
    };
    Billing { customer, subscription }
}

/// A customer whose missing fields are those stored for the same customer.
fn completed(new: Customer, old: Option<&Customer>) -> Customer {
    match old.filter(|old| old.id == new.id) {
        Some(old) => Customer { email: new.email.or_else(|| old.email.clone()), name: new.name.or_else(|| old.name.clone()), id: new.id },
        None => new,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Subscription, SubscriptionStatus, Timestamp};

    use super::*;

    fn line(id: &str, status: SubscriptionStatus, customer: Option<&str>) -> SubscriptionLine {
        let at = Timestamp::from_ms(1);
        SubscriptionLine {
            subscription: Subscription {
                id: id.into(),
                stripe_subscription_id: None,
                status,
                price_id: "starter".into(),
                current_period_start: at,
                current_period_end: at,
                cancel_at_period_end: false,
                cancels_at: None,
                created_at: at,
            },
            customer: customer.map(|id| Customer { id: id.into(), email: Some("a@b.c".into()), name: None }),
        }
    }

    #[test]
    fn the_same_lines_again_change_nothing() {
        let lines = [line("a", SubscriptionStatus::Canceled, None), line("b", SubscriptionStatus::Active, Some("cus_1"))];
        let user = UserLine { deleted_at: None, stripe_customer_id: Some("cus_2".into()) };
        let once = merged(&Billing::default(), Some(&user), &lines);
        assert_eq!(once.customer.as_ref().unwrap().id, "cus_1");
        assert_eq!(once.subscription.as_ref().unwrap().id, "b");
        assert_eq!(merged(&once, Some(&user), &lines), once);
        assert_eq!(merged(&once, None, &lines[..1]), once, "a better stored subscription stays");
    }

    #[test]
    fn a_user_line_names_the_customer_without_forgetting_its_address() {
        let user = UserLine { deleted_at: None, stripe_customer_id: Some("cus_1".into()) };
        let stored = Billing { customer: line("a", SubscriptionStatus::Active, Some("cus_1")).customer, subscription: None };
        assert_eq!(merged(&stored, Some(&user), &[]), stored);
        let fresh = merged(&Billing::default(), Some(&user), &[]);
        assert_eq!(fresh.customer.unwrap().email, None);
    }
}

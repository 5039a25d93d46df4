//! What a record of the table's stream means.

use billing::CustomerItem;
use domain::{Rev, Timestamp, UserId};
use serde_dynamo::{AttributeValue, Item};

use crate::StoreError;
use crate::keys::{self, AT, CATALOG, CUSTOMER, EVENT, EVENTS, META, NEEDS_REFRESH, PK, PLANS, REV, ROOT, SK, STRIPE, USER};

/// A root that was written or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootChange {
    /// Whose.
    pub user: UserId,
    /// Its revision; nothing when it was deleted.
    pub rev: Option<Rev>,
    /// When that was committed; nothing when the root does not say.
    pub at: Option<Timestamp>,
}

/// What Stripe has to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refresh {
    /// A customer's object, or the customer itself: then perhaps all of it.
    Customer(String, CustomerItem),
    /// Prices and products.
    Catalogue,
    /// The object that a parked event names.
    Event(String),
}

/// Reads a record's keys and new image: nothing when it is of another item than a root.
///
/// # Errors
/// [`StoreError::Malformed`] when it is of a root and cannot be read.
pub fn root_change(keys: &Item, new_image: &Item) -> Result<Option<RootChange>, StoreError> {
    let sk = text(keys, SK).ok_or_else(|| StoreError::malformed("stream record", "it has no sort key"))?;
    if sk != ROOT {
        return Ok(None);
    }
    let user =
        text(keys, PK).and_then(|pk| pk.strip_prefix(USER)).ok_or_else(|| StoreError::malformed(ROOT, "its partition key is no user's"))?;
    let user = UserId::parse(user).map_err(|source| StoreError::malformed(ROOT, source))?;
    let rev = match new_image.get(REV) {
        None if new_image.is_empty() => None,
        Some(AttributeValue::N(rev)) => {
            Some(Rev(rev.parse().map_err(|source: std::num::ParseIntError| StoreError::malformed(ROOT, source))?))
        }
        _ => return Err(StoreError::malformed(ROOT, "its new image has no rev")),
    };
    let at = match new_image.get(AT) {
        Some(AttributeValue::N(ms)) => ms.parse().ok().map(Timestamp::from_ms),
        _ => None,
    };
    Ok(Some(RootChange { user, rev, at }))
}

/// Whether a record is of the plan catalogue.
#[must_use]
pub fn is_plans(keys: &Item) -> bool {
    (text(keys, PK), text(keys, SK)) == (Some(CATALOG), Some(PLANS))
}

/// Reads what a record says about Stripe: nothing when its item is not marked.
///
/// # Errors
/// [`StoreError::Malformed`] when it is marked and of no item that we mark.
pub fn refresh(keys: &Item, new_image: &Item) -> Result<Option<Refresh>, StoreError> {
    if new_image.get(NEEDS_REFRESH).is_none() {
        return Ok(None);
    }
    let (pk, sk) = (text(keys, PK).unwrap_or_default(), text(keys, SK).unwrap_or_default());
    let of_customer = |customer: &str| match sk {
        META => Some(Refresh::Customer(customer.to_owned(), CustomerItem::Customer)),
        _ => Some(Refresh::Customer(customer.to_owned(), CustomerItem::Item(keys::mirrored_of(sk)?))),
    };
    let found = match (pk, sk) {
        (CATALOG, STRIPE) => Some(Refresh::Catalogue),
        (_, EVENT) => pk.strip_prefix(EVENTS).map(|event| Refresh::Event(event.to_owned())),
        _ => pk.strip_prefix(CUSTOMER).and_then(of_customer),
    };
    found.map(Some).ok_or_else(|| StoreError::malformed("stream record", "it is marked and of no item that is"))
}

fn text<'a>(keys: &'a Item, name: &str) -> Option<&'a str> {
    match keys.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(pairs: &[(&str, AttributeValue)]) -> Item {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<std::collections::HashMap<_, _>>().into()
    }

    fn keys(pk: &str, sk: &str) -> Item {
        item(&[("pk", AttributeValue::S(pk.into())), ("sk", AttributeValue::S(sk.into()))])
    }

    #[test]
    fn only_roots_count() {
        let image = item(&[("rev", AttributeValue::N("7".into())), ("at", AttributeValue::N("1772703000000".into()))]);
        let change = root_change(&keys("USER#auth0|1", "ROOT"), &image).unwrap();
        let at = Some(Timestamp::from_ms(1_772_703_000_000));
        assert_eq!(change, Some(RootChange { user: UserId::parse("auth0|1").unwrap(), rev: Some(Rev(7)), at }));
        assert_eq!(root_change(&keys("USER#u", "JOB#1"), &image).unwrap(), None);
        assert_eq!(root_change(&keys("USER#u", "ROOT"), &item(&[])).unwrap().unwrap().rev, None);
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_malformed() {
        let image = item(&[("rev", AttributeValue::S("x".into()))]);
        for (keys, image) in [
            (item(&[]), image.clone()),
            (keys("CUS#1", "ROOT"), image.clone()),
            (keys("USER#a b", "ROOT"), image.clone()),
            (keys("USER#u", "ROOT"), image),
        ] {
            assert!(matches!(root_change(&keys, &image), Err(StoreError::Malformed { .. })));
        }
    }

    #[test]
    fn marked_items_say_what_stripe_has_to_be_asked_for() {
        let marked = item(&[("needs_refresh", AttributeValue::S("yes".into()))]);
        let of = |pk: &str, sk: &str| refresh(&keys(pk, sk), &marked).unwrap().unwrap();
        let object = |id| Refresh::Customer("cus_1".into(), CustomerItem::Item(id));
        assert_eq!(of("CUS#cus_1", "META"), Refresh::Customer("cus_1".into(), CustomerItem::Customer));
        assert_eq!(of("CUS#cus_1", "SUB#sub_1"), object(billing::ItemId::Subscription("sub_1".into())));
        assert_eq!(
            of("CUS#cus_1", "INV#001772703000#in_1"),
            object(billing::ItemId::Invoice { created: 1_772_703_000, id: "in_1".into() })
        );
        assert_eq!(of("CUS#cus_1", "PM#pm_1"), object(billing::ItemId::PaymentMethod("pm_1".into())));
        assert_eq!((of("CATALOG", "STRIPE"), of("EVENT#evt_1", "EVENT")), (Refresh::Catalogue, Refresh::Event("evt_1".into())));
        assert_eq!(refresh(&keys("CUS#cus_1", "META"), &item(&[])).unwrap(), None);
        assert!(refresh(&keys("USER#u", "ROOT"), &marked).is_err() && refresh(&keys("CUS#cus_1", "INV#x#in_1"), &marked).is_err());
    }

    #[test]
    fn the_catalogue_is_told_from_other_items() {
        assert!(is_plans(&keys("CATALOG", "PLANS")));
        assert!(!is_plans(&keys("CATALOG", "JWKS")) && !is_plans(&keys("USER#u", "PLANS")) && !is_plans(&item(&[])));
    }
}

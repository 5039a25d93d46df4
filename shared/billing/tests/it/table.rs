//! What the store does with decisions, in three maps.

use std::collections::BTreeMap;

use billing::guard::Stored;
use billing::mirror::Subscription;
use billing::{
    Answer, CustomerItem, CustomerWrites, Decision, Event, Found, FoundUser, Item, ItemId, Marker, Meta, Outcome, Quarantine, Sources, Work,
};
use domain::{Billing, Plans, UserId};
use serde_json::Value;

/// A table that holds nothing but billing.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub markers: BTreeMap<String, Marker>,
    pub metas: BTreeMap<String, Meta>,
    pub items: BTreeMap<(String, ItemId), Item>,
    pub users: BTreeMap<UserId, (Billing, Option<Sources>)>,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    Outcome(Outcome),
    Altered,
    Quarantined(Quarantine),
}

impl Table {
    pub fn deliver(&mut self, body: &str) -> Delivered {
        let event = match Event::parse(body.as_bytes()) {
            Ok(event) => event,
            Err(malformed) => return Delivered::Quarantined(malformed.into()),
        };
        let marker = self.markers.get(&event.id).cloned();
        let decision = match event.work(false) {
            Ok(Work::Customer(work)) => {
                let found = Found { marker, ..self.find(work.customer(), work.item().as_ref(), |meta| work.user(meta).cloned()) };
                work.decide(&found, &Plans::built_in())
            }
            Ok(Work::Park(_)) => event.park(marker.as_ref()),
            Ok(Work::Ignore(_)) => return Delivered::Outcome(Outcome::Ignored),
            Ok(Work::Catalogue(_)) => unreachable!("the catalogue has tests of its own"),
            Err(malformed) => return Delivered::Quarantined(malformed.into()),
        };
        match decision {
            Decision::Duplicate { altered: false } => Delivered::Outcome(Outcome::Duplicate),
            Decision::Duplicate { altered: true } => Delivered::Altered,
            Decision::Quarantine(reason) => Delivered::Quarantined(reason),
            Decision::Write(writes) => {
                self.markers.insert(event.id, writes.marker);
                if let Some(customer) = writes.customer {
                    self.write(customer);
                }
                Delivered::Outcome(writes.outcome)
            }
        }
    }

    /// Delivers although a marker may be there, as after its 90 days.
    pub fn deliver_unmarked(&mut self, body: &str) {
        self.markers.clear();
        self.deliver(body);
    }

    fn find(&self, customer: &str, item: Option<&ItemId>, user: impl FnOnce(Option<&Meta>) -> Option<UserId>) -> Found {
        let meta = self.metas.get(customer).cloned();
        let user = user(meta.as_ref()).and_then(|user| self.users.get(&user)).cloned();
        let (billing, sources) = user.unwrap_or_default();
        Found {
            marker: None,
            meta,
            item: item.and_then(|item| self.items.get(&(customer.to_owned(), item.clone()))).cloned(),
            subscriptions: self.subscriptions(customer),
            user: FoundUser { billing, sources },
        }
    }

    fn write(&mut self, writes: CustomerWrites) {
        let customer = writes.meta.customer.clone();
        let before = self.metas.get(&customer).map_or(0, |meta| meta.rev);
        assert_eq!(writes.meta.rev, before + 1, "every change raises the customer's rev by one");
        if let Some(item) = writes.item {
            self.items.insert((customer.clone(), item.id()), through_json(&item));
        }
        self.metas.insert(customer, through_json(&writes.meta));
        if let Some(user) = writes.user {
            self.users.insert(user.user, (through_json(&user.billing), Some(through_json(&user.sources))));
        }
    }

    /// Asks Stripe for one object and takes its answer.
    pub fn refetch(&mut self, customer: &str, item: &CustomerItem, stripe: &BTreeMap<String, Value>, asked_at: i64) -> bool {
        let (id, item_id) = match item {
            CustomerItem::Customer => (customer, None),
            CustomerItem::Item(item) => match item {
                ItemId::Subscription(id) | ItemId::PaymentMethod(id) | ItemId::Invoice { id, .. } => (id.as_str(), Some(item)),
            },
        };
        let found = self.find(customer, item_id, |meta| meta.and_then(|meta| meta.user.clone()));
        let answer = stripe.get(id).map_or(Answer::Missing, Answer::Object);
        let changed = item.refetched(customer, &found, answer, asked_at, &Plans::built_in()).unwrap();
        let is_change = changed.is_some();
        changed.into_iter().for_each(|writes| self.write(writes));
        is_change
    }

    /// Refetches what is marked, as the stream's consumer does.
    pub fn refetch_marked(&mut self, stripe: &BTreeMap<String, Value>, asked_at: i64) {
        for (customer, item) in self.all() {
            if self.is_marked(&customer, &item) {
                self.refetch(&customer, &item, stripe, asked_at);
            }
        }
    }

    /// Everything that is mirrored.
    pub fn all(&self) -> Vec<(String, CustomerItem)> {
        let heads = self.metas.keys().map(|customer| (customer.clone(), CustomerItem::Customer));
        heads.chain(self.items.keys().map(|(customer, item)| (customer.clone(), CustomerItem::Item(item.clone())))).collect()
    }

    pub fn has_marks(&self) -> bool {
        self.all().iter().any(|(customer, item)| self.is_marked(customer, item))
    }

    fn is_marked(&self, customer: &str, item: &CustomerItem) -> bool {
        match item {
            CustomerItem::Customer => self.metas[customer].needs_refresh(),
            CustomerItem::Item(item) => self.items[&(customer.to_owned(), item.clone())].needs_refresh(),
        }
    }

    fn subscriptions(&self, customer: &str) -> Vec<Stored<Subscription>> {
        let of_customer = self.items.iter().filter(|((owner, _), _)| owner == customer);
        let stored = |item: &Item| match item {
            Item::Subscription(stored) => Some(stored.clone()),
            _ => None,
        };
        of_customer.filter_map(|(_, item)| stored(item)).collect()
    }

    pub fn billing(&self, user: &str) -> Billing {
        self.users.get(&UserId::parse(user).unwrap()).map(|(billing, _)| billing.clone()).unwrap_or_default()
    }

    /// All but revisions and markers: they count deliveries.
    pub fn state(&self) -> Self {
        let metas = self.metas.values().map(|meta| (meta.customer.clone(), Meta { rev: 0, ..meta.clone() }));
        Self { markers: BTreeMap::new(), metas: metas.collect(), ..self.clone() }
    }

    /// The state without the events that it came from: what Stripe can be asked for.
    pub fn shown(&self) -> Value {
        fn without_versions(value: &mut Value) {
            match value {
                Value::Object(map) => {
                    map.remove("version");
                    map.values_mut().for_each(without_versions);
                }
                Value::Array(list) => list.iter_mut().for_each(without_versions),
                _ => {}
            }
        }
        let state = self.state();
        let items: Vec<_> = state.items.into_iter().map(|((customer, _), item)| (customer, item)).collect();
        let mut value = serde_json::to_value((state.metas, items, state.users)).unwrap();
        without_versions(&mut value);
        value
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        (&self.metas, &self.items, &self.users) == (&other.metas, &other.items, &other.users)
    }
}

/// What is stored is what JSON keeps.
fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

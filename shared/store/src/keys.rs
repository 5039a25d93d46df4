//! Keys of the single table. Nothing else in the project names a prefix or an attribute.

use billing::ItemId;
use domain::{ContactId, GroupKey, JobId, Month, ProductionId, Timestamp, UserId};

use crate::item::Item;

/// Partition key attribute.
pub(crate) const PK: &str = "pk";
/// Sort key attribute.
pub(crate) const SK: &str = "sk";
/// Local index 1 and its sort key attribute: everything of a kind by creation.
pub(crate) const L1: &str = "l1";
/// Local index 2 and its sort key attribute: contacts of a job, and jobs that have contacts, by creation.
pub(crate) const L2: &str = "l2";
/// Names of the local indexes.
pub(crate) const L1_INDEX: &str = "lsi1";
pub(crate) const L2_INDEX: &str = "lsi2";
/// The item's JSON.
pub(crate) const BODY: &str = "body";
/// Packed bytes of the directory.
pub(crate) const PACKED: &str = "packed";
/// The user's revision.
pub(crate) const REV: &str = "rev";
/// Present on an item about which Stripe has to be asked: the table's stream selects it.
pub(crate) const NEEDS_REFRESH: &str = "needs_refresh";
/// Millisecond at which the root's revision was committed.
pub(crate) const AT: &str = "at";
/// Unix second after which the item counts as gone (TTL).
pub(crate) const EXPIRES_AT: &str = "expires_at";
/// A count.
pub(crate) const COUNT: &str = "n";

/// What a user's partition key begins with.
pub(crate) const USER: &str = "USER#";
pub(crate) const ROOT: &str = "ROOT";
pub(crate) const STATS: &str = "STATS";
pub(crate) const DIRECTORY: &str = "DIRECTORY";
pub(crate) const IMPORT: &str = "IMPORT";
pub(crate) const BILLING: &str = "BILLING";
/// What a user's billing state is computed from.
pub(crate) const SOURCES: &str = "BILLING#SOURCES";
/// The customer of Stripe that a user buys as.
pub(crate) const CHOSEN_CUSTOMER: &str = "BILLING#CUSTOMER";
/// A Stripe customer's head.
pub(crate) const META: &str = "META";
/// What is left of a handled event.
pub(crate) const EVENT: &str = "EVENT";
/// Events that a person has to look at, one partition.
pub(crate) const QUARANTINE: &str = "QUARANTINE";
pub(crate) const CATALOG: &str = "CATALOG";
pub(crate) const PLANS: &str = "PLANS";
/// What Stripe told about prices and products.
pub(crate) const STRIPE: &str = "STRIPE";
pub(crate) const JWKS: &str = "JWKS";
/// Range of contacts in local index 1.
pub(crate) const CONTACTS_L1: (&str, &str) = ("C#", "C$");
/// Range of jobs in local index 1.
pub(crate) const JOBS_L1: (&str, &str) = ("J#", "J$");
/// Range of jobs with contacts in local index 2.
pub(crate) const JOBS_L2: (&str, &str) = ("JC#", "JC$");
/// Range of usage items.
pub(crate) const USAGES: (&str, &str) = ("USAGE#", "USAGE$");
/// Range of jobs.
pub(crate) const JOBS: (&str, &str) = ("JOB#", "JOB$");
/// Range of the directory's chunks.
pub(crate) const CHUNKS: (&str, &str) = ("DIRECTORY#", "DIRECTORY$");
/// Range of groups that live in items of their own.
pub(crate) const GROUPS: (&str, &str) = ("STATS#", "STATS$");

/// How far jobs over Stripe's lists have come, one partition.
pub(crate) const RECONCILE: &str = "RECONCILE";
/// What a customer's partition key begins with.
pub(crate) const CUSTOMER: &str = "CUS#";
/// Range of a customer's subscriptions.
pub(crate) const SUBSCRIPTIONS: (&str, &str) = ("SUB#", "SUB$");
/// Range of a customer's invoices.
pub(crate) const INVOICES: (&str, &str) = ("INV#", "INV$");
/// Range of a customer's payment methods.
pub(crate) const PAYMENT_METHODS: (&str, &str) = ("PM#", "PM$");
/// Range of everything of a customer.
pub(crate) const MIRROR: (&str, &str) = ("INV#", "SUB$");
/// Range of the parts of an event's body.
pub(crate) const EVENT_BODIES: (&str, &str) = ("BODY#", "BODY$");
/// What an event's partition key begins with.
pub(crate) const EVENTS: &str = "EVENT#";

pub(crate) fn event(id: &str) -> String {
    format!("{EVENTS}{id}")
}

/// A part of an event's body that is kept.
pub(crate) fn event_body(part: usize) -> String {
    format!("BODY#{part}")
}

/// The partition of a Stripe customer.
pub(crate) fn customer(id: &str) -> String {
    format!("{CUSTOMER}{id}")
}

/// The customer under whose partition an item lies.
pub(crate) fn customer_of(item: &Item) -> Option<String> {
    item.get(PK)?.as_s().ok()?.strip_prefix(CUSTOMER).map(str::to_owned)
}

/// A mirrored object of a customer. Invoices are in order of creation.
pub(crate) fn mirrored(id: &ItemId) -> String {
    match id {
        ItemId::Subscription(id) => format!("SUB#{id}"),
        ItemId::Invoice { created, id } => format!("INV#{created:012}#{id}"),
        ItemId::PaymentMethod(id) => format!("PM#{id}"),
    }
}

/// The object of a mirrored item.
pub(crate) fn mirrored_of(sk: &str) -> Option<ItemId> {
    match sk.split_once('#')? {
        ("SUB", id) => Some(ItemId::Subscription(id.to_owned())),
        ("PM", id) => Some(ItemId::PaymentMethod(id.to_owned())),
        ("INV", rest) => {
            let (created, id) = rest.split_once('#')?;
            Some(ItemId::Invoice { created: created.parse().ok()?, id: id.to_owned() })
        }
        _ => None,
    }
}

pub(crate) fn user(user: &UserId) -> String {
    format!("{USER}{user}")
}

pub(crate) fn contact(id: ContactId) -> String {
    format!("CONTACT#{id}")
}

pub(crate) fn job(id: JobId) -> String {
    format!("JOB#{id}")
}

pub(crate) fn chunk(number: u32) -> String {
    format!("DIRECTORY#{number}")
}

/// An unfinished save of contacts, by the fingerprint of what is saved.
pub(crate) fn save(fingerprint: &str) -> String {
    format!("SAVE#{fingerprint}")
}

pub(crate) fn usage(month: Month) -> String {
    format!("USAGE#{month}")
}

/// The number of a chunk's item.
pub(crate) fn chunk_of(sk: &str) -> Option<u32> {
    sk.strip_prefix(CHUNKS.0)?.parse().ok()
}

/// The month of a usage item.
pub(crate) fn month_of(sk: &str) -> Option<Month> {
    sk.strip_prefix(USAGES.0)?.parse().ok()
}

pub(crate) fn production(id: ProductionId) -> String {
    format!("PRODUCTION#{id}")
}

pub(crate) fn group(key: &GroupKey) -> String {
    match key {
        GroupKey::Role(name) => format!("STATS#R#{name}"),
        GroupKey::Production(name) => format!("STATS#P#{name}"),
    }
}

pub(crate) fn group_of(sk: &str) -> Option<GroupKey> {
    let rest = sk.strip_prefix(GROUPS.0)?;
    match rest.split_once('#')? {
        ("R", name) => Some(GroupKey::Role(name.to_owned())),
        ("P", name) => Some(GroupKey::Production(name.to_owned())),
        _ => None,
    }
}

pub(crate) fn contact_l1(at: Timestamp, id: ContactId) -> String {
    format!("C#{at}#{id}")
}

pub(crate) fn contact_l2(job: JobId, at: Timestamp, id: ContactId) -> String {
    format!("{job}#{at}#{id}")
}

/// Job, creation and id of a contact's place in local index 2.
pub(crate) fn contact_of_l2(l2: &str) -> Option<(JobId, Timestamp, ContactId)> {
    let mut parts = l2.split('#');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Range of a job's contacts in local index 2.
pub(crate) fn job_contacts_l2(job: JobId) -> (String, String) {
    (format!("{job}#"), format!("{job}$"))
}

pub(crate) fn job_l1(at: Timestamp, id: JobId) -> String {
    format!("J#{at}#{id}")
}

pub(crate) fn job_l2(at: Timestamp, id: JobId) -> String {
    format!("JC#{at}#{id}")
}

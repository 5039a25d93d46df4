//! Items: entities as JSON in one attribute, beside the keys that indexes need.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Contact, Job, Rev, Timestamp, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::keys::{self, AT, BODY, COUNT, EXPIRES_AT, L1, L2, NEEDS_REFRESH, PACKED, PK, REV, SK};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A primary key.
pub(crate) fn key_of(pk: impl Into<String>, sk: &str) -> Item {
    Item::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
}

/// The primary key of a user's item.
pub(crate) fn key(user: &UserId, sk: &str) -> Item {
    key_of(keys::user(user), sk)
}

/// A key with a JSON body.
pub(crate) fn bodied(mut key: Item, body: &impl Serialize) -> Item {
    let json = serde_json::to_string(body).expect("entities have string keys and finite numbers");
    key.insert(BODY.to_owned(), text(json));
    key
}

/// Marks an item about which Stripe has to be asked, or leaves it unmarked.
pub(crate) fn marked(mut item: Item, needs_refresh: bool) -> Item {
    if needs_refresh {
        item.insert(NEEDS_REFRESH.to_owned(), text("yes"));
    }
    item
}

/// An item of a user with a JSON body.
pub(crate) fn with_body(user: &UserId, sk: &str, body: &impl Serialize) -> Item {
    bodied(key(user, sk), body)
}

/// An item with a JSON body and the user's revision.
pub(crate) fn with_rev(user: &UserId, sk: &str, rev: Rev, body: &impl Serialize) -> Item {
    let mut item = with_body(user, sk, body);
    item.insert(REV.to_owned(), number(rev));
    item
}

/// An item of packed bytes.
pub(crate) fn packed(user: &UserId, sk: &str, bytes: Vec<u8>) -> Item {
    let mut item = key(user, sk);
    item.insert(PACKED.to_owned(), AttributeValue::B(Blob::new(bytes)));
    item
}

/// A group's count in an item of its own.
pub(crate) fn group(user: &UserId, sk: &str, count: u64) -> Item {
    let mut item = key(user, sk);
    item.insert(COUNT.to_owned(), number(count));
    item
}

/// A contact's own fields. Its id, job and creation are in the keys already, and names are short: a page of rows is read at once.
#[derive(Serialize, Deserialize)]
struct StoredContact<'a> {
    #[serde(rename = "n")]
    name: Cow<'a, str>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    email: Option<Cow<'a, str>>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    phone: Option<Cow<'a, str>>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    role: Option<Cow<'a, str>>,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    company: Option<Cow<'a, str>>,
    #[serde(rename = "s")]
    is_selected: bool,
    #[serde(rename = "u")]
    updated_ms: i64,
    #[serde(rename = "v")]
    cv: u64,
}

/// A contact as it is written by the transaction that makes `rev`.
pub(crate) fn contact(user: &UserId, contact: &Contact, rev: Rev) -> Item {
    fn text_of(text: &Option<String>) -> Option<Cow<'_, str>> {
        text.as_deref().map(Cow::Borrowed)
    }
    let stored = StoredContact {
        name: Cow::Borrowed(&contact.name),
        email: text_of(&contact.email),
        phone: text_of(&contact.phone),
        role: text_of(&contact.role),
        company: text_of(&contact.company),
        is_selected: contact.is_selected,
        updated_ms: contact.updated_at.ms(),
        cv: contact.cv,
    };
    let mut item = with_rev(user, &keys::contact(contact.id), rev, &stored);
    item.insert(L1.to_owned(), text(keys::contact_l1(contact.created_at, contact.id)));
    item.insert(L2.to_owned(), text(keys::contact_l2(contact.job_id, contact.created_at, contact.id)));
    item
}

/// Decodes a contact.
pub(crate) fn to_contact(item: &Item) -> Result<Contact, StoreError> {
    let stored: StoredContact<'_> = body(item)?;
    let place = match item.get(L2) {
        Some(AttributeValue::S(l2)) => keys::contact_of_l2(l2),
        _ => None,
    };
    let (job_id, created_at, id) = place.ok_or_else(|| StoreError::malformed(sk(item), "no place in its job"))?;
    Ok(Contact {
        id,
        job_id,
        name: stored.name.into_owned(),
        email: stored.email.map(Cow::into_owned),
        phone: stored.phone.map(Cow::into_owned),
        role: stored.role.map(Cow::into_owned),
        company: stored.company.map(Cow::into_owned),
        is_selected: stored.is_selected,
        created_at,
        updated_at: Timestamp::from_ms(stored.updated_ms),
        cv: stored.cv,
    })
}

/// A job as it is written by the transaction that makes `rev`.
pub(crate) fn job(user: &UserId, job: &Job, rev: Rev) -> Item {
    let mut item = with_rev(user, &keys::job(job.id), rev, job);
    item.insert(L1.to_owned(), text(keys::job_l1(job.created_at, job.id)));
    if job.counts.all > 0 {
        item.insert(L2.to_owned(), text(keys::job_l2(job.created_at, job.id)));
    }
    item
}

/// Whether the item's time is over. The table deletes it some time later.
pub(crate) fn expired(item: &Item, now: Timestamp) -> bool {
    match item.get(EXPIRES_AT) {
        Some(AttributeValue::N(at)) => at.parse::<i64>().is_ok_and(|at| at <= now.unix_seconds()),
        _ => false,
    }
}

/// The revision whose transaction wrote the item.
pub(crate) fn rev(item: &Item) -> Result<Rev, StoreError> {
    match item.get(REV) {
        Some(AttributeValue::N(rev)) => {
            rev.parse().map(Rev).map_err(|source: std::num::ParseIntError| StoreError::malformed(sk(item), source))
        }
        _ => Err(StoreError::malformed(sk(item), "no rev")),
    }
}

/// When a root was committed, if it says so.
pub(crate) fn at(root: &Item) -> Option<Timestamp> {
    match root.get(AT) {
        Some(AttributeValue::N(ms)) => ms.parse().ok().map(Timestamp::from_ms),
        _ => None,
    }
}

/// The sort key of an item.
pub(crate) fn sk(item: &Item) -> &str {
    match item.get(SK) {
        Some(AttributeValue::S(sk)) => sk,
        _ => "",
    }
}

/// Decodes the JSON body.
pub(crate) fn body<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    match item.get(BODY) {
        Some(AttributeValue::S(json)) => serde_json::from_str(json).map_err(|source| StoreError::malformed(sk(item), source)),
        _ => Err(StoreError::malformed(sk(item), "no body")),
    }
}

/// The packed bytes.
pub(crate) fn bytes(item: &Item) -> Result<&[u8], StoreError> {
    match item.get(PACKED) {
        Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
        _ => Err(StoreError::malformed(sk(item), "no packed bytes")),
    }
}

/// The count of a group item.
pub(crate) fn count(item: &Item) -> Result<u64, StoreError> {
    match item.get(COUNT) {
        Some(AttributeValue::N(count)) => count.parse().map_err(|source: std::num::ParseIntError| StoreError::malformed(sk(item), source)),
        _ => Err(StoreError::malformed(sk(item), "no count")),
    }
}

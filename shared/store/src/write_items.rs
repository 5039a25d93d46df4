//! Parts of a transaction.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use domain::{GroupKey, Rev, Root, Timestamp, UserId};

use crate::Table;
use crate::item::{self, Item};
use crate::keys::{self, AT, COUNT, NEEDS_REFRESH, PK, REV};

/// Puts an item, whatever was there.
pub(crate) fn put(table: &Table, item: Item) -> TransactWriteItem {
    let put = Put::builder().table_name(&table.name).set_item(Some(item)).build().expect("table and item are set");
    TransactWriteItem::builder().put(put).build()
}

/// Puts an item that must not be there yet.
pub(crate) fn put_new(table: &Table, item: Item) -> TransactWriteItem {
    let put = Put::builder().table_name(&table.name).set_item(Some(item)).condition_expression("attribute_not_exists(#k)");
    let put = put.expression_attribute_names("#k", PK).build().expect("table and item are set");
    TransactWriteItem::builder().put(put).build()
}

/// Puts the root on the condition that it is still the one that was read, or still absent; it says when.
pub(crate) fn put_root(table: &Table, user: &UserId, read: Option<Rev>, root: &Root, now: Timestamp) -> TransactWriteItem {
    let mut stored = item::with_rev(user, keys::ROOT, root.rev, root);
    stored.insert(AT.to_owned(), item::number(now.ms()));
    put_if_at(table, stored, read.map(|read| read.0))
}

/// Puts an item on the condition that the stored one still has the revision that was read, or is still absent.
pub(crate) fn put_if_at(table: &Table, item: Item, read: Option<u64>) -> TransactWriteItem {
    let Some(read) = read else { return put_new(table, item) };
    let put = Put::builder().table_name(&table.name).set_item(Some(item)).condition_expression("#rev = :read");
    let put = put.expression_attribute_names("#rev", REV).expression_attribute_values(":read", item::number(read));
    TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
}

/// Puts an item in the place of one that is marked to be asked for.
pub(crate) fn put_if_marked(table: &Table, item: Item) -> TransactWriteItem {
    let put = Put::builder().table_name(&table.name).set_item(Some(item)).condition_expression("attribute_exists(#k)");
    let put = put.expression_attribute_names("#k", NEEDS_REFRESH).build().expect("table and item are set");
    TransactWriteItem::builder().put(put).build()
}

/// Deletes an item that must be there.
pub(crate) fn delete_if_there(table: &Table, key: Item) -> TransactWriteItem {
    let delete = Delete::builder().table_name(&table.name).set_key(Some(key)).condition_expression("attribute_exists(#k)");
    let delete = delete.expression_attribute_names("#k", PK).build().expect("table and key are set");
    TransactWriteItem::builder().delete(delete).build()
}

/// Deletes a user's item, there or not.
pub(crate) fn delete(table: &Table, user: &UserId, sk: &str) -> TransactWriteItem {
    delete_at(table, item::key(user, sk))
}

/// Deletes an item, there or not.
pub(crate) fn delete_at(table: &Table, key: Item) -> TransactWriteItem {
    let delete = Delete::builder().table_name(&table.name).set_key(Some(key));
    TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
}

/// Adds to a group's count. It happens once, because the transaction has a condition on the root.
pub(crate) fn add_to_group(table: &Table, user: &UserId, key: &GroupKey, delta: i64) -> TransactWriteItem {
    let update = Update::builder()
        .table_name(&table.name)
        .set_key(Some(item::key(user, &keys::group(key))))
        .update_expression("ADD #n :delta")
        .expression_attribute_names("#n", COUNT)
        .expression_attribute_values(":delta", AttributeValue::N(delta.to_string()));
    TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
}

/// A condition that an item is not there.
pub(crate) fn absent(table: &Table, user: &UserId, sk: &str) -> TransactWriteItem {
    check(table, user, sk, "attribute_not_exists(#k)", PK, None)
}

/// A condition that the root is still the one that was read, or still absent.
pub(crate) fn guard(table: &Table, user: &UserId, read: Option<Rev>) -> TransactWriteItem {
    match read {
        Some(read) => check(table, user, keys::ROOT, "#k = :read", REV, Some(read)),
        None => absent(table, user, keys::ROOT),
    }
}

fn check(table: &Table, user: &UserId, sk: &str, condition: &str, attribute: &str, read: Option<Rev>) -> TransactWriteItem {
    let check = ConditionCheck::builder()
        .table_name(&table.name)
        .set_key(Some(item::key(user, sk)))
        .condition_expression(condition)
        .expression_attribute_names("#k", attribute)
        .set_expression_attribute_values(read.map(|read| [(":read".to_owned(), item::number(read))].into()));
    TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
}

//! The calls to the SDK, one function each: strongly consistent, metered, their errors sorted.

use std::pin::Pin;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{
    AttributeValue, ConsumedCapacity, Get, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, TransactGetItem, TransactWriteItem,
    WriteRequest,
};

use crate::error::sort;
use crate::item::Item;
use crate::keys::{L1, L1_INDEX, L2, L2_INDEX, PK, SK};
use crate::meter::Operation;
use crate::{StoreError, Table};

/// A call, boxed here: the body of an `async fn` is compiled in every crate that awaits it, and with it all that the SDK does for a call. Thirty
/// binaries await these.
type Calling<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Tries of a read that a concurrent transaction turned away, or of a batch that was taken in part.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(10);

/// A range of one index under one partition key. Both ends are sort keys and belong to it.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) index: Index,
    pub(crate) pk: String,
    pub(crate) from: String,
    pub(crate) until: String,
    /// Newest first.
    pub(crate) descending: bool,
    /// Rows wanted; none for all.
    pub(crate) limit: Option<usize>,
}

/// What a range is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// The table itself.
    Table,
    /// Local index 1.
    L1,
    /// Local index 2.
    L2,
}

impl Index {
    fn sort_key(self) -> &'static str {
        match self {
            Self::Table => SK,
            Self::L1 => L1,
            Self::L2 => L2,
        }
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Table => None,
            Self::L1 => Some(L1_INDEX),
            Self::L2 => Some(L2_INDEX),
        }
    }
}

fn units<'a>(consumed: impl IntoIterator<Item = &'a ConsumedCapacity>) -> f64 {
    consumed.into_iter().filter_map(|capacity| capacity.capacity_units).sum()
}

impl Table {
    /// One item.
    pub(crate) fn get(&self, key: Item) -> Calling<'_, Option<Item>> {
        Box::pin(async move {
            let call = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
            let sent = call.return_consumed_capacity(ReturnConsumedCapacity::Total).send();
            let output = self.metered(Operation::GetItem, sent, |output| units(&output.consumed_capacity)).await?;
            Ok(output.item)
        })
    }

    /// At most 100 items as one committed state, in the order asked.
    pub(crate) fn transact_get<'a>(&'a self, keys: &'a [Item]) -> Calling<'a, Vec<Option<Item>>> {
        Box::pin(async move {
            let mut attempt = 1;
            loop {
                match self.transact_get_once(keys).await {
                    Err(StoreError::Conflict { .. }) if attempt < TRIES => pause(attempt).await,
                    result => return result,
                }
                attempt += 1;
            }
        })
    }

    async fn transact_get_once(&self, keys: &[Item]) -> Result<Vec<Option<Item>>, StoreError> {
        let gets = keys.iter().map(|key| {
            let get = Get::builder().table_name(&self.name).set_key(Some(key.clone())).build().expect("table and key are set");
            TransactGetItem::builder().get(get).build()
        });
        let call = self.client.transact_get_items().set_transact_items(Some(gets.collect()));
        let sent = call.return_consumed_capacity(ReturnConsumedCapacity::Total).send();
        let output = self.metered(Operation::TransactGet, sent, |output| units(output.consumed_capacity())).await?;
        Ok(output.responses.unwrap_or_default().into_iter().map(|response| response.item).collect())
    }

    /// At most 100 different items, in no order.
    pub(crate) fn batch_get(&self, keys: Vec<Item>) -> Calling<'_, Vec<Item>> {
        Box::pin(async move {
            let mut found = Vec::with_capacity(keys.len());
            let mut left = keys;
            let mut attempt = 0;
            while !left.is_empty() {
                attempt += 1;
                if attempt > TRIES {
                    return Err(StoreError::Unavailable { operation: Operation::BatchGet.name(), source: "keys stay unprocessed".into() });
                }
                if attempt > 1 {
                    pause(attempt).await;
                }
                let keys = KeysAndAttributes::builder().set_keys(Some(std::mem::take(&mut left))).consistent_read(true);
                let call = self.client.batch_get_item().request_items(&self.name, keys.build().expect("keys are set"));
                let sent = call.return_consumed_capacity(ReturnConsumedCapacity::Total).send();
                let output = self.metered(Operation::BatchGet, sent, |output| units(output.consumed_capacity())).await?;
                found.extend(output.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
                left = output.unprocessed_keys.unwrap_or_default().remove(&self.name).map(|keys| keys.keys).unwrap_or_default();
            }
            Ok(found)
        })
    }

    /// The items of a range, as many pages as it takes.
    pub(crate) fn query(&self, range: Range) -> Calling<'_, Vec<Item>> {
        Box::pin(async move {
            let mut found = Vec::new();
            let mut start = None;
            loop {
                let (items, next) = self.query_page(&range, range.limit.map(|limit| limit - found.len()), start).await?;
                found.extend(items);
                start = next;
                if start.is_none() || range.limit.is_some_and(|limit| found.len() >= limit) {
                    return Ok(found);
                }
            }
        })
    }

    /// One page of a range, and where the next one starts.
    pub(crate) fn query_page<'a>(
        &'a self,
        range: &'a Range,
        limit: Option<usize>,
        start: Option<Item>,
    ) -> Calling<'a, (Vec<Item>, Option<Item>)> {
        Box::pin(async move {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .set_index_name(range.index.name().map(str::to_owned))
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :from AND :until")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", range.index.sort_key())
                .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()))
                .expression_attribute_values(":from", AttributeValue::S(range.from.clone()))
                .expression_attribute_values(":until", AttributeValue::S(range.until.clone()))
                .scan_index_forward(!range.descending)
                .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
                .set_exclusive_start_key(start)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let output = self.metered(Operation::Query, call.send(), |output| units(&output.consumed_capacity)).await?;
            Ok((output.items.unwrap_or_default(), output.last_evaluated_key.filter(|key| !key.is_empty())))
        })
    }

    /// One page of the keys of all items that have a sort key, whatever their partition, and where the next page starts. It reads the whole
    /// table: only tools may.
    pub(crate) fn scan_page<'a>(&'a self, sk: &'a str, start: Option<Item>) -> Calling<'a, (Vec<Item>, Option<Item>)> {
        Box::pin(async move {
            let call = self
                .client
                .scan()
                .table_name(&self.name)
                .filter_expression("#sk = :sk")
                .projection_expression("#pk, #sk")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
                .set_exclusive_start_key(start)
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let output = self.metered(Operation::Other, call.send(), |output| units(&output.consumed_capacity)).await?;
            Ok((output.items.unwrap_or_default(), output.last_evaluated_key.filter(|key| !key.is_empty())))
        })
    }

    /// A transaction. The same token within ten minutes applies it once.
    pub(crate) fn transact_write<'a>(&'a self, items: Vec<TransactWriteItem>, token: &'a str) -> Calling<'a, ()> {
        Box::pin(async move {
            let call = self.client.transact_write_items().set_transact_items(Some(items)).client_request_token(token);
            let sent = call.return_consumed_capacity(ReturnConsumedCapacity::Total).send();
            self.metered(Operation::TransactWrite, sent, |output| units(output.consumed_capacity())).await?;
            Ok(())
        })
    }

    /// Puts or deletes at most 25 items, each by itself: again as long as some are left or the table is busy.
    pub(crate) fn batch_write(&self, requests: Vec<WriteRequest>) -> Calling<'_, ()> {
        Box::pin(async move {
            let mut left = requests;
            for attempt in 1..=TRIES {
                if attempt > 1 {
                    pause(attempt).await;
                }
                match self.batch_write_once(left.clone()).await {
                    Ok(unprocessed) if unprocessed.is_empty() => return Ok(()),
                    Ok(unprocessed) => left = unprocessed,
                    // What was done nevertheless is the same when it is done twice.
                    Err(error) if error.is_transient() && attempt < TRIES => {}
                    Err(error) => return Err(error),
                }
            }
            Err(StoreError::Unavailable { operation: Operation::BatchWrite.name(), source: "items stay unprocessed".into() })
        })
    }

    async fn batch_write_once(&self, requests: Vec<WriteRequest>) -> Result<Vec<WriteRequest>, StoreError> {
        let call = self.client.batch_write_item().request_items(&self.name, requests);
        let sent = call.return_consumed_capacity(ReturnConsumedCapacity::Total).send();
        let output = self.metered(Operation::BatchWrite, sent, |output| units(output.consumed_capacity())).await?;
        Ok(output.unprocessed_items.unwrap_or_default().remove(&self.name).unwrap_or_default())
    }

    /// Puts any number of items, 25 a call.
    pub(crate) async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        for batch in items.chunks(25) {
            let puts = batch.iter().map(|item| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().expect("the item is set");
                WriteRequest::builder().put_request(put).build()
            });
            self.batch_write(puts.collect()).await?;
        }
        Ok(())
    }

    /// Deletes any number of items, 25 a call.
    pub(crate) async fn delete_all(&self, keys: Vec<Item>) -> Result<(), StoreError> {
        for batch in keys.chunks(25) {
            let deletes = batch.iter().map(|key| {
                let delete = aws_sdk_dynamodb::types::DeleteRequest::builder().set_key(Some(key.clone())).build().expect("the key is set");
                WriteRequest::builder().delete_request(delete).build()
            });
            self.batch_write(deletes.collect()).await?;
        }
        Ok(())
    }

    async fn metered<O, E, R>(
        &self,
        operation: Operation,
        sent: impl Future<Output = Result<O, aws_sdk_dynamodb::error::SdkError<E, R>>>,
        units: impl FnOnce(&O) -> f64,
    ) -> Result<O, StoreError>
    where
        E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let started = Instant::now();
        let result = sent.await;
        self.meter.count(operation, result.as_ref().map(units).unwrap_or_default(), started.elapsed());
        result.map_err(|error| sort(operation.name(), error))
    }
}

/// Waits a little longer each time, never the same.
pub(crate) async fn pause(attempt: u32) {
    let most = PAUSE * attempt.min(10);
    tokio::time::sleep(most.mul_f64(rand::random_range(0.25..1.0))).await;
}

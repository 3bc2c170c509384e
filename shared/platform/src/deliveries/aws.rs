//! Deliveries in DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, Select, WriteRequest};

use super::row::{Change, Row};
use super::{BATCH, DeliveryTable, Range, Rows};
use crate::jitter::{doubled, jitter};
use crate::store::{StoreError, store_error};

/// Calls for one batch, the first included: DynamoDB may leave rows of a batch unprocessed.
const MAX_ATTEMPTS: u32 = 5;
/// Bound of the wait before the second call; the bound doubles with each call.
const PAUSE: Duration = Duration::from_millis(50);

/// Deliveries in a DynamoDB table. Clones share the client.
pub type AwsDeliveries = DeliveryTable<AwsRows>;

/// Rows of a DynamoDB table.
#[derive(Clone, Debug)]
pub struct AwsRows {
    client: Client,
    table: String,
}

impl AwsDeliveries {
    /// Uses this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        DeliveryTable(AwsRows { client, table: table.into() })
    }
}

type Item = HashMap<String, AttributeValue>;

fn key(pk: String, sk: String) -> Item {
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))])
}

fn request(change: Change) -> Result<WriteRequest, StoreError> {
    let request = match change {
        Change::Put(row) => {
            let mut item = key(row.pk, row.sk);
            item.insert("bo".to_owned(), AttributeValue::S(row.body));
            item.insert("ttl".to_owned(), AttributeValue::N(row.ttl.to_string()));
            let put = PutRequest::builder().set_item(Some(item)).build();
            WriteRequest::builder().put_request(put.map_err(|_| StoreError::Unreadable("bo"))?)
        }
        Change::Delete { pk, sk } => {
            let delete = DeleteRequest::builder().set_key(Some(key(pk, sk))).build();
            WriteRequest::builder().delete_request(delete.map_err(|_| StoreError::Unreadable("sk"))?)
        }
    };
    Ok(request.build())
}

fn read(item: &Item) -> Result<Row, StoreError> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.clone()),
        _ => Err(StoreError::Unreadable(name)),
    };
    let ttl = match item.get("ttl") {
        Some(AttributeValue::N(ttl)) => ttl.parse().map_err(|_| StoreError::Unreadable("ttl"))?,
        _ => return Err(StoreError::Unreadable("ttl")),
    };
    Ok(Row { pk: text("pk")?, sk: text("sk")?, body: text("bo")?, ttl })
}

impl AwsRows {
    /// One page of a query, at most 1 MB (AWS limit); the limits of the ranges are far below it.
    async fn query(
        &self,
        range: &Range,
        select: Select,
        from: Option<Item>,
    ) -> Result<(Vec<Item>, usize, Option<Item>), StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", AttributeValue::S(range.pk.clone()))
            .scan_index_forward(!range.newest_first)
            .consistent_read(range.consistent)
            .select(select)
            .limit(i32::try_from(range.limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from);
        query = match range.prefix.as_str() {
            "" => query.key_condition_expression("pk = :pk"),
            prefix => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned())),
        };
        let output = query.send().await.map_err(|error| store_error("dynamodb.Query", &error))?;
        let count = usize::try_from(output.count).unwrap_or_default();
        Ok((output.items.unwrap_or_default(), count, output.last_evaluated_key))
    }

    async fn batch(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut left = changes.iter().cloned().map(request).collect::<Result<Vec<_>, _>>()?;
        for tried in 0..MAX_ATTEMPTS {
            if tried > 0 {
                tokio::time::sleep(jitter(doubled(PAUSE, tried))).await;
            }
            let call = self.client.batch_write_item().request_items(&self.table, left).send().await;
            let output = call.map_err(|error| store_error("dynamodb.BatchWriteItem", &error))?;
            left = output.unprocessed_items.and_then(|mut of| of.remove(&self.table)).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::Throttled)
    }
}

impl Rows for AwsRows {
    async fn apply(&self, _call: &'static str, changes: Vec<Change>) -> Result<(), StoreError> {
        for batch in changes.chunks(BATCH) {
            self.batch(batch).await?;
        }
        Ok(())
    }

    async fn range(&self, _call: &'static str, range: Range) -> Result<Vec<Row>, StoreError> {
        let mut from = range.after.clone().map(|sk| key(range.pk.clone(), sk));
        let mut rows = Vec::new();
        loop {
            let (items, _, next) = self.query(&range, Select::AllAttributes, from).await?;
            rows.extend(items.iter().map(read).collect::<Result<Vec<_>, _>>()?);
            if rows.len() >= range.limit || next.is_none() {
                rows.truncate(range.limit);
                return Ok(rows);
            }
            from = next;
        }
    }

    async fn count(&self, _call: &'static str, range: Range) -> Result<usize, StoreError> {
        let (mut from, mut counted) = (None, 0);
        loop {
            let (_, count, next) = self.query(&range, Select::Count, from).await?;
            counted = count.saturating_add(counted);
            if counted >= range.limit || next.is_none() {
                return Ok(counted.min(range.limit));
            }
            from = next;
        }
    }
}

//! The store in DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use domain::ids::{ApplicationId, TenantId};
use jiff::Timestamp;

use super::row::{self, Row};
use super::{
    Appended, Created, Cursor, DUE_SHARDS, Kept, PAGE, Page, Store, StoreError, TENANT_SHARDS, shard,
    store_error,
};
use crate::recent::jitter;

/// Reads of what a batch left over, before the list is called throttled.
const BATCH_READS: u32 = 5;

/// Applications in a DynamoDB table. Clones share the client.
#[derive(Clone, Debug)]
pub struct AwsStore {
    client: Client,
    table: String,
}

type Item = HashMap<String, AttributeValue>;

impl AwsStore {
    /// The store in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        AwsStore { client, table: table.into() }
    }

    /// Keys of one shard of a tenant's list, newest first.
    async fn shard_keys(
        &self,
        tenant: &TenantId,
        shard: u8,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("tenant")
            .expression_attribute_names("#tn", row::TENANT)
            .expression_attribute_values(":tn", AttributeValue::S(row::tenant_key(tenant.as_str(), shard)))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        query = match after {
            None => query.key_condition_expression("#tn = :tn"),
            Some(cursor) => query
                .key_condition_expression("#tn = :tn AND #cr < :cr")
                .expression_attribute_names("#cr", row::CREATED)
                .expression_attribute_values(":cr", AttributeValue::S(cursor.0.clone())),
        };
        let output = query.send().await.map_err(|error| store_error("dynamodb.Query", &error))?;
        output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| Ok((text(&item, row::CREATED)?, text(&item, row::ID)?)))
            .collect()
    }

    /// Items by id, consistently, in no particular order.
    async fn items(&self, ids: &[String]) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::new();
        let mut open: Vec<Item> = ids.iter().map(|id| key(id)).collect();
        for read in 0..BATCH_READS {
            if open.is_empty() {
                return Ok(found);
            }
            if read > 0 {
                tokio::time::sleep(jitter(Duration::from_millis(50 << read))).await;
            }
            let wanted = KeysAndAttributes::builder()
                .set_keys(Some(open))
                .consistent_read(true)
                .build()
                .map_err(|_| StoreError::Unavailable)?;
            let output = self
                .client
                .batch_get_item()
                .request_items(&self.table, wanted)
                .send()
                .await
                .map_err(|error| store_error("dynamodb.BatchGetItem", &error))?;
            found.extend(output.responses.unwrap_or_default().into_values().flatten());
            open = output
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|rest| rest.keys)
                .collect();
        }
        if open.is_empty() { Ok(found) } else { Err(StoreError::Throttled) }
    }
}

fn key(id: &str) -> Item {
    HashMap::from([(row::ID.to_owned(), AttributeValue::S(id.to_owned()))])
}

fn text(item: &Item, name: &'static str) -> Result<String, StoreError> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.clone()),
        _ => Err(StoreError::Unreadable(name)),
    }
}

fn kept(item: Item) -> Result<Kept, StoreError> {
    Row::read(row::from_sdk(item))?.kept()
}

impl Store for AwsStore {
    async fn create(&self, kept: &Kept, wake: Option<Timestamp>) -> Result<Created, StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Row::new(kept, wake).attributes()))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", row::ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Created::New),
            Err(error) => error,
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(store_error("dynamodb.PutItem", &error));
        };
        // A service that answers without the item still has it.
        let found = match failed.item.clone() {
            Some(item) => self::kept(item)?,
            None => self.get(kept.id()).await?.ok_or(StoreError::Unavailable)?,
        };
        Ok(if found.began_as(kept) { Created::New } else { Created::Existing(Box::new(found)) })
    }

    async fn get(&self, id: ApplicationId) -> Result<Option<Kept>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(&id.to_string())))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.GetItem", &error))?;
        output.item.map(kept).transpose()
    }

    async fn append(&self, seen: u32, after: &Kept, wake: Option<Timestamp>) -> Result<Appended, StoreError> {
        let new = after.ledger.after(seen).iter().map(|line| &line.bytes);
        let mut set = "#ev = list_append(#ev, :new), #v = :after".to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&after.id().to_string())))
            .condition_expression("#v = :seen")
            .expression_attribute_names("#ev", row::EVENTS)
            .expression_attribute_names("#v", row::VERSION)
            .expression_attribute_values(":new", row::list(new))
            .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()))
            .expression_attribute_values(":after", AttributeValue::N(after.version().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(ttl) = row::time_to_live(after) {
            set.push_str(", #ttl = :ttl");
            update = update
                .expression_attribute_names("#ttl", row::TTL)
                .expression_attribute_values(":ttl", AttributeValue::N(ttl.to_string()));
        }
        let (schedule, values) = wake_expression(after.id(), wake);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let sent = update
            .expression_attribute_names("#du", row::DUE)
            .expression_attribute_names("#dt", row::WAKE)
            .update_expression(match wake {
                Some(_) => format!("SET {set}, {schedule}"),
                None => format!("SET {set} REMOVE {schedule}"),
            })
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Appended::Done),
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(store_error("dynamodb.UpdateItem", &error));
        };
        let found = match failed.item.clone() {
            Some(item) => Some(kept(item)?),
            None => self.get(after.id()).await?,
        };
        Ok(match found {
            None => Appended::Missing,
            // The SDK retried a write that had committed: it is ours.
            Some(found) if found.contains(after, seen) => Appended::Done,
            Some(found) => Appended::Conflict(Box::new(found)),
        })
    }

    async fn touch(
        &self,
        id: ApplicationId,
        version: u32,
        wake: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let (schedule, values) = wake_expression(id, wake);
        let verb = if wake.is_some() { "SET" } else { "REMOVE" };
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&id.to_string())))
            .condition_expression("#v = :seen")
            .update_expression(format!("{verb} {schedule}"))
            .expression_attribute_names("#v", row::VERSION)
            .expression_attribute_names("#du", row::DUE)
            .expression_attribute_names("#dt", row::WAKE)
            .expression_attribute_values(":seen", AttributeValue::N(version.to_string()));
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(store_error("dynamodb.UpdateItem", &error)),
            },
        }
    }

    async fn list(
        &self,
        tenant: &TenantId,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Kept>, StoreError> {
        const { assert!(TENANT_SHARDS == 8, "one query for each shard") };
        let limit = limit.clamp(1, PAGE);
        let shard = |number| self.shard_keys(tenant, number, limit + 1, after.as_ref());
        let (a, b, c, d, e, f, g, h) =
            tokio::try_join!(shard(0), shard(1), shard(2), shard(3), shard(4), shard(5), shard(6), shard(7))?;
        let mut keys: Vec<(String, String)> = [a, b, c, d, e, f, g, h].into_iter().flatten().collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = if more { keys.last().map(|(created, _)| Cursor(created.clone())) } else { None };
        let ids: Vec<String> = keys.into_iter().map(|(_, id)| id).collect();
        let mut rows: HashMap<String, Row> = HashMap::new();
        for item in self.items(&ids).await? {
            match Row::read(row::from_sdk(item)) {
                Ok(row) => drop(rows.insert(row.id.to_string(), row)),
                Err(error) => tracing::error!(%error, "an item is left out of a list"),
            }
        }
        let items = ids.iter().filter_map(|id| rows.remove(id)).filter_map(super::readable).collect();
        Ok(Page { items, next })
    }

    async fn due(&self, shard: u8, now: Timestamp, limit: usize) -> Result<Vec<ApplicationId>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("due")
            .key_condition_expression("#du = :du AND #dt <= :now")
            .expression_attribute_names("#du", row::DUE)
            .expression_attribute_names("#dt", row::WAKE)
            .expression_attribute_values(":du", AttributeValue::S(row::due_key(shard)))
            .expression_attribute_values(":now", AttributeValue::N(now.as_millisecond().to_string()))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("dynamodb.Query", &error))?;
        let items = output.items.unwrap_or_default();
        items
            .iter()
            .map(|item| text(item, row::ID)?.parse().map_err(|_| StoreError::Unreadable(row::ID)))
            .collect()
    }
}

/// The part of an update that sets or removes the due index keys, without its verb.
fn wake_expression(
    id: ApplicationId,
    wake: Option<Timestamp>,
) -> (&'static str, Vec<(&'static str, AttributeValue)>) {
    match wake {
        None => ("#du, #dt", Vec::new()),
        Some(wake) => (
            "#du = :du, #dt = :dt",
            vec![
                (":du", AttributeValue::S(row::due_key(shard(id, DUE_SHARDS)))),
                (":dt", AttributeValue::N(wake.as_millisecond().to_string())),
            ],
        ),
    }
}

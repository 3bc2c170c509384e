//! The store in DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use domain::ids::{AgencyCode, ApplicationId, TenantId};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::row::{self, Row};
use super::{
    AGENCY_SHARDS, AppendOutcome, Created, Cursor, DUE_SHARDS, PAGE, Page, ResendMark, Store, StoreError,
    StoredApplication, TENANT_SHARDS, resend_mark_before, shard, store_error,
};
use crate::jitter::jitter;

/// A list by one of the table's indexes.
struct List {
    index: &'static str,
    key: &'static str,
    newest_first: bool,
}

const BY_TENANT: List = List { index: "tenant", key: row::TENANT, newest_first: true };
const BY_AGENCY: List = List { index: "agency", key: row::AGENCY, newest_first: false };

/// Most calls of `BatchGetItem` for one page, the first included. Keys that are still unprocessed then fail the page as
/// throttled.
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

    /// Keys of one shard of a list, in the list's order.
    async fn shard_keys(
        &self,
        list: &List,
        shard_key: String,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(list.index)
            .expression_attribute_names("#sh", list.key)
            .expression_attribute_values(":sh", AttributeValue::S(shard_key))
            .scan_index_forward(!list.newest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        query = match after {
            None => query.key_condition_expression("#sh = :sh"),
            Some(cursor) => query
                .key_condition_expression(if list.newest_first {
                    "#sh = :sh AND #cr < :cr"
                } else {
                    "#sh = :sh AND #cr > :cr"
                })
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

    /// One page of a list, merged from all its shards.
    async fn page(
        &self,
        list: &List,
        shard_keys: impl Iterator<Item = String>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let shards = shard_keys.map(|key| self.shard_keys(list, key, limit + 1, after.as_ref()));
        let mut keys: Vec<(String, String)> = try_join_all(shards).await?.into_iter().flatten().collect();
        if list.newest_first {
            keys.sort_unstable_by(|a, b| b.cmp(a));
        } else {
            keys.sort_unstable();
        }
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = if more { keys.last().map(|(created, _)| Cursor(created.clone())) } else { None };
        let ids: Vec<String> = keys.into_iter().map(|(_, id)| id).collect();
        let mut rows: HashMap<String, Row> = HashMap::new();
        for item in self.items(&ids).await? {
            match Row::read(row::from_sdk(item)) {
                Ok(row) => drop(rows.insert(row.id.to_string(), row)),
                Err(error) => {
                    tracing::error!(%error, "an item is left out of a list: its attributes cannot be read")
                }
            }
        }
        let items = ids.iter().filter_map(|id| rows.remove(id)).filter_map(super::readable).collect();
        Ok(Page { items, next })
    }

    /// Items by id, with consistent reads, in no particular order.
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

fn stored(item: Item) -> Result<StoredApplication, StoreError> {
    Row::read(row::from_sdk(item))?.stored()
}

impl Store for AwsStore {
    async fn create(
        &self,
        stored: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> Result<Created, StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(Row::new(stored, wake).attributes()))
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
        // The answer may lack the item although the table has it.
        let found = match failed.item.clone() {
            Some(item) => self::stored(item)?,
            None => self.get(stored.id()).await?.ok_or(StoreError::Unavailable)?,
        };
        Ok(if found.began_as(stored) { Created::New } else { Created::Existing(Box::new(found)) })
    }

    async fn get(&self, id: ApplicationId) -> Result<Option<StoredApplication>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(&id.to_string())))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.GetItem", &error))?;
        output.item.map(stored).transpose()
    }

    async fn append(
        &self,
        expected_version: u32,
        after: &StoredApplication,
        wake: Option<Timestamp>,
    ) -> Result<AppendOutcome, StoreError> {
        let new = after.ledger.after(expected_version).iter().map(|line| &line.bytes);
        let mut set = "#ev = list_append(#ev, :new), #v = :after".to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&after.id().to_string())))
            .condition_expression("#v = :expected")
            .expression_attribute_names("#ev", row::EVENTS)
            .expression_attribute_names("#v", row::VERSION)
            .expression_attribute_values(":new", row::list(new))
            .expression_attribute_values(":expected", AttributeValue::N(expected_version.to_string()))
            .expression_attribute_values(":after", AttributeValue::N(after.version().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(ttl) = row::time_to_live(after) {
            set.push_str(", #ttl = :ttl");
            update = update
                .expression_attribute_names("#ttl", row::TTL)
                .expression_attribute_values(":ttl", AttributeValue::N(ttl.to_string()));
        }
        if row::is_corrected(expected_version, after) {
            set.push_str(", #se = :se");
            update = update
                .expression_attribute_names("#se", row::ENCRYPTED)
                .expression_attribute_values(":se", AttributeValue::B(Blob::new(after.encrypted.clone())));
        }
        let (schedule, values) = wake_expression(after.id(), wake);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let (mut sets, mut removes) = (set, String::new());
        match row::agency_key(after.ledger.state()) {
            Some(agency) => {
                sets.push_str(", #ag = :ag");
                update = update.expression_attribute_values(":ag", AttributeValue::S(agency));
            }
            None => removes.push_str("#ag"),
        }
        match wake {
            Some(_) => sets.push_str(&format!(", {schedule}")),
            None if removes.is_empty() => removes.push_str(schedule),
            None => removes.push_str(&format!(", {schedule}")),
        }
        let expression =
            if removes.is_empty() { format!("SET {sets}") } else { format!("SET {sets} REMOVE {removes}") };
        let sent = update
            .expression_attribute_names("#ag", row::AGENCY)
            .expression_attribute_names("#du", row::DUE)
            .expression_attribute_names("#dt", row::WAKE)
            .update_expression(expression)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(AppendOutcome::Done),
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(store_error("dynamodb.UpdateItem", &error));
        };
        let found = match failed.item.clone() {
            Some(item) => Some(stored(item)?),
            None => self.get(after.id()).await?,
        };
        Ok(match found {
            None => AppendOutcome::Missing,
            // The SDK retried this write after it had committed.
            Some(found) if found.contains(after, expected_version) => AppendOutcome::Done,
            Some(found) => AppendOutcome::Conflict(Box::new(found)),
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
            .condition_expression("#v = :expected")
            .update_expression(format!("{verb} {schedule}"))
            .expression_attribute_names("#v", row::VERSION)
            .expression_attribute_names("#du", row::DUE)
            .expression_attribute_names("#dt", row::WAKE)
            .expression_attribute_values(":expected", AttributeValue::N(version.to_string()));
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
    ) -> Result<Page<StoredApplication>, StoreError> {
        let keys = (0..TENANT_SHARDS).map(|number| row::tenant_key(tenant.as_str(), number));
        self.page(&BY_TENANT, keys, limit, after).await
    }

    async fn before_agency(
        &self,
        agency: &AgencyCode,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let keys = (0..AGENCY_SHARDS).map(|number| row::agency_shard_key(agency, number));
        let mut page = self.page(&BY_AGENCY, keys, limit, after).await?;
        // The index lags behind the table: leave out cases that are no longer before this agency.
        page.items.retain(|stored| {
            let head = stored.ledger.state();
            head.is_before_agency() && head.agency() == agency
        });
        Ok(page)
    }

    async fn mark_for_resend(
        &self,
        id: ApplicationId,
        message: u32,
        now: Timestamp,
    ) -> Result<ResendMark, StoreError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&id.to_string())))
            .condition_expression("attribute_exists(#id) AND (attribute_not_exists(#ra) OR #ra < :before)")
            .update_expression("SET #ra = :mark")
            .expression_attribute_names("#id", row::ID)
            .expression_attribute_names("#ra", row::RESEND_REQUESTED)
            .expression_attribute_values(":before", AttributeValue::S(resend_mark_before(now)))
            .expression_attribute_values(":mark", AttributeValue::S(row::resend_mark(now, message)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(ResendMark::Set),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(match &failed.item {
                None => ResendMark::Missing,
                // The SDK retried this write after it had set the mark.
                Some(item)
                    if text(item, row::RESEND_REQUESTED)
                        .is_ok_and(|mark| mark == row::resend_mark(now, message)) =>
                {
                    ResendMark::Set
                }
                Some(_) => ResendMark::TooSoon,
            }),
            _ => Err(store_error("dynamodb.UpdateItem", &error)),
        }
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

/// The part of an update expression that sets or removes the keys of the due index, without `SET` or `REMOVE`.
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

//! The store in DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use domain::ids::{AgencyCode, ApplicationId, TenantId};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::keys::list_keys;
use super::lists::{Index, ListBy, Merge, Wanted};
use super::row::{self, Row};
use super::{
    AGENCY_SHARDS, AppendOutcome, Created, Cursor, DUE_SHARDS, PAGE, Page, ResendMark, Store, StoreError,
    StoredApplication, resend_mark_before, shard, store_error,
};
use crate::jitter::jitter;

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

    /// Range keys and ids of one key of an index, in the list's order.
    async fn entries(
        &self,
        index: &Index,
        key: String,
        Wanted { after, limit, .. }: Wanted,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index.name)
            .expression_attribute_names("#sh", index.key)
            .expression_attribute_values(":sh", AttributeValue::S(key))
            .scan_index_forward(!index.newest_first)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        query = match after {
            None => query.key_condition_expression("#sh = :sh"),
            Some(after) => query
                .key_condition_expression(if index.newest_first {
                    "#sh = :sh AND #cr < :cr"
                } else {
                    "#sh = :sh AND #cr > :cr"
                })
                .expression_attribute_names("#cr", row::CREATED)
                .expression_attribute_values(":cr", AttributeValue::S(after)),
        };
        let output = query.send().await.map_err(|error| store_error("dynamodb.Query", &error))?;
        output
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|item| Ok((text(&item, row::CREATED)?, text(&item, row::ID)?)))
            .collect()
    }

    /// One page of a list, merged from several keys of an index.
    async fn page(
        &self,
        index: &Index,
        hash_keys: &[String],
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let after = after.map(|cursor| cursor.0);
        let mut merge = Merge::new(hash_keys.len(), limit + 1, after, index.newest_first);
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            let queries = wanted
                .iter()
                .filter_map(|wanted| Some((hash_keys.get(wanted.stream)?.clone(), wanted.clone())))
                .map(|(key, wanted)| self.entries(index, key, wanted));
            let answers = try_join_all(queries).await?;
            for (wanted, entries) in wanted.iter().zip(answers) {
                merge.add(wanted, entries);
            }
        }
        let mut keys = merge.found();
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
        let (schedule, values) = wake_expression(after.id(), wake);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        let (mut sets, mut removes) = (vec![set], Vec::new());
        let head = after.ledger.state();
        let keys = list_keys(head).into_iter().chain([(row::AGENCY, row::agency_key(head))]);
        for (name, key) in keys {
            update = update.expression_attribute_names(format!("#{name}"), name);
            match key {
                Some(key) => {
                    sets.push(format!("#{name} = :{name}"));
                    update = update.expression_attribute_values(format!(":{name}"), AttributeValue::S(key));
                }
                None => removes.push(format!("#{name}")),
            }
        }
        match wake {
            Some(_) => sets.push(schedule.to_owned()),
            None => removes.push(schedule.to_owned()),
        }
        let mut expression = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            expression.push_str(&format!(" REMOVE {}", removes.join(", ")));
        }
        let sent = update
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

    async fn list_by(
        &self,
        tenant: &TenantId,
        by: &ListBy,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let (index, keys) = by.keys(tenant);
        let mut page = self.page(index, &keys, limit, after).await?;
        by.check(tenant, &mut page.items);
        Ok(page)
    }

    async fn before_agency(
        &self,
        agency: &AgencyCode,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<StoredApplication>, StoreError> {
        let keys: Vec<String> =
            (0..AGENCY_SHARDS).map(|number| row::agency_shard_key(agency, number)).collect();
        let mut page = self.page(&Index::AGENCY, &keys, limit, after).await?;
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

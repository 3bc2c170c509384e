//! The store in DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use domain::ids::ApplicationId;
use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::lists::{KeyRange, Merge, Wanted, newest, person_ranges};
use super::row::{self, Row};
use super::table::{ApplicationRows, ApplicationTable, ItemChange, ItemCondition, ItemWrite};
use super::{Cursor, DUE_SHARDS, Page, StoreError, shard, store_error};
use crate::jitter::{doubled, jitter};
use crate::log_fault;

/// Most calls of `BatchGetItem` for one page, the first included. Keys that are still unprocessed then fail the page as
/// throttled.
const BATCH_READS: u32 = 5;

/// Applications in a DynamoDB table. Clones share the client.
pub type AwsStore = ApplicationTable<AwsApplicationRows>;

/// The items of a DynamoDB table.
#[derive(Clone, Debug)]
pub struct AwsApplicationRows {
    client: Client,
    table: String,
}

impl AwsStore {
    /// The store in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        ApplicationTable(AwsApplicationRows { client, table: table.into() })
    }
}

type Item = HashMap<String, AttributeValue>;

impl AwsApplicationRows {
    /// Items by id, in the order of the ids. An unreadable item is logged and left out.
    async fn rows(&self, ids: &[String]) -> Result<Vec<Row>, StoreError> {
        let mut rows: HashMap<String, Row> = HashMap::new();
        for item in self.items(ids).await? {
            match read(item) {
                Ok(row) => drop(rows.insert(row.id.to_string(), row)),
                Err(error) => {
                    log_fault!(true, "an item of a list", %error, "an item is left out of a list: its attributes cannot be read")
                }
            }
        }
        Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
    }

    /// Range keys and ids of a key range, in the order of its index.
    async fn entries(
        &self,
        KeyRange { index, key }: &KeyRange,
        Wanted { after, limit, .. }: Wanted,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index.name)
            .expression_attribute_names("#sh", index.key)
            .expression_attribute_values(":sh", AttributeValue::S(key.clone()))
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

    /// Items by id, with consistent reads, in no particular order.
    async fn items(&self, ids: &[String]) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::new();
        let mut open: Vec<Item> = ids.iter().map(|id| key(id)).collect();
        for read in 0..BATCH_READS {
            if open.is_empty() {
                return Ok(found);
            }
            if read > 0 {
                tokio::time::sleep(jitter(doubled(Duration::from_millis(50), read))).await;
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

    /// The outcome of a write whose condition failed. The answer may lack the item although the table has it.
    async fn refused(&self, id: ApplicationId, item: Option<Item>) -> Result<ItemWrite, StoreError> {
        let found = match item {
            Some(item) => Some(read(item)?),
            None => self.get("store.get", id).await?,
        };
        Ok(ItemWrite::Refused(found.map(Box::new)))
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

fn read(item: Item) -> Result<Row, StoreError> {
    Row::read(row::from_sdk(item))
}

/// An update expression with its condition, names and values. Every attribute `x` is `#x` and its new value `:x`.
#[derive(Default)]
struct Expression {
    sets: Vec<String>,
    removes: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// The expression of a change.
    fn of(id: ApplicationId, change: ItemChange) -> Expression {
        let mut expression = Expression::default();
        if let Some((entries, version)) = change.entries {
            let (events, new) = (expression.name(row::EVENTS), format!(":{}", row::EVENTS));
            expression.sets.push(format!("{events} = list_append({events}, {new})"));
            expression.values.insert(new, row::list(&entries));
            expression.set(row::VERSION, Some(AttributeValue::N(version.to_string())));
        }
        if let Some(wake) = change.wake {
            let due = wake.map(|_| AttributeValue::S(row::due_key(shard(id, DUE_SHARDS))));
            expression.set(row::DUE, due);
            expression.set(row::WAKE, wake.map(|wake| AttributeValue::N(wake.as_millisecond().to_string())));
        }
        if let Some(encrypted) = change.encrypted {
            expression.set(row::ENCRYPTED, Some(AttributeValue::B(Blob::new(encrypted))));
        }
        for (attribute, key) in change.keys {
            expression.set(attribute, key.map(AttributeValue::S));
        }
        if let Some(ttl) = change.ttl {
            expression.set(row::TTL, Some(AttributeValue::N(ttl.to_string())));
        }
        if let Some(mark) = change.resend_requested {
            expression.set(row::RESEND_REQUESTED, Some(AttributeValue::S(mark)));
        }
        expression
    }

    fn name(&mut self, attribute: &'static str) -> String {
        let name = format!("#{attribute}");
        self.names.insert(name.clone(), attribute.to_owned());
        name
    }

    /// Sets an attribute, or removes it.
    fn set(&mut self, attribute: &'static str, value: Option<AttributeValue>) {
        let name = self.name(attribute);
        match value {
            None => self.removes.push(name),
            Some(value) => {
                self.sets.push(format!("{name} = :{attribute}"));
                self.values.insert(format!(":{attribute}"), value);
            }
        }
    }

    /// The text of a condition.
    fn condition(&mut self, condition: ItemCondition) -> String {
        match condition {
            ItemCondition::Version(version) => {
                let name = self.name(row::VERSION);
                self.values.insert(":expected".to_owned(), AttributeValue::N(version.to_string()));
                format!("{name} = :expected")
            }
            ItemCondition::DueAt(now) => {
                let name = self.name(row::WAKE);
                self.values.insert(":now".to_owned(), AttributeValue::N(now.as_millisecond().to_string()));
                format!("{name} <= :now")
            }
            ItemCondition::ResendMarkBefore(mark) => {
                let (id, name) = (self.name(row::ID), self.name(row::RESEND_REQUESTED));
                self.values.insert(":before".to_owned(), AttributeValue::S(mark));
                format!("attribute_exists({id}) AND (attribute_not_exists({name}) OR {name} < :before)")
            }
        }
    }

    /// The text of the update.
    fn update(&self) -> String {
        let clauses = [("SET", &self.sets), ("REMOVE", &self.removes)];
        let used = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        used.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }
}

impl ApplicationRows for AwsApplicationRows {
    async fn insert(&self, _call: &'static str, row: Row) -> Result<ItemWrite, StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row.attributes()))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", row::ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(ItemWrite::Done) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                self.refused(row.id, failed.item.clone()).await
            }
            _ => Err(store_error("dynamodb.PutItem", &error)),
        }
    }

    async fn get(&self, _call: &'static str, id: ApplicationId) -> Result<Option<Row>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(&id.to_string())))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.GetItem", &error))?;
        output.item.map(read).transpose()
    }

    async fn update(
        &self,
        _call: &'static str,
        id: ApplicationId,
        condition: ItemCondition,
        change: ItemChange,
    ) -> Result<ItemWrite, StoreError> {
        let mut expression = Expression::of(id, change);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&id.to_string())))
            .condition_expression(expression.condition(condition))
            .update_expression(expression.update())
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(ItemWrite::Done) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                self.refused(id, failed.item.clone()).await
            }
            _ => Err(store_error("dynamodb.UpdateItem", &error)),
        }
    }

    async fn page(
        &self,
        _call: &'static str,
        ranges: Vec<KeyRange>,
        limit: usize,
        after: Option<Cursor>,
    ) -> Result<Page<Row>, StoreError> {
        let mut merge = Merge::new(&ranges, limit, after);
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            let queries = wanted
                .iter()
                .filter_map(|wanted| Some((ranges.get(wanted.stream)?, wanted.clone())))
                .map(|(range, wanted)| self.entries(range, wanted));
            let answers = try_join_all(queries).await?;
            for (wanted, entries) in wanted.iter().zip(answers) {
                merge.add(wanted, entries);
            }
        }
        let Page { items: ids, next } = merge.page();
        Ok(Page { items: self.rows(&ids).await?, next })
    }

    async fn of_person(
        &self,
        _call: &'static str,
        values: &[String],
        except: Option<ApplicationId>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let ranges = person_ranges(values);
        let wanted = Wanted { stream: 0, after: None, limit: limit.saturating_add(1) };
        let queries = ranges.iter().map(|range| self.entries(range, wanted.clone()));
        let ids = newest(try_join_all(queries).await?.concat(), except, limit);
        // The usual person has one application, and the search costs no second call.
        if ids.is_empty() { Ok(Vec::new()) } else { self.rows(&ids).await }
    }

    async fn due(
        &self,
        _call: &'static str,
        shard: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApplicationId>, StoreError> {
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
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::sample;

    #[test]
    fn an_update_sets_and_removes_the_changed_attributes_only() {
        let change = ItemChange {
            entries: Some((vec![b"{}".to_vec()], 8)),
            wake: Some(None),
            keys: vec![(row::AGENCY, Some("11#0".to_owned()))],
            ..ItemChange::default()
        };
        let mut expression = Expression::of(sample::id(1), change);
        assert_eq!(expression.condition(ItemCondition::Version(7)), "#v = :expected");
        assert_eq!(
            expression.update(),
            "SET #ev = list_append(#ev, :ev), #v = :v, #ag = :ag REMOVE #du, #dt"
        );
        let mut names: Vec<_> = expression.names.into_keys().collect();
        names.sort();
        assert_eq!(names, ["#ag", "#dt", "#du", "#ev", "#v"]);
        let mut values: Vec<_> = expression.values.into_keys().collect();
        values.sort();
        assert_eq!(values, [":ag", ":ev", ":expected", ":v"]);
    }

    #[test]
    fn o8_a_postponed_application_keeps_all_but_its_wake_up_time() {
        let (now, wake) = (sample::start(), sample::start() + jiff::SignedDuration::from_mins(5));
        let change = ItemChange { wake: Some(Some(wake)), ..ItemChange::default() };
        let mut expression = Expression::of(sample::id(1), change);
        assert_eq!(expression.condition(ItemCondition::DueAt(now)), "#dt <= :now");
        assert_eq!(expression.update(), "SET #du = :du, #dt = :dt");
    }

    #[test]
    fn a_resend_mark_changes_nothing_else() {
        let change = ItemChange { resend_requested: Some("mark".to_owned()), ..ItemChange::default() };
        let mut expression = Expression::of(sample::id(1), change);
        assert_eq!(
            expression.condition(ItemCondition::ResendMarkBefore("before".to_owned())),
            "attribute_exists(#id) AND (attribute_not_exists(#ra) OR #ra < :before)"
        );
        assert_eq!(expression.update(), "SET #ra = :ra");
    }
}

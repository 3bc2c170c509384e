//! The subscriptions table in DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use jiff::Timestamp;

use super::TenantRows;
use super::row::{Condition, Counter, Key, Row, Write};
use crate::store::{StoreError, store_error};

/// Name of the index `due`, and its only hash key: one is enough, because few endpoints fail at the same time.
const DUE: &str = "due";

/// Rows of a DynamoDB table. Clones share the client.
#[derive(Clone, Debug)]
pub struct AwsTenantRows {
    client: Client,
    table: String,
}

type Item = HashMap<String, AttributeValue>;

impl AwsTenantRows {
    /// The rows of this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        AwsTenantRows { client, table: table.into() }
    }

    fn write(&self, write: Write) -> Result<TransactWriteItem, BuildError> {
        Ok(match write {
            Write::Put(row, condition) => {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(item(row)))
                    .condition_expression(expression(condition))
                    .set_expression_attribute_values(expected(condition));
                TransactWriteItem::builder().put(put.build()?).build()
            }
            Write::Delete(key, condition) => {
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key_of(key)))
                    .condition_expression(expression(condition))
                    .set_expression_attribute_values(expected(condition));
                TransactWriteItem::builder().delete(delete.build()?).build()
            }
        })
    }
}

/// The condition expression. A row of a former version has no revision, which counts as 0.
fn expression(condition: Condition) -> &'static str {
    match condition {
        Condition::Absent => "attribute_not_exists(sk)",
        Condition::Present => "attribute_exists(sk)",
        Condition::At(0) => "attribute_exists(sk) AND (rv = :revision OR attribute_not_exists(rv))",
        Condition::At(_) => "attribute_exists(sk) AND rv = :revision",
        Condition::AtOrAbsent(0) => "rv = :revision OR attribute_not_exists(rv)",
        Condition::AtOrAbsent(_) => "rv = :revision",
    }
}

fn expected(condition: Condition) -> Option<Item> {
    match condition {
        Condition::Absent | Condition::Present => None,
        Condition::At(revision) | Condition::AtOrAbsent(revision) => {
            Some(HashMap::from([(":revision".to_owned(), number(revision))]))
        }
    }
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key_of(key: Key) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk)),
        ("sk".to_owned(), AttributeValue::S(key.sk)),
    ])
}

fn item(row: Row) -> Item {
    let mut item = key_of(row.key);
    for (name, text) in [("bo", row.body), ("wh", row.request_hash)] {
        if let Some(text) = text {
            item.insert(name.to_owned(), AttributeValue::S(text));
        }
    }
    for (name, bytes) in [("se", row.encrypted), ("fo", row.former)] {
        if let Some(bytes) = bytes {
            item.insert(name.to_owned(), AttributeValue::B(Blob::new(bytes)));
        }
    }
    item.insert("rv".to_owned(), number(row.revision));
    if let Some(due) = row.due {
        item.insert("du".to_owned(), AttributeValue::S(DUE.to_owned()));
        item.insert("dt".to_owned(), number(due));
    }
    item
}

fn key(item: &Item) -> Result<Key, StoreError> {
    let text = |name| text(item, name)?.ok_or(StoreError::Unreadable(name));
    Ok(Key { pk: text("pk")?, sk: text("sk")? })
}

fn text(item: &Item, name: &'static str) -> Result<Option<String>, StoreError> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
        Some(_) => Err(StoreError::Unreadable(name)),
    }
}

fn bytes(item: &Item, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::B(bytes)) => Ok(Some(bytes.as_ref().to_vec())),
        Some(_) => Err(StoreError::Unreadable(name)),
    }
}

fn numeral<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<Option<T>, StoreError> {
    match item.get(name) {
        None => Ok(None),
        Some(AttributeValue::N(digits)) => digits.parse().map(Some).map_err(|_| StoreError::Unreadable(name)),
        Some(_) => Err(StoreError::Unreadable(name)),
    }
}

fn read(item: &Item) -> Result<Row, StoreError> {
    Ok(Row {
        key: key(item)?,
        body: text(item, "bo")?,
        encrypted: bytes(item, "se")?,
        former: bytes(item, "fo")?,
        request_hash: text(item, "wh")?,
        revision: numeral(item, "rv")?.unwrap_or_default(),
        due: numeral(item, "dt")?,
    })
}

impl TenantRows for AwsTenantRows {
    async fn get(&self, _call: &'static str, key: Key) -> Result<Option<Row>, StoreError> {
        let call = self.client.get_item().table_name(&self.table).set_key(Some(key_of(key)));
        let output = call.consistent_read(true).send().await;
        let output = output.map_err(|error| store_error("dynamodb.GetItem", &error))?;
        output.item.as_ref().map(read).transpose()
    }

    async fn with_prefix(
        &self,
        _call: &'static str,
        pk: String,
        prefix: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":sk", AttributeValue::S(prefix.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.Query", &error))?;
        output.items.unwrap_or_default().iter().map(read).collect()
    }

    async fn put(&self, _call: &'static str, row: Row, condition: Condition) -> Result<bool, StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(row.clone())))
            .condition_expression(expression(condition))
            .set_expression_attribute_values(expected(condition))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(true) };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(store_error("dynamodb.PutItem", &error));
        };
        // The SDK may have retried this write after the first answer was lost: an equal row counts as written.
        let found = failed.item().map(read).transpose()?;
        Ok(found.is_some_and(|found| found == row))
    }

    async fn transact(&self, _call: &'static str, writes: Vec<Write>) -> Result<bool, StoreError> {
        let writes = writes.into_iter().map(|write| self.write(write)).collect::<Result<Vec<_>, _>>();
        // Building fails only without a table or a key; every write here has both.
        let writes = writes.map_err(|_| StoreError::Unreadable("write"))?;
        // The SDK adds a client token, so a retry after a lost answer does not conflict with the first attempt.
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = sent else { return Ok(true) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        {
            let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            // A concurrent write to the same row counts as a failed condition.
            if codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict")) {
                return Ok(false);
            }
        }
        Err(store_error("dynamodb.TransactWriteItems", &error))
    }

    async fn add(
        &self,
        _call: &'static str,
        counter: Counter,
        wanted: u32,
    ) -> Result<Result<u32, u32>, StoreError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key_of(counter.key)))
            .update_expression("ADD #us :wanted SET #tt = :until")
            .condition_expression("attribute_not_exists(#us) OR #us <= :room")
            .expression_attribute_names("#us", "us")
            .expression_attribute_names("#tt", "tt")
            .expression_attribute_values(":wanted", number(wanted))
            .expression_attribute_values(":room", number(counter.limit.saturating_sub(wanted)))
            .expression_attribute_values(":until", number(counter.until))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let used = |item: Option<&Item>| {
            item.map(|item| numeral(item, "us")).transpose()?.flatten().ok_or(StoreError::Unreadable("us"))
        };
        match sent {
            Ok(output) => used(output.attributes.as_ref()).map(Ok),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    used(failed.item.as_ref()).map(Err)
                }
                _ => Err(store_error("dynamodb.UpdateItem", &error)),
            },
        }
    }

    async fn due(&self, _call: &'static str, now: Timestamp, limit: usize) -> Result<Vec<Key>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DUE)
            .key_condition_expression("du = :du AND dt <= :now")
            .expression_attribute_values(":du", AttributeValue::S(DUE.to_owned()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("dynamodb.Query", &error))?;
        output.items.unwrap_or_default().iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_from_its_item() {
        let key = Key { pk: "tenant#an-app".to_owned(), sk: "subscription#1".to_owned() };
        let full = Row {
            key: key.clone(),
            body: Some("{}".to_owned()),
            encrypted: Some(vec![1]),
            former: Some(vec![2]),
            request_hash: Some("hash".to_owned()),
            revision: 7,
            due: Some(1_772_413_200_000),
        };
        for row in [full, Row::new(key)] {
            assert_eq!(read(&item(row.clone())), Ok(row));
        }
    }

    /// Row 47 of `tests/FAULTS.md`.
    #[test]
    fn a_row_without_a_revision_counts_as_revision_0() {
        let mut item = item(Row::new(Key { pk: "tenant#an-app".to_owned(), sk: "subscription".to_owned() }));
        item.remove("rv");
        assert_eq!(read(&item).map(|row| row.revision), Ok(0));
    }
}

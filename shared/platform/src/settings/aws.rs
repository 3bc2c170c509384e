//! Settings in DynamoDB: `pk` = `tenant#<tenant>`, `sk` = `subscription#<id>`, `bo` = the JSON body, `se` = the
//! sealed keys, `fo` = those before them, `rv` = the revision. A subscription that somebody must look after has
//! `du` = `due` and `dt` = when, in milliseconds: the keys of the sparse index `due`. `sk` = `subscription` counts what was
//! added, in `rv`. An answer is at `sk` = `answer#<key>`, with `wh` = what the whole request came to and `se` = the answer,
//! sealed. A counter of an allowance is at `sk` = `allowance#<rule>#<window>`, with `us` = what is used and `tt` = when it
//! may be removed.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Answered, Changes, Former, Reserved, Roster, Settings, Subscription, sort};
use crate::store::{StoreError, store_error};
use domain::endpoint::EndpointState;

/// Settings in a DynamoDB table. Clones share the client.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    client: Client,
    table: String,
}

/// The one key of the index: few endpoints are in trouble at once.
const DUE: &str = "due";

type Item = HashMap<String, AttributeValue>;

/// The JSON in `bo`.
#[derive(Serialize, Deserialize)]
struct Body {
    url: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directed_from: Option<Timestamp>,
    #[serde(default)]
    state: EndpointState,
}

impl AwsSettings {
    /// The settings in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        AwsSettings { client, table: table.into() }
    }

    fn put(&self, item: Item) -> PutBuilder {
        Put::builder().table_name(&self.table).set_item(Some(item))
    }

    /// The writes of a request.
    fn writes(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        answered: &Answered,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        const NEW: &str = "attribute_not_exists(sk)";
        let mut answer = sort_key(tenant, &format!("answer#{}", answered.key));
        answer.insert("wh".to_owned(), AttributeValue::S(answered.whole.clone()));
        answer.insert("se".to_owned(), AttributeValue::B(Blob::new(answered.sealed.clone())));
        let mut puts = vec![self.put(answer).condition_expression(NEW)];
        for after in &changes.replaced {
            let seen = after.revision.checked_sub(1).ok_or(StoreError::Unreadable("rv"))?;
            let put = self
                .put(write(after)?)
                .condition_expression(format!("attribute_exists(sk) AND {}", at(seen)));
            puts.push(put.expression_attribute_values(":seen", number(seen)));
        }
        if let Some((new, seen)) = &changes.made {
            puts.push(self.put(write(new)?).condition_expression(NEW));
            let mut roster = sort_key(tenant, ROSTER);
            roster.insert("rv".to_owned(), number(seen.saturating_add(1)));
            let put = self.put(roster).condition_expression(at(*seen));
            puts.push(put.expression_attribute_values(":seen", number(*seen)));
        }
        let mut writes = Vec::with_capacity(puts.len() + 1);
        for put in puts {
            writes.push(TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build());
        }
        if let Some(id) = changes.removed {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key(tenant, id)));
            let delete = delete.condition_expression("attribute_exists(sk)").build().map_err(unbuilt)?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        Ok(writes)
    }
}

/// The condition that a revision is `:seen`. What was written before there were revisions has none, and counts as 0.
fn at(seen: u32) -> &'static str {
    if seen == 0 { "(rv = :seen OR attribute_not_exists(rv))" } else { "rv = :seen" }
}

fn number(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A write without a table or a key, which none of ours is.
fn unbuilt(_: BuildError) -> StoreError {
    StoreError::Unreadable("write")
}

/// Tries at a counter that others use up meanwhile.
const RESERVES: usize = 3;

impl AwsSettings {
    /// Adds to a counter where it fits: what is used after it, or what was before where it does not fit.
    async fn add(
        &self,
        key: Item,
        limit: u32,
        wanted: u32,
        until: i64,
    ) -> Result<Result<u32, u32>, StoreError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("ADD #us :wanted SET #tt = :until")
            .condition_expression("attribute_not_exists(#us) OR #us <= :room")
            .expression_attribute_names("#us", "us")
            .expression_attribute_names("#tt", TTL)
            .expression_attribute_values(":wanted", AttributeValue::N(wanted.to_string()))
            .expression_attribute_values(":room", AttributeValue::N(limit.saturating_sub(wanted).to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let used = |item: Option<&Item>| {
            let used = item.and_then(|item| item.get("us")?.as_n().ok()?.parse().ok());
            used.ok_or(StoreError::Unreadable("us"))
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
}

/// When DynamoDB may remove an item, in seconds since 1970.
const TTL: &str = "tt";
/// The item that counts what was added. It sorts before a tenant's subscriptions, and is read with them.
const ROSTER: &str = "subscription";

fn sort_key(tenant: &TenantId, sk: &str) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(format!("tenant#{tenant}"))),
        ("sk".to_owned(), AttributeValue::S(sk.to_owned())),
    ])
}

fn key(tenant: &TenantId, id: SubscriptionId) -> Item {
    sort_key(tenant, &format!("subscription#{id}"))
}

fn blob(item: &Item, name: &'static str) -> Result<Vec<u8>, StoreError> {
    match item.get(name) {
        Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref().to_vec()),
        _ => Err(StoreError::Unreadable(name)),
    }
}

fn text<'i>(item: &'i Item, name: &'static str) -> Result<&'i str, StoreError> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(StoreError::Unreadable(name)),
    }
}

fn revision(item: &Item) -> Result<u32, StoreError> {
    match item.get("rv") {
        Some(AttributeValue::N(revision)) => revision.parse().map_err(|_| StoreError::Unreadable("rv")),
        // As it was before there were revisions.
        _ => Ok(0),
    }
}

fn write(subscription: &Subscription) -> Result<Item, StoreError> {
    let body = Body {
        url: subscription.url.clone(),
        events: subscription.events.clone(),
        created: subscription.created,
        public_key: subscription.public_key.clone(),
        former_until: subscription.former.as_ref().map(|former| former.until),
        directed_from: subscription.directed_from,
        state: subscription.state,
    };
    let body = serde_json::to_string(&body).map_err(|_| StoreError::Unreadable("bo"))?;
    let mut item = key(&subscription.tenant, subscription.id);
    item.insert("bo".to_owned(), AttributeValue::S(body));
    item.insert("se".to_owned(), AttributeValue::B(Blob::new(subscription.secret.clone())));
    item.insert("rv".to_owned(), number(subscription.revision));
    if let Some(former) = &subscription.former {
        item.insert("fo".to_owned(), AttributeValue::B(Blob::new(former.secret.clone())));
    }
    if let Some(due) = subscription.state.due() {
        item.insert("du".to_owned(), AttributeValue::S(DUE.to_owned()));
        item.insert("dt".to_owned(), AttributeValue::N(due.as_millisecond().to_string()));
    }
    Ok(item)
}

fn read(tenant: &TenantId, item: &Item) -> Result<Subscription, StoreError> {
    let id = text(item, "sk")?.strip_prefix("subscription#").and_then(|id| id.parse().ok());
    let body: Body = serde_json::from_str(text(item, "bo")?).map_err(|_| StoreError::Unreadable("bo"))?;
    let former = match (item.get("fo"), body.former_until) {
        (Some(AttributeValue::B(secret)), Some(until)) => {
            Some(Former { secret: secret.as_ref().to_vec(), until })
        }
        _ => None,
    };
    Ok(Subscription {
        id: id.ok_or(StoreError::Unreadable("sk"))?,
        tenant: tenant.clone(),
        url: body.url,
        events: body.events,
        created: body.created,
        secret: blob(item, "se")?,
        public_key: body.public_key,
        former,
        directed_from: body.directed_from,
        state: body.state,
        revision: revision(item)?,
    })
}

/// Tenant and id of a subscription's keys.
fn read_key(item: &Item) -> Option<(TenantId, SubscriptionId)> {
    let tenant = item.get("pk")?.as_s().ok()?.strip_prefix("tenant#")?.parse().ok()?;
    let id = item.get("sk")?.as_s().ok()?.strip_prefix("subscription#")?.parse().ok()?;
    Some((tenant, id))
}

impl Settings for AwsSettings {
    async fn reserve(
        &self,
        tenant: &TenantId,
        counter: &str,
        limit: u32,
        wanted: u32,
        until: i64,
    ) -> Result<Reserved, StoreError> {
        let mut granted = wanted.min(limit);
        for _ in 0..RESERVES {
            match self.add(sort_key(tenant, &format!("rate_limit#{counter}")), limit, granted, until).await? {
                Ok(used) => return Ok(Reserved { granted, left: limit.saturating_sub(used) }),
                Err(used) if used >= limit => break,
                Err(used) => granted = granted.min(limit - used),
            }
        }
        Ok(Reserved { granted: 0, left: 0 })
    }

    async fn answered(&self, tenant: &TenantId, key: &str) -> Result<Option<Answered>, StoreError> {
        let key_of_item = sort_key(tenant, &format!("answer#{key}"));
        let call = self.client.get_item().table_name(&self.table).set_key(Some(key_of_item));
        let output = call.consistent_read(true).send().await;
        let output = output.map_err(|error| store_error("dynamodb.GetItem", &error))?;
        let Some(item) = output.item else { return Ok(None) };
        let whole = text(&item, "wh")?.to_owned();
        Ok(Some(Answered { key: key.to_owned(), whole, sealed: blob(&item, "se")? }))
    }

    async fn settle(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        answered: &Answered,
    ) -> Result<bool, StoreError> {
        // The SDK gives the request a token, so that a try whose answer was lost is no conflict with itself.
        let writes = self.writes(tenant, changes, answered)?;
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = sent else { return Ok(true) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
                // What somebody else is writing at this moment is not as it was seen, either.
                if codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict")) {
                    Ok(false)
                } else {
                    Err(store_error("dynamodb.TransactWriteItems", &error))
                }
            }
            _ => Err(store_error("dynamodb.TransactWriteItems", &error)),
        }
    }

    async fn subscriptions(&self, tenant: &TenantId) -> Result<Roster, StoreError> {
        // Bounded by SUBSCRIPTIONS small items: one page (1 MB) holds them.
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(format!("tenant#{tenant}")))
            .expression_attribute_values(":sk", AttributeValue::S(ROSTER.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.Query", &error))?;
        let mut roster = Roster::default();
        for item in output.items.unwrap_or_default() {
            if text(&item, "sk")? == ROSTER {
                roster.revision = revision(&item)?;
            } else {
                roster.all.push(read(tenant, &item)?);
            }
        }
        sort(&mut roster.all);
        Ok(roster)
    }

    async fn subscription(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        let call = self.client.get_item().table_name(&self.table).set_key(Some(key(tenant, id)));
        let output = call.consistent_read(true).send().await;
        let output = output.map_err(|error| store_error("dynamodb.GetItem", &error))?;
        output.item.map(|item| read(tenant, &item)).transpose()
    }

    async fn replace_subscription(&self, subscription: &Subscription) -> Result<bool, StoreError> {
        let Some(seen) = subscription.revision.checked_sub(1) else { return Ok(false) };
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(subscription)?))
            .condition_expression(format!("attribute_exists(sk) AND {}", at(seen)))
            .expression_attribute_values(":seen", number(seen))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(true) };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(store_error("dynamodb.PutItem", &error));
        };
        // An answer may have been lost, and the SDK have written again: the same row is our own write.
        let found = failed.item().map(|item| read(&subscription.tenant, item)).transpose()?;
        Ok(found.is_some_and(|found| found == *subscription))
    }

    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, SubscriptionId)>, StoreError> {
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("due")
            .key_condition_expression("du = :du AND dt <= :now")
            .expression_attribute_values(":du", AttributeValue::S(DUE.to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(now.as_millisecond().to_string()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| store_error("dynamodb.Query", &error))?;
        let mut due = Vec::new();
        for item in output.items.unwrap_or_default() {
            match read_key(&item) {
                Some(key) => due.push(key),
                // The others are looked after all the same.
                None => tracing::error!("a subscription that is due cannot be read"),
            }
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a row was written before there were states, revisions and public keys.
    #[test]
    fn row_47_a_row_of_the_version_before_is_read() {
        let id = "7f0e8a44-1111-4222-8333-944455556666";
        let tenant: TenantId = "an-app".parse().expect("a tenant");
        let item = HashMap::from([
            ("pk".to_owned(), AttributeValue::S("tenant#an-app".to_owned())),
            ("sk".to_owned(), AttributeValue::S(format!("subscription#{id}"))),
            (
                "bo".to_owned(),
                AttributeValue::S(
                    r#"{"url":"https://app.example/","created":"2026-03-02T01:00:00Z"}"#.to_owned(),
                ),
            ),
            ("se".to_owned(), AttributeValue::B(Blob::new(vec![1, 2, 3]))),
        ]);
        let read = read(&tenant, &item).expect("a subscription");
        assert_eq!((read.revision, read.state), (0, EndpointState::default()));
        assert_eq!((read.former.clone(), read.public_key.clone()), (None, None));
        let known = read_key(&write(&read).expect("an item"));
        assert_eq!(known, Some((tenant, id.parse().expect("an id"))));
    }
}

//! Settings in DynamoDB: `pk` = `tenant#<tenant>`, `sk` = `subscription#<id>`, `bo` = the JSON body, `se` = the
//! sealed keys, `fo` = those before them, `rv` = the revision. A subscription that somebody must look after has
//! `du` = `due` and `dt` = when, in milliseconds: the keys of the sparse index `due`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EndpointState, Former, SUBSCRIPTIONS, Settings, Subscribed, Subscription, sort};
use crate::store::{StoreError, store_error};

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rotations: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<String>,
    #[serde(default)]
    state: EndpointState,
}

impl AwsSettings {
    /// The settings in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        AwsSettings { client, table: table.into() }
    }

    async fn remove(&self, tenant: &TenantId, id: SubscriptionId) -> Result<bool, StoreError> {
        let output = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(tenant, id)))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.DeleteItem", &error))?;
        Ok(output.attributes.is_some_and(|old| !old.is_empty()))
    }
}

fn key(tenant: &TenantId, id: SubscriptionId) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(format!("tenant#{tenant}"))),
        ("sk".to_owned(), AttributeValue::S(format!("subscription#{id}"))),
    ])
}

fn write(subscription: &Subscription) -> Result<Item, StoreError> {
    let body = Body {
        url: subscription.url.clone(),
        events: subscription.events.clone(),
        created: subscription.created,
        public_key: subscription.public_key.clone(),
        former_until: subscription.former.as_ref().map(|former| former.until),
        rotations: subscription.rotations.clone(),
        requests: subscription.requests.clone(),
        state: subscription.state,
    };
    let body = serde_json::to_string(&body).map_err(|_| StoreError::Unreadable("bo"))?;
    let mut item = key(&subscription.tenant, subscription.id);
    item.insert("bo".to_owned(), AttributeValue::S(body));
    item.insert("se".to_owned(), AttributeValue::B(Blob::new(subscription.secret.clone())));
    item.insert("rv".to_owned(), AttributeValue::N(subscription.revision.to_string()));
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
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text.as_str()),
        _ => Err(StoreError::Unreadable(name)),
    };
    let id = text("sk")?.strip_prefix("subscription#").and_then(|id| id.parse().ok());
    let body: Body = serde_json::from_str(text("bo")?).map_err(|_| StoreError::Unreadable("bo"))?;
    let Some(AttributeValue::B(secret)) = item.get("se") else {
        return Err(StoreError::Unreadable("se"));
    };
    let former = match (item.get("fo"), body.former_until) {
        (Some(AttributeValue::B(secret)), Some(until)) => {
            Some(Former { secret: secret.as_ref().to_vec(), until })
        }
        _ => None,
    };
    let revision = match item.get("rv") {
        Some(AttributeValue::N(revision)) => revision.parse().map_err(|_| StoreError::Unreadable("rv"))?,
        // As they were before they changed.
        _ => 0,
    };
    Ok(Subscription {
        id: id.ok_or(StoreError::Unreadable("sk"))?,
        tenant: tenant.clone(),
        url: body.url,
        events: body.events,
        created: body.created,
        secret: secret.as_ref().to_vec(),
        public_key: body.public_key,
        former,
        rotations: body.rotations,
        requests: body.requests,
        state: body.state,
        revision,
    })
}

/// Tenant and id of a subscription's keys.
fn read_key(item: &Item) -> Option<(TenantId, SubscriptionId)> {
    let tenant = item.get("pk")?.as_s().ok()?.strip_prefix("tenant#")?.parse().ok()?;
    let id = item.get("sk")?.as_s().ok()?.strip_prefix("subscription#")?.parse().ok()?;
    Some((tenant, id))
}

impl Settings for AwsSettings {
    async fn put_subscription(&self, subscription: &Subscription) -> Result<Subscribed, StoreError> {
        let tenant = &subscription.tenant;
        let before = self.subscriptions(tenant).await?;
        if let Some(found) = before.iter().find(|found| found.id == subscription.id) {
            return Ok(Subscribed::Existing(Box::new(found.clone())));
        }
        if before.len() >= SUBSCRIPTIONS {
            return Ok(Subscribed::Full);
        }
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(subscription)?))
            .condition_expression("attribute_not_exists(sk)")
            .send()
            .await;
        if let Err(error) = sent {
            let Some(PutItemError::ConditionalCheckFailedException(_)) = error.as_service_error() else {
                return Err(store_error("dynamodb.PutItem", &error));
            };
            let after = self.subscriptions(tenant).await?;
            let found = after.into_iter().find(|found| found.id == subscription.id);
            return match found {
                // The secret is sealed with a random nonce: the same bytes are our own write.
                Some(found) if found == *subscription => Ok(Subscribed::New),
                Some(found) => Ok(Subscribed::Existing(Box::new(found))),
                None => Err(StoreError::Unavailable),
            };
        }
        // Several at once may have passed the count: those beyond the bound give way again.
        let after = self.subscriptions(tenant).await?;
        let place = after.iter().position(|found| found.id == subscription.id);
        if place.is_some_and(|place| place >= SUBSCRIPTIONS) {
            self.remove(tenant, subscription.id).await?;
            return Ok(Subscribed::Full);
        }
        Ok(Subscribed::New)
    }

    async fn subscriptions(&self, tenant: &TenantId) -> Result<Vec<Subscription>, StoreError> {
        // Bounded by SUBSCRIPTIONS small items: one page (1 MB) holds them.
        let output = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(format!("tenant#{tenant}")))
            .expression_attribute_values(":sk", AttributeValue::S("subscription#".to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error("dynamodb.Query", &error))?;
        let items = output.items.unwrap_or_default();
        let mut found = items.iter().map(|item| read(tenant, item)).collect::<Result<Vec<_>, _>>()?;
        sort(&mut found);
        Ok(found)
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
        // What was written before there were revisions has none, and counts as 0.
        let condition = if seen == 0 {
            "attribute_exists(sk) AND (rv = :seen OR attribute_not_exists(rv))"
        } else {
            "rv = :seen"
        };
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(subscription)?))
            .condition_expression(condition)
            .expression_attribute_values(":seen", AttributeValue::N(seen.to_string()))
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
        Ok(output.items.unwrap_or_default().iter().filter_map(read_key).collect())
    }

    async fn delete_subscription(&self, tenant: &TenantId, id: SubscriptionId) -> Result<bool, StoreError> {
        self.remove(tenant, id).await
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

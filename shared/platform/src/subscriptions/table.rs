//! Subscriptions in the rows of a table.

use domain::endpoint::EndpointState;
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Subscriptions;
use super::model::{Changes, FormerKeys, Subscription, TenantSubscriptions};
use crate::log_fault;
use crate::store::StoreError;
use crate::stored_responses::{self, StoredResponse};
#[cfg(any(test, feature = "testing"))]
use crate::tenant_rows::MemoryTenantRows;
use crate::tenant_rows::{AwsTenantRows, Condition, Key, Row, TenantRows, Write, partition};

/// Key of the row that counts the added subscriptions. One query reads this row and the subscriptions, because their
/// keys share this prefix.
const TENANT_SUBSCRIPTIONS: &str = "subscription";

/// Subscriptions in the rows of a table.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionTable<R>(R);

/// Subscriptions in DynamoDB.
pub type AwsSubscriptions = SubscriptionTable<AwsTenantRows>;
/// Subscriptions in memory.
#[cfg(any(test, feature = "testing"))]
pub type FakeSubscriptions = SubscriptionTable<MemoryTenantRows>;

/// The JSON in a row.
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
    own_messages_from: Option<Timestamp>,
    #[serde(default)]
    state: StoredState,
}

/// The state of an endpoint in a row.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredState {
    Known(EndpointState),
    /// A state that this version of the hub does not know: a newer version wrote it. Never written.
    #[serde(skip_serializing)]
    Newer(serde::de::IgnoredAny),
}

impl Default for StoredState {
    fn default() -> Self {
        StoredState::Known(EndpointState::default())
    }
}

impl<R> SubscriptionTable<R> {
    /// The subscriptions of these rows.
    #[must_use]
    pub fn new(rows: R) -> Self {
        SubscriptionTable(rows)
    }
}

fn key(tenant: &TenantId, id: SubscriptionId) -> Key {
    Key::new(tenant, format!("subscription#{id}"))
}

fn id(key: &Key) -> Option<SubscriptionId> {
    key.sk.strip_prefix("subscription#")?.parse().ok()
}

fn row(subscription: &Subscription) -> Result<Row, StoreError> {
    let body = Body {
        url: subscription.url.clone(),
        events: subscription.events.clone(),
        created: subscription.created,
        public_key: subscription.public_key.clone(),
        former_until: subscription.former.as_ref().map(|former| former.until),
        own_messages_from: subscription.own_messages_from,
        state: StoredState::Known(subscription.state),
    };
    Ok(Row {
        body: Some(serde_json::to_string(&body).map_err(|_| StoreError::Unreadable("bo"))?),
        encrypted: Some(subscription.secret.clone()),
        former: subscription.former.as_ref().map(|former| former.secret.clone()),
        revision: subscription.revision,
        due: subscription.state.due().map(Timestamp::as_millisecond),
        ..Row::new(key(&subscription.tenant, subscription.id))
    })
}

fn read(tenant: &TenantId, row: Row) -> Result<Subscription, StoreError> {
    let body = row.body.ok_or(StoreError::Unreadable("bo"))?;
    let body: Body = serde_json::from_str(&body).map_err(|_| StoreError::Unreadable("bo"))?;
    let id = id(&row.key).ok_or(StoreError::Unreadable("sk"))?;
    let state = match body.state {
        StoredState::Known(state) => state,
        // Callbacks are then stored and none is lost, and no event but the tenant's own request changes the state.
        StoredState::Newer(_) => {
            log_fault!(true, &format!("state of {id}"), subscription = %id, "the state of a subscription was written by a newer version of the hub; its callbacks are stored as for a paused one");
            EndpointState::Paused { since: body.created, at: body.created }
        }
    };
    let former = row.former.zip(body.former_until).map(|(secret, until)| FormerKeys { secret, until });
    Ok(Subscription {
        id,
        tenant: tenant.clone(),
        url: body.url,
        events: body.events,
        created: body.created,
        secret: row.encrypted.ok_or(StoreError::Unreadable("se"))?,
        public_key: body.public_key,
        former,
        own_messages_from: body.own_messages_from,
        state,
        revision: row.revision,
    })
}

/// The write that replaces the former revision; `None` when there is no former revision.
fn over_former(after: &Subscription) -> Result<Option<(Row, Condition)>, StoreError> {
    let Some(before) = after.revision.checked_sub(1) else { return Ok(None) };
    Ok(Some((row(after)?, Condition::At(before))))
}

fn writes(tenant: &TenantId, changes: &Changes, response: &StoredResponse) -> Result<Vec<Write>, StoreError> {
    let mut writes = vec![Write::Put(stored_responses::row(tenant, response), Condition::Absent)];
    for after in &changes.replaced {
        let (row, condition) = over_former(after)?.ok_or(StoreError::Unreadable("rv"))?;
        writes.push(Write::Put(row, condition));
    }
    if let Some((new, expected_revision)) = &changes.added {
        writes.push(Write::Put(row(new)?, Condition::Absent));
        let roster = Row {
            revision: expected_revision.saturating_add(1),
            ..Row::new(Key::new(tenant, TENANT_SUBSCRIPTIONS))
        };
        writes.push(Write::Put(roster, Condition::AtOrAbsent(*expected_revision)));
    }
    if let Some(id) = changes.removed {
        writes.push(Write::Delete(key(tenant, id), Condition::Present));
    }
    Ok(writes)
}

impl<R: TenantRows> Subscriptions for SubscriptionTable<R> {
    async fn commit(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        response: &StoredResponse,
    ) -> Result<bool, StoreError> {
        self.0.transact("subscriptions.commit", writes(tenant, changes, response)?).await
    }

    async fn of(&self, tenant: &TenantId) -> Result<TenantSubscriptions, StoreError> {
        let rows = self.0.with_prefix("subscriptions.of", partition(tenant), TENANT_SUBSCRIPTIONS).await?;
        let mut roster = TenantSubscriptions::default();
        for row in rows {
            if row.key.sk == TENANT_SUBSCRIPTIONS {
                roster.revision = row.revision;
            } else {
                let key = row.key.clone();
                match read(tenant, row) {
                    Ok(subscription) => roster.all.push(subscription),
                    Err(error) => {
                        log_fault!(true, &format!("{} {}", key.pk, key.sk), row = key.sk, %error, "a subscription cannot be read; it gets no callbacks, and its tenant's other subscriptions do");
                    }
                }
            }
        }
        roster.all.sort_by_key(|subscription| (subscription.created, subscription.id));
        Ok(roster)
    }

    async fn get(&self, tenant: &TenantId, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        let row = self.0.get("subscriptions.get", key(tenant, id)).await?;
        row.map(|row| read(tenant, row)).transpose()
    }

    async fn replace(&self, subscription: &Subscription) -> Result<bool, StoreError> {
        let Some((row, condition)) = over_former(subscription)? else { return Ok(false) };
        self.0.put("subscriptions.replace", row, condition).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(TenantId, SubscriptionId)>, StoreError> {
        let mut due = Vec::new();
        for key in self.0.due("subscriptions.due", now, limit).await? {
            match key.tenant().zip(id(&key)) {
                Some(found) => due.push(found),
                None => log_fault!(
                    true,
                    &format!("due {} {}", key.pk, key.sk),
                    "the key of a due subscription cannot be read; the other ones are drained"
                ),
            }
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row has no state, revision or public key, as the version before wrote it.
    /// Row 47 of `tests/FAULTS.md`.
    #[test]
    fn a_subscription_of_the_previous_version_is_read() {
        let number: SubscriptionId = "7f0e8a44-1111-4222-8333-944455556666".parse().expect("an id");
        let tenant: TenantId = "an-app".parse().expect("a tenant");
        let body = r#"{"url":"https://app.example/","created":"2026-03-02T01:00:00Z"}"#;
        let before = Row {
            body: Some(body.to_owned()),
            encrypted: Some(vec![1, 2, 3]),
            ..Row::new(key(&tenant, number))
        };
        let read = read(&tenant, before).expect("a subscription");
        assert_eq!((read.revision, read.state), (0, EndpointState::default()));
        assert_eq!((read.former.clone(), read.public_key.clone()), (None, None));
        let written = row(&read).expect("a row").key;
        assert_eq!(written.tenant().zip(id(&written)), Some((tenant, number)));
    }

    #[test]
    fn o8_a_subscription_in_a_state_of_a_newer_version_stores_its_callbacks() {
        let number: SubscriptionId = "7f0e8a44-1111-4222-8333-944455556666".parse().expect("an id");
        let tenant: TenantId = "an-app".parse().expect("a tenant");
        for state in [
            r#"{"is":"throttled","until":7}"#,
            r#"{"is":"disabled","reason":"unpaid","since":"2026-03-02T01:00:00Z","at":"2026-03-02T01:00:00Z"}"#,
            r#""new""#,
        ] {
            let body = format!(
                r#"{{"url":"https://app.example/","created":"2026-03-02T01:00:00Z","region":"x","state":{state}}}"#
            );
            let newer = Row { body: Some(body), encrypted: Some(vec![1]), ..Row::new(key(&tenant, number)) };
            let read = read(&tenant, newer).expect("a subscription");
            assert_eq!(read.state.name(), "paused", "{state}");
        }
    }

    #[tokio::test]
    async fn a8_an_unreadable_subscription_hides_no_other() {
        let (tenant, table) = ("an-app".parse().expect("a tenant"), FakeSubscriptions::default());
        let ids = ["7f0e8a44-1111-4222-8333-944455556666", "7f0e8a44-1111-4222-8333-944455556667"]
            .map(|id| id.parse::<SubscriptionId>().expect("an id"));
        for (number, body) in
            ids.into_iter().zip(["{}", r#"{"url":"https://app.example/","created":"2026-03-02T01:00:00Z"}"#])
        {
            let row = Row {
                body: Some(body.to_owned()),
                encrypted: Some(vec![1, 2, 3]),
                ..Row::new(key(&tenant, number))
            };
            assert!(table.0.put("subscriptions.replace", row, Condition::Absent).await.expect("a write"));
        }
        let roster = table.of(&tenant).await.expect("the readable subscription");
        assert_eq!(roster.all.iter().map(|one| one.id).collect::<Vec<_>>(), [ids[1]]);
    }
}

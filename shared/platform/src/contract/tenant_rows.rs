//! The contract suite of subscriptions, stored responses and rate limits, which share a table.

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{eventually, sample};
use crate::rate_limits::{CounterTable, RateLimits as _};
use crate::stored_responses::{ResponseTable, StoredResponse, StoredResponses as _};
use crate::subscriptions::{
    Changes, FormerKeys, SUBSCRIPTIONS, Subscription, SubscriptionTable, Subscriptions, TenantSubscriptions,
};
use crate::tenant_rows::TenantRows;
use domain::endpoint::{EndpointState, PROPAGATION_DELAY};

/// Runs the suite. `make` gives the table of each test: a new one or a shared one.
///
/// # Panics
/// When a port breaks the contract.
pub async fn tenant_rows_contract<R: TenantRows, F: Future<Output = R>>(make: impl Fn() -> F) {
    let subscriptions = async || SubscriptionTable::new(make().await);
    a_subscription_reads_back_and_can_be_removed(&subscriptions().await).await;
    a_tenant_has_at_most_ten(&subscriptions().await).await;
    a_request_has_one_response(make().await).await;
    a_request_commits_all_or_nothing(make().await).await;
    a_change_needs_the_expected_revision(&subscriptions().await).await;
    due_subscriptions_are_found(&subscriptions().await).await;
    a_rate_limit_is_never_exceeded(make().await).await;
}

async fn a_rate_limit_is_never_exceeded(rows: impl TenantRows) {
    let (counters, subscriptions) = (CounterTable::new(rows.clone()), SubscriptionTable::new(rows));
    let (one, other) = (fresh_tenant(), fresh_tenant());
    let take = async |tenant: &TenantId, counter: &str, wanted: u32| {
        let reserved = counters.reserve(tenant, counter, 100, wanted, 4_000_000_000).await;
        let reserved = reserved.expect("an answer");
        (reserved.granted, reserved.left)
    };
    assert_eq!(take(&one, "minute#1", 30).await, (30, 70));
    assert_eq!(take(&one, "minute#1", 60).await, (60, 10));
    assert_eq!(take(&one, "minute#1", 30).await, (10, 0), "the rest of the limit is granted");
    assert_eq!(take(&one, "minute#1", 1).await, (0, 0));
    assert_eq!(take(&one, "minute#2", 1).await, (1, 99));
    assert_eq!(take(&other, "minute#1", 200).await, (100, 0));
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let (counters, other) = (counters.clone(), other.clone());
        requests.spawn(async move { counters.reserve(&other, "minute#3", 100, 7, 4_000_000_000).await });
    }
    let mut granted = 0;
    while let Some(reserved) = requests.join_next().await {
        granted += reserved.expect("a task").expect("an answer").granted;
    }
    assert!((90..=100).contains(&granted), "20 requests for 7 each got {granted} of 100");
    assert_eq!(all(&subscriptions, &one).await, [], "a counter is no subscription");
}

fn fresh_tenant() -> TenantId {
    sample::tenant(&format!("t-{}", Uuid::new_v4().simple()))
}

fn subscription(tenant: &TenantId, number: i64) -> Subscription {
    Subscription {
        id: SubscriptionId::from_uuid(Uuid::new_v4()).expect("a subscription id"),
        tenant: tenant.clone(),
        url: format!("https://app.example/callbacks/{number}"),
        events: if number % 2 == 0 { Vec::new() } else { vec!["application.received".to_owned()] },
        created: sample::start() + SignedDuration::from_secs(number),
        secret: Uuid::new_v4().into_bytes().to_vec(),
        public_key: None,
        former: None,
        own_messages_from: None,
        state: EndpointState::default(),
        revision: 0,
    }
}

fn response(number: u8) -> StoredResponse {
    StoredResponse {
        key: Uuid::new_v4().simple().to_string(),
        request_hash: format!("{number:032}"),
        encrypted: vec![number; 3],
    }
}

async fn commit(
    subscriptions: &impl Subscriptions,
    tenant: &TenantId,
    changes: &Changes,
    response: &StoredResponse,
) -> bool {
    subscriptions.commit(tenant, changes, response).await.expect("an answer to commit")
}

async fn roster(subscriptions: &impl Subscriptions, tenant: &TenantId) -> TenantSubscriptions {
    subscriptions.of(tenant).await.expect("an answer to subscriptions")
}

async fn all(subscriptions: &impl Subscriptions, tenant: &TenantId) -> Vec<Subscription> {
    roster(subscriptions, tenant).await.all
}

/// Adds a subscription as a request does; false when the tenant has [`SUBSCRIPTIONS`] already.
///
/// # Panics
/// When the table does not answer, or another process changes the tenant's subscriptions.
pub async fn subscribe(subscriptions: &impl Subscriptions, new: &Subscription) -> bool {
    let Some(changes) = roster(subscriptions, &new.tenant).await.with(new.clone()) else { return false };
    assert!(commit(subscriptions, &new.tenant, &changes, &response(1)).await, "no other process was faster");
    true
}

async fn a_subscription_reads_back_and_can_be_removed(subscriptions: &impl Subscriptions) {
    let (tenant, other) = (fresh_tenant(), fresh_tenant());
    assert_eq!(roster(subscriptions, &tenant).await, TenantSubscriptions::default());
    let (second, first) = (subscription(&tenant, 2), subscription(&tenant, 1));
    for subscription in [&second, &first] {
        assert!(subscribe(subscriptions, subscription).await);
    }
    let stored = roster(subscriptions, &tenant).await;
    let ids: Vec<_> = stored.all.iter().map(|stored| stored.id).collect();
    assert_eq!((ids, stored.revision), (vec![first.id, second.id], 2), "oldest first");
    let from: Vec<_> = stored.all.iter().map(|stored| stored.own_messages_from).collect();
    let known_everywhere = first.created + PROPAGATION_DELAY;
    assert_eq!(
        from,
        [Some(first.created), Some(known_everywhere)],
        "the first subscription waits until every process knows the second"
    );
    assert_eq!(all(subscriptions, &other).await, [], "another tenant sees nothing");
    let gone = Changes { removed: Some(first.id), ..Changes::default() };
    assert!(
        !commit(subscriptions, &other, &gone, &response(1)).await,
        "another tenant cannot remove the subscription"
    );
    assert!(commit(subscriptions, &tenant, &gone, &response(1)).await);
    assert!(
        !commit(subscriptions, &tenant, &gone, &response(1)).await,
        "a removed subscription cannot be removed again"
    );
    let left = roster(subscriptions, &tenant).await;
    assert_eq!((left.all, left.revision), (vec![stored.all[1].clone()], 2));
}

async fn a_tenant_has_at_most_ten(subscriptions: &impl Subscriptions) {
    let tenant = fresh_tenant();
    for number in 0..10 {
        assert!(subscribe(subscriptions, &subscription(&tenant, number)).await);
    }
    let stored = roster(subscriptions, &tenant).await;
    assert_eq!(stored.all.len(), SUBSCRIPTIONS);
    assert!(stored.all.iter().all(|stored| stored.own_messages_from.is_some()));
    assert!(!subscribe(subscriptions, &subscription(&tenant, 99)).await);
    assert!(
        subscribe(subscriptions, &subscription(&fresh_tenant(), 1)).await,
        "another tenant has its own limit"
    );
}

/// Of concurrent commits with one idempotency key, exactly one succeeds.
async fn a_request_has_one_response(rows: impl TenantRows) {
    let (subscriptions, responses) = (&SubscriptionTable::new(rows.clone()), ResponseTable::new(rows));
    let tenant = fresh_tenant();
    let request = response(7);
    let known =
        async |tenant: &TenantId| responses.get(tenant, &request.key).await.expect("an answer to get");
    assert_eq!(known(&tenant).await, None);
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (subscriptions, request, tenant) = (subscriptions.clone(), request.clone(), tenant.clone());
        let changes = TenantSubscriptions::default().with(subscription(&tenant, number)).expect("room");
        tasks.spawn(async move { commit(&subscriptions, &tenant, &changes, &request).await });
    }
    let committed = tasks.join_all().await;
    assert_eq!(committed.into_iter().filter(|committed| *committed).count(), 1);
    assert_eq!(known(&tenant).await.as_ref(), Some(&request));
    assert_eq!(known(&fresh_tenant()).await, None, "another tenant sees nothing");
    assert_eq!(all(subscriptions, &tenant).await.len(), 1);
    let nothing = Changes::default();
    let late = StoredResponse { request_hash: "another".to_owned(), ..request.clone() };
    assert!(!commit(subscriptions, &tenant, &nothing, &late).await, "the key stays in use");
    assert!(
        commit(subscriptions, &tenant, &nothing, &response(8)).await,
        "a response may be stored without changes"
    );
}

async fn a_request_commits_all_or_nothing(rows: impl TenantRows) {
    let (subscriptions, responses) = (&SubscriptionTable::new(rows.clone()), ResponseTable::new(rows));
    let tenant = fresh_tenant();
    let (first, second) = (subscription(&tenant, 1), subscription(&tenant, 2));
    assert!(subscribe(subscriptions, &first).await);
    let before = roster(subscriptions, &tenant).await;
    let adds = before.clone().with(second.clone()).expect("room");
    // Another process changes the first subscription meanwhile.
    let changed = Subscription { revision: 1, secret: vec![5], ..first.clone() };
    assert!(replace(subscriptions, &changed).await);
    let request = response(3);
    assert!(!commit(subscriptions, &tenant, &adds, &request).await);
    assert_eq!(
        all(subscriptions, &tenant).await,
        [changed],
        "neither the change nor the response is written"
    );
    assert_eq!(responses.get(&tenant, &request.key).await.expect("an answer"), None);
    let now = roster(subscriptions, &tenant).await;
    assert!(commit(subscriptions, &tenant, &now.with(second).expect("room"), &request).await);
    let late = Changes { added: Some((subscription(&tenant, 3), before.revision)), ..Changes::default() };
    assert!(
        !commit(subscriptions, &tenant, &late, &response(4)).await,
        "the roster has another revision now"
    );
    let now = roster(subscriptions, &tenant).await;
    let strange = subscription(&tenant, 4);
    let removes = Changes { removed: Some(strange.id), ..now.with(subscription(&tenant, 5)).expect("room") };
    assert!(!commit(subscriptions, &tenant, &removes, &response(5)).await);
    assert_eq!(all(subscriptions, &tenant).await.len(), 2);
}

async fn replace(subscriptions: &impl Subscriptions, subscription: &Subscription) -> bool {
    subscriptions.replace(subscription).await.expect("an answer to replace")
}

async fn a_change_needs_the_expected_revision(subscriptions: &impl Subscriptions) {
    let (tenant, other) = (fresh_tenant(), fresh_tenant());
    let first = subscription(&tenant, 1);
    let one = async |tenant: &TenantId| {
        subscriptions.get(tenant, first.id).await.expect("an answer to subscription")
    };
    assert_eq!(one(&tenant).await, None);
    let second = Subscription {
        url: "https://app.example/elsewhere".to_owned(),
        public_key: Some("whpk_key".to_owned()),
        former: Some(FormerKeys { secret: vec![3; 4], until: sample::start() }),
        own_messages_from: Some(sample::start()),
        state: EndpointState::Paused { since: sample::start(), at: sample::start() },
        revision: 1,
        ..first.clone()
    };
    assert!(!replace(subscriptions, &second).await, "the subscription does not exist yet");
    subscribe(subscriptions, &first).await;
    assert!(replace(subscriptions, &second).await);
    assert!(replace(subscriptions, &second).await, "a repeat of the same write succeeds");
    assert_eq!(one(&tenant).await.as_ref(), Some(&second), "every member reads back");
    assert_eq!(one(&other).await, None, "another tenant sees nothing");
    let late = Subscription { url: "https://app.example/late".to_owned(), ..second.clone() };
    assert!(!replace(subscriptions, &late).await, "another process was faster");
    assert!(!replace(subscriptions, &Subscription { tenant: other, revision: 2, ..late }).await);
    assert_eq!(all(subscriptions, &tenant).await, [second]);
}

async fn due_subscriptions_are_found(subscriptions: &impl Subscriptions) {
    let tenant = fresh_tenant();
    let soon = sample::start() + SignedDuration::from_secs(5);
    let late = soon + SignedDuration::from_hours(1);
    let failing = |next_at| EndpointState::Failing { attempt: 1, since: sample::start(), next_at };
    for (number, state) in [
        (1, failing(soon)),
        (2, failing(late)),
        (3, EndpointState::default()),
        (4, EndpointState::Recovering { since: sample::start() }),
    ] {
        subscribe(subscriptions, &Subscription { state, ..subscription(&tenant, number) }).await;
    }
    let made = all(subscriptions, &tenant).await;
    let due = async || {
        let found = subscriptions.due(soon, 1_000).await.expect("an answer to due");
        found.into_iter().filter(|(of, _)| *of == tenant).map(|(_, id)| id).collect::<Vec<_>>()
    };
    let found = eventually(&due, |found| found.len() == 2).await;
    assert_eq!(found, [made[3].id, made[0].id], "the longest due first");
    let healthy = Subscription { state: EndpointState::default(), revision: 2, ..made[0].clone() };
    assert!(replace(subscriptions, &healthy).await);
    let found = eventually(&due, |found| found.len() == 1).await;
    assert_eq!(found, [made[3].id], "a healthy endpoint is not due");
}

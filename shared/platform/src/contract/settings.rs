//! The suite of the settings.

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{eventually, sample};
use crate::settings::{EndpointState, Former, SUBSCRIPTIONS, Settings, Subscribed, Subscription};

/// Runs the suite. `make` gives settings to each case: new ones, or some that others use too.
///
/// # Panics
/// Where the settings do not keep the contract.
pub async fn settings_contract<S: Settings, F: Future<Output = S>>(make: impl Fn() -> F) {
    a_subscription_reads_back_and_goes(&make().await).await;
    a_tenant_has_at_most_ten(&make().await).await;
    one_id_is_one_subscription(&make().await).await;
    a_change_is_by_revision(&make().await).await;
    what_is_due_is_found(&make().await).await;
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
        rotations: Vec::new(),
        requests: Vec::new(),
        state: EndpointState::default(),
        revision: 0,
    }
}

async fn put(settings: &impl Settings, subscription: &Subscription) -> Subscribed {
    settings.put_subscription(subscription).await.expect("an answer to put")
}

async fn all(settings: &impl Settings, tenant: &TenantId) -> Vec<Subscription> {
    settings.subscriptions(tenant).await.expect("an answer to subscriptions")
}

async fn a_subscription_reads_back_and_goes(settings: &impl Settings) {
    let (tenant, other) = (fresh_tenant(), fresh_tenant());
    assert_eq!(all(settings, &tenant).await, []);
    let (second, first) = (subscription(&tenant, 2), subscription(&tenant, 1));
    for subscription in [&second, &first] {
        assert_eq!(put(settings, subscription).await, Subscribed::New);
    }
    assert_eq!(all(settings, &tenant).await, [first.clone(), second.clone()], "oldest first");
    assert_eq!(all(settings, &other).await, [], "another tenant sees nothing");
    let delete = async |tenant: &TenantId| {
        settings.delete_subscription(tenant, first.id).await.expect("an answer to delete")
    };
    assert!(!delete(&other).await, "nor removes it");
    assert!(delete(&tenant).await);
    assert!(!delete(&tenant).await, "it is gone");
    assert_eq!(all(settings, &tenant).await, [second]);
}

async fn a_tenant_has_at_most_ten(settings: &impl Settings) {
    let tenant = fresh_tenant();
    let mut kept = Vec::new();
    for number in 0..10 {
        let subscription = subscription(&tenant, number);
        assert_eq!(put(settings, &subscription).await, Subscribed::New);
        kept.push(subscription);
    }
    assert_eq!(kept.len(), SUBSCRIPTIONS);
    assert_eq!(put(settings, &subscription(&tenant, 99)).await, Subscribed::Full);
    let repeat = Subscription { secret: vec![1], ..kept[9].clone() };
    assert_eq!(
        put(settings, &repeat).await,
        Subscribed::Existing(Box::new(kept[9].clone())),
        "a repeat is none more"
    );
    assert_eq!(all(settings, &tenant).await, kept);
    assert_eq!(put(settings, &subscription(&fresh_tenant(), 1)).await, Subscribed::New, "others have theirs");
}

async fn one_id_is_one_subscription(settings: &impl Settings) {
    let tenant = fresh_tenant();
    let first = subscription(&tenant, 1);
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let settings = settings.clone();
        let subscription = Subscription { secret: vec![number; 4], ..first.clone() };
        tasks.spawn(async move { put(&settings, &subscription).await });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Subscribed::New).count(), 1);
    let kept = all(settings, &tenant).await;
    assert_eq!(kept.len(), 1);
    let existing = Subscribed::Existing(Box::new(kept[0].clone()));
    assert!(answers.iter().all(|answer| *answer == Subscribed::New || *answer == existing));
}

async fn replace(settings: &impl Settings, subscription: &Subscription) -> bool {
    settings.replace_subscription(subscription).await.expect("an answer to replace")
}

async fn a_change_is_by_revision(settings: &impl Settings) {
    let (tenant, other) = (fresh_tenant(), fresh_tenant());
    let first = subscription(&tenant, 1);
    let one = async |tenant: &TenantId| {
        settings.subscription(tenant, first.id).await.expect("an answer to subscription")
    };
    assert_eq!(one(&tenant).await, None);
    let second = Subscription {
        url: "https://app.example/elsewhere".to_owned(),
        public_key: Some("whpk_key".to_owned()),
        former: Some(Former { secret: vec![3; 4], until: sample::start() }),
        rotations: vec!["r".to_owned()],
        requests: vec!["q".to_owned(), "s".to_owned()],
        state: EndpointState::Paused { since: sample::start(), at: sample::start() },
        revision: 1,
        ..first.clone()
    };
    assert!(!replace(settings, &second).await, "there is nothing to change");
    put(settings, &first).await;
    assert!(replace(settings, &second).await);
    assert!(replace(settings, &second).await, "a repeat is its own write");
    assert_eq!(one(&tenant).await.as_ref(), Some(&second), "all of it reads back");
    assert_eq!(one(&other).await, None, "another tenant sees nothing");
    let late = Subscription { url: "https://app.example/late".to_owned(), ..second.clone() };
    assert!(!replace(settings, &late).await, "somebody was faster");
    assert!(!replace(settings, &Subscription { tenant: other, revision: 2, ..late }).await);
    assert_eq!(all(settings, &tenant).await, [second]);
}

async fn what_is_due_is_found(settings: &impl Settings) {
    let tenant = fresh_tenant();
    let soon = sample::start() + SignedDuration::from_secs(5);
    let late = soon + SignedDuration::from_hours(1);
    let troubled = |next_at| EndpointState::Troubled { attempt: 1, since: sample::start(), next_at };
    let mut made = Vec::new();
    for (number, state) in [
        (1, troubled(soon)),
        (2, troubled(late)),
        (3, EndpointState::default()),
        (4, EndpointState::Recovering { since: sample::start() }),
    ] {
        let subscription = Subscription { state, ..subscription(&tenant, number) };
        put(settings, &subscription).await;
        made.push(subscription);
    }
    let due = async || {
        let found = settings.due_subscriptions(soon, 1_000).await.expect("an answer to due");
        found.into_iter().filter(|(of, _)| *of == tenant).map(|(_, id)| id).collect::<Vec<_>>()
    };
    let found = eventually(&due, |found| found.len() == 2).await;
    assert_eq!(found, [made[3].id, made[0].id], "those due longest first");
    let well = Subscription { state: EndpointState::default(), revision: 1, ..made[0].clone() };
    assert!(replace(settings, &well).await);
    let found = eventually(&due, |found| found.len() == 1).await;
    assert_eq!(found, [made[3].id], "one that is well is not due");
}

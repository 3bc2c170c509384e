//! The suite of the settings.

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{eventually, sample};
use crate::settings::{Answered, Changes, Former, Roster, SUBSCRIPTIONS, Settings, Subscription};
use domain::endpoint::{EndpointState, PROPAGATION_DELAY};

/// Runs the suite. `make` gives settings to each case: new ones, or some that others use too.
///
/// # Panics
/// Where the settings do not keep the contract.
pub async fn settings_contract<S: Settings, F: Future<Output = S>>(make: impl Fn() -> F) {
    a_subscription_reads_back_and_goes(&make().await).await;
    a_tenant_has_at_most_ten(&make().await).await;
    one_request_is_answered_once(&make().await).await;
    a_request_is_settled_whole_or_not(&make().await).await;
    a_change_is_by_revision(&make().await).await;
    what_is_due_is_found(&make().await).await;
    an_allowance_is_never_passed(&make().await).await;
}

async fn an_allowance_is_never_passed<S: Settings>(settings: &S) {
    let (one, other) = (fresh_tenant(), fresh_tenant());
    let take = async |tenant: &TenantId, counter: &str, wanted: u32| {
        let reserved = settings.reserve(tenant, counter, 100, wanted, 4_000_000_000).await;
        let reserved = reserved.expect("an answer");
        (reserved.granted, reserved.left)
    };
    assert_eq!(take(&one, "minute#1", 30).await, (30, 70));
    assert_eq!(take(&one, "minute#1", 60).await, (60, 10));
    assert_eq!(take(&one, "minute#1", 30).await, (10, 0), "what is left is given");
    assert_eq!(take(&one, "minute#1", 1).await, (0, 0));
    assert_eq!(take(&one, "minute#2", 1).await, (1, 99));
    assert_eq!(take(&other, "minute#1", 200).await, (100, 0));
    let mut takers = JoinSet::new();
    for _ in 0..20 {
        let (settings, other) = (settings.clone(), other.clone());
        takers.spawn(async move { settings.reserve(&other, "minute#3", 100, 7, 4_000_000_000).await });
    }
    let mut given = 0;
    while let Some(taken) = takers.join_next().await {
        given += taken.expect("a task").expect("an answer").granted;
    }
    assert!((90..=100).contains(&given), "{given} of 100 were given to 20 who asked for 7 each");
    assert_eq!(all(settings, &one).await, [], "a counter is no subscription");
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
        directed_from: None,
        state: EndpointState::default(),
        revision: 0,
    }
}

fn answer(number: u8) -> Answered {
    Answered {
        key: Uuid::new_v4().simple().to_string(),
        whole: format!("{number:032}"),
        sealed: vec![number; 3],
    }
}

async fn settle(settings: &impl Settings, tenant: &TenantId, changes: &Changes, answered: &Answered) -> bool {
    settings.settle(tenant, changes, answered).await.expect("an answer to settle")
}

async fn roster(settings: &impl Settings, tenant: &TenantId) -> Roster {
    settings.subscriptions(tenant).await.expect("an answer to subscriptions")
}

async fn all(settings: &impl Settings, tenant: &TenantId) -> Vec<Subscription> {
    roster(settings, tenant).await.all
}

/// Adds a subscription as a request does; false where the tenant has enough.
///
/// # Panics
/// Where the settings give no answer, or others change the tenant's subscriptions.
pub async fn subscribe(settings: &impl Settings, new: &Subscription) -> bool {
    let Some(changes) = roster(settings, &new.tenant).await.with(new.clone()) else { return false };
    assert!(settle(settings, &new.tenant, &changes, &answer(1)).await, "nobody else was faster");
    true
}

async fn a_subscription_reads_back_and_goes(settings: &impl Settings) {
    let (tenant, other) = (fresh_tenant(), fresh_tenant());
    assert_eq!(roster(settings, &tenant).await, Roster::default());
    let (second, first) = (subscription(&tenant, 2), subscription(&tenant, 1));
    for subscription in [&second, &first] {
        assert!(subscribe(settings, subscription).await);
    }
    let kept = roster(settings, &tenant).await;
    let ids: Vec<_> = kept.all.iter().map(|kept| kept.id).collect();
    assert_eq!((ids, kept.revision), (vec![first.id, second.id], 2), "oldest first");
    let from: Vec<_> = kept.all.iter().map(|kept| kept.directed_from).collect();
    let settled = first.created + PROPAGATION_DELAY;
    assert_eq!(from, [Some(first.created), Some(settled)], "the one that was alone has time to hear of it");
    assert_eq!(all(settings, &other).await, [], "another tenant sees nothing");
    let gone = Changes { removed: Some(first.id), ..Changes::default() };
    assert!(!settle(settings, &other, &gone, &answer(1)).await, "nor removes it");
    assert!(settle(settings, &tenant, &gone, &answer(1)).await);
    assert!(!settle(settings, &tenant, &gone, &answer(1)).await, "it is gone");
    let left = roster(settings, &tenant).await;
    assert_eq!((left.all, left.revision), (vec![kept.all[1].clone()], 2));
}

async fn a_tenant_has_at_most_ten(settings: &impl Settings) {
    let tenant = fresh_tenant();
    for number in 0..10 {
        assert!(subscribe(settings, &subscription(&tenant, number)).await);
    }
    let kept = roster(settings, &tenant).await;
    assert_eq!(kept.all.len(), SUBSCRIPTIONS);
    assert!(kept.all.iter().all(|kept| kept.directed_from.is_some()));
    assert!(!subscribe(settings, &subscription(&tenant, 99)).await);
    assert!(subscribe(settings, &subscription(&fresh_tenant(), 1)).await, "others have theirs");
}

/// However many do the same at once.
async fn one_request_is_answered_once(settings: &impl Settings) {
    let tenant = fresh_tenant();
    let request = answer(7);
    let known = async |tenant: &TenantId| {
        settings.answered(tenant, &request.key).await.expect("an answer to answered")
    };
    assert_eq!(known(&tenant).await, None);
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (settings, request, tenant) = (settings.clone(), request.clone(), tenant.clone());
        let changes = Roster::default().with(subscription(&tenant, number)).expect("room");
        tasks.spawn(async move { settle(&settings, &tenant, &changes, &request).await });
    }
    let settled = tasks.join_all().await;
    assert_eq!(settled.into_iter().filter(|settled| *settled).count(), 1);
    assert_eq!(known(&tenant).await.as_ref(), Some(&request));
    assert_eq!(known(&fresh_tenant()).await, None, "another tenant sees nothing");
    assert_eq!(all(settings, &tenant).await.len(), 1);
    let nothing = Changes::default();
    let late = Answered { whole: "another".to_owned(), ..request.clone() };
    assert!(!settle(settings, &tenant, &nothing, &late).await, "for ever");
    assert!(settle(settings, &tenant, &nothing, &answer(8)).await, "an answer may be all there is");
}

async fn a_request_is_settled_whole_or_not(settings: &impl Settings) {
    let tenant = fresh_tenant();
    let (first, second) = (subscription(&tenant, 1), subscription(&tenant, 2));
    assert!(subscribe(settings, &first).await);
    let before = roster(settings, &tenant).await;
    let adds = before.clone().with(second.clone()).expect("room");
    // Somebody changes the first one meanwhile.
    let changed = Subscription { revision: 1, secret: vec![5], ..first.clone() };
    assert!(replace(settings, &changed).await);
    let request = answer(3);
    assert!(!settle(settings, &tenant, &adds, &request).await);
    assert_eq!(all(settings, &tenant).await, [changed], "neither half of it");
    assert_eq!(settings.answered(&tenant, &request.key).await.expect("an answer"), None);
    let now = roster(settings, &tenant).await;
    assert!(settle(settings, &tenant, &now.with(second).expect("room"), &request).await);
    let late = Changes { made: Some((subscription(&tenant, 3), before.revision)), ..Changes::default() };
    assert!(!settle(settings, &tenant, &late, &answer(4)).await, "by what it was decided on");
    let now = roster(settings, &tenant).await;
    let strange = subscription(&tenant, 4);
    let removes = Changes { removed: Some(strange.id), ..now.with(subscription(&tenant, 5)).expect("room") };
    assert!(!settle(settings, &tenant, &removes, &answer(5)).await);
    assert_eq!(all(settings, &tenant).await.len(), 2);
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
        directed_from: Some(sample::start()),
        state: EndpointState::Paused { since: sample::start(), at: sample::start() },
        revision: 1,
        ..first.clone()
    };
    assert!(!replace(settings, &second).await, "there is nothing to change");
    subscribe(settings, &first).await;
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
    let failing = |next_at| EndpointState::Failing { attempt: 1, since: sample::start(), next_at };
    for (number, state) in [
        (1, failing(soon)),
        (2, failing(late)),
        (3, EndpointState::default()),
        (4, EndpointState::Recovering { since: sample::start() }),
    ] {
        subscribe(settings, &Subscription { state, ..subscription(&tenant, number) }).await;
    }
    let made = all(settings, &tenant).await;
    let due = async || {
        let found = settings.due_subscriptions(soon, 1_000).await.expect("an answer to due");
        found.into_iter().filter(|(of, _)| *of == tenant).map(|(_, id)| id).collect::<Vec<_>>()
    };
    let found = eventually(&due, |found| found.len() == 2).await;
    assert_eq!(found, [made[3].id, made[0].id], "those due longest first");
    let well = Subscription { state: EndpointState::default(), revision: 2, ..made[0].clone() };
    assert!(replace(settings, &well).await);
    let found = eventually(&due, |found| found.len() == 1).await;
    assert_eq!(found, [made[3].id], "one that is well is not due");
}

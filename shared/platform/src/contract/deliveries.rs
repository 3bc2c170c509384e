//! The contract suite of the deliveries.

use domain::ids::{ApplicationId, SubscriptionId};
use domain::stage::Stage;
use jiff::{SignedDuration, Timestamp};
use protocol::callback::Callback;
use uuid::Uuid;

use super::{eventually, sample};
use crate::deliveries::{
    Attempt, BATCH, COUNT_LIMIT, Cause, Deliveries, DeliveryWrite, Notice, NoticeKind, Which,
};
use domain::endpoint::DisabledReason;

/// Runs the suite.
///
/// # Panics
/// When the deliveries break the contract.
pub async fn deliveries_contract(deliveries: &impl Deliveries) {
    held_callbacks_are_in_order_and_held_once(deliveries).await;
    many_callbacks_are_held_and_counted_to_a_bound(deliveries).await;
    attempts_are_listed_and_a_delivery_ends_a_failure(deliveries).await;
    notices_are_in_order(deliveries).await;
}

fn subscription() -> SubscriptionId {
    SubscriptionId::from_uuid(Uuid::new_v4()).expect("a subscription id")
}

fn callback(application: ApplicationId, version: u32) -> Callback {
    Callback {
        tenant: sample::tenant("a-tenant"),
        application,
        version,
        kind: "application.received".to_owned(),
        at: sample::start(),
        stage: Stage::Received,
    }
}

fn after(seconds: i64) -> Timestamp {
    sample::start() + SignedDuration::from_secs(seconds)
}

async fn stored(deliveries: &impl Deliveries, of: SubscriptionId) -> Vec<Callback> {
    deliveries.stored_callbacks(of, None, 1_000).await.expect("an answer to stored_callbacks")
}

async fn write(deliveries: &impl Deliveries, lines: Vec<DeliveryWrite>) {
    deliveries.write(lines).await.expect("an answer to write");
}

async fn held_callbacks_are_in_order_and_held_once(deliveries: &impl Deliveries) {
    let (of, other) = (subscription(), subscription());
    let mut applications = [sample::id(1), sample::id(2)];
    applications.sort();
    let [a, b] = applications;
    let all = [callback(a, 9), callback(a, 10), callback(b, 2)];
    for callback in [&all[1], &all[2], &all[0], &all[1]] {
        deliveries.store_callback(of, callback, sample::start()).await.expect("an answer to store_callback");
    }
    assert_eq!(stored(deliveries, of).await, all, "by application and version, each once");
    assert_eq!(stored(deliveries, other).await, [], "another subscription has its own callbacks");
    let page = deliveries.stored_callbacks(of, Some((a, 9)), 1).await.expect("a page");
    assert_eq!(page, [all[1].clone()]);
    let is_stored = async |application| {
        deliveries.has_stored_callbacks(of, application).await.expect("an answer to has_stored_callbacks")
    };
    assert!(is_stored(a).await && is_stored(b).await && !is_stored(sample::id(3)).await);
    assert_eq!(deliveries.count_stored_callbacks(of).await, Ok(3));
    write(
        deliveries,
        vec![DeliveryWrite::Released(of, all[0].clone()), DeliveryWrite::Released(of, all[1].clone())],
    )
    .await;
    assert!(!is_stored(a).await, "a delivered callback is no longer stored");
    assert_eq!(stored(deliveries, of).await, [all[2].clone()]);
    write(deliveries, vec![DeliveryWrite::Released(of, all[0].clone())]).await;
    write(deliveries, Vec::new()).await;
}

async fn many_callbacks_are_held_and_counted_to_a_bound(deliveries: &impl Deliveries) {
    let of = subscription();
    let many: Vec<Callback> = (1..=u32::try_from(BATCH).expect("a small number") * 2 + 3)
        .map(|version| callback(sample::id(1), version))
        .collect();
    for callback in &many {
        deliveries.store_callback(of, callback, sample::start()).await.expect("an answer to store_callback");
    }
    assert_eq!(stored(deliveries, of).await, many);
    let count = deliveries.count_stored_callbacks(of).await.expect("a count");
    assert!(count == 53 && count <= COUNT_LIMIT);
    write(deliveries, many.into_iter().map(|callback| DeliveryWrite::Released(of, callback)).collect()).await;
    assert_eq!(stored(deliveries, of).await, [], "all rows are deleted, in several calls");
}

async fn attempts_are_listed_and_a_delivery_ends_a_failure(deliveries: &impl Deliveries) {
    let of = subscription();
    let attempt = |version, number, seconds, result| Attempt {
        subscription: of,
        callback: callback(sample::id(1), version),
        number,
        at: after(seconds),
        result,
        latency_ms: 7,
    };
    let made = [
        attempt(1, 1, 0, Ok(204)),
        attempt(2, 1, 1, Err(Cause::Timeout)),
        attempt(2, 2, 2, Ok(500)),
        attempt(3, 1, 3, Ok(503)),
    ];
    for attempt in &made {
        write(deliveries, vec![DeliveryWrite::Attempted(attempt.clone())]).await;
    }
    let list = async |which| {
        let page = deliveries.attempts(of, which, None, 10).await.expect("a page");
        assert_eq!(page.next, None);
        page.items
    };
    let newest_first: Vec<Attempt> = made.iter().rev().cloned().collect();
    let all = eventually(|| list(Which::All), |all| all.len() == made.len()).await;
    assert_eq!(all, newest_first, "the newest first");
    let failed = eventually(|| list(Which::Failed), |failed| failed.len() == 2).await;
    assert_eq!(failed, [made[2].clone(), made[3].clone()], "the last attempt of each failed callback");
    let first = deliveries.attempts(of, Which::All, None, 3).await.expect("a page");
    assert_eq!(first.items, newest_first[..3]);
    let next = first.next.expect("another page").to_string().parse().expect("its own cursor");
    let rest = deliveries.attempts(of, Which::All, Some(next), 3).await.expect("a page");
    assert_eq!((rest.items, rest.next), (newest_first[3..].to_vec(), None));
    write(deliveries, vec![DeliveryWrite::Attempted(attempt(2, 3, 9, Ok(200)))]).await;
    let failed = eventually(|| list(Which::Failed), |failed| failed.len() == 1).await;
    assert_eq!(failed, [made[3].clone()], "a delivered callback is not listed as failed");
}

async fn notices_are_in_order(deliveries: &impl Deliveries) {
    let tenant = sample::tenant(&format!("t-{}", Uuid::new_v4().simple()));
    let of = subscription();
    let notice = |kind, seconds, reason| Notice { kind, subscription: of, at: after(seconds), reason };
    let sent = [
        notice(NoticeKind::Disabled, 1, Some(DisabledReason::Gone)),
        notice(NoticeKind::Enabled, 2, None),
        notice(NoticeKind::Rotated, 3, None),
    ];
    for notice in [&sent[2], &sent[0], &sent[1], &sent[0]] {
        deliveries.notify(&tenant, notice).await.expect("an answer to notify");
    }
    let list = async || deliveries.notices(&tenant, None, 10).await.expect("a page").items;
    let all = eventually(&list, |all| all.len() == sent.len()).await;
    assert_eq!(all, sent, "in the order in which they happened, each once");
    let first = deliveries.notices(&tenant, None, 2).await.expect("a page");
    let rest = deliveries.notices(&tenant, first.next, 2).await.expect("a page");
    assert_eq!((rest.items, rest.next), (sent[2..].to_vec(), None));
}

//! Callbacks through the whole hub: from an application's change to its app's endpoint. What single sockets and
//! addresses do (rows 39, 40), and what a dead tenant does to others (row 44), is tested beside the function.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use platform::deliveries::{Deliveries as _, NoticeKind};
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::queues::{Outgoing, Queue};
use serde_json::{Value, json};
use tongban_tests::receiver::Receiver;

use super::{file, only, submission};
use crate::crash_harness::{Answer, CrashHarness};
use crate::journey::TENANT;

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// A hub whose app has subscribed, its receiver, and the subscription as it was answered.
async fn subscribed() -> (CrashHarness, Receiver, Value) {
    let harness = CrashHarness::new();
    let clock = harness.hub.clock.clone();
    let receiver = Receiver::listen_by(move || platform::clock::Clock::now(&clock)).await;
    let wanted = json!({ "url": receiver.url() });
    let made = harness.post(TENANT, SUBSCRIPTIONS, "a-subscription", &wanted).await.body(201);
    receiver.trust(made["secret"].as_str().expect("a secret"));
    (harness, receiver, made)
}

/// The first callback of an application: that its case was dispatched.
async fn dispatched(harness: &CrashHarness) -> Outgoing {
    let keys = file(harness, TENANT, "a-key").await;
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(harness.show(&[submission(harness).await]).await, Answer::Batch(0));
    let stored = only(harness).await;
    let record = crate::crash_harness::change(&stored, stored.version() - 1, stored.version());
    assert_eq!(harness.show(&[record]).await, Answer::Batch(0));
    harness.hub.queues.drain(&Queue::Callbacks).pop().expect("a callback")
}

/// An app's request about its subscription, each with a key of its own.
async fn ask(harness: &CrashHarness, made: &Value, what: &str, status: u16) -> Value {
    static KEY: AtomicU32 = AtomicU32::new(0);
    let path = format!("{SUBSCRIPTIONS}/{}/{what}", made["id"].as_str().expect("an id"));
    let key = format!("{what}-{}", KEY.fetch_add(1, Ordering::Relaxed));
    harness.post(TENANT, &path, &key, &json!({})).await.body(status)
}

#[tokio::test]
async fn row_38_a_gone_endpoint_is_disabled_and_gets_everything_once_resumed() {
    let (harness, receiver, made) = subscribed().await;
    let message = dispatched(&harness).await;
    receiver.answer(Some(410));
    assert_eq!(harness.call_back(&message).await, Answer::Batch(1));
    let tenant = TENANT.parse().expect("a tenant");
    let told = harness.hub.deliveries().notices(&tenant, None, 9).await.expect("notices").items;
    assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Disabled]);
    harness.hub.clock.advance(SignedDuration::from_secs(21));
    assert_eq!(harness.call_back_again(&message, 2).await, Answer::Batch(0), "held, and done with");
    assert_eq!((harness.drain().await, receiver.turned_away()), (0, 1), "nobody asks it again");
    receiver.answer(None);
    assert_eq!(ask(&harness, &made, "resume", 200).await["state"], "recovering");
    assert!(harness.drain().await > 0);
    let calls = receiver.calls();
    assert_eq!(calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>(), [message.id]);
}

#[tokio::test]
async fn row_41_a_callback_sent_again_after_a_crash_keeps_its_id() {
    let (mut harness, receiver, _) = subscribed().await;
    let message = dispatched(&harness).await;
    harness.hub.faults.restart();
    harness.call_back_again(&message, 2).await;
    let calls = harness.hub.faults.calls().len();
    // Each call on the way is its last; the message comes again, to another process.
    for call in 1..=calls {
        harness.restart();
        harness.hub.faults.plan(call, Fault::DiesBefore);
        harness.call_back_again(&message, 2).await;
        harness.restart();
        assert_eq!(harness.call_back_again(&message, 3).await, Answer::Batch(0));
    }
    let ids: Vec<String> = receiver.calls().into_iter().map(|call| call.id).collect();
    assert!(ids.len() > calls && ids.iter().all(|id| *id == message.id), "the same id each time");
}

#[tokio::test]
async fn row_43_both_keys_sign_a_callback_that_is_pending_during_a_rotation() {
    let (harness, receiver, made) = subscribed().await;
    let message = dispatched(&harness).await;
    receiver.answer(Some(500));
    assert_eq!(harness.call_back(&message).await, Answer::Batch(1));
    let rotated = ask(&harness, &made, "rotate", 200).await;
    let secret = |view: &Value| view["secret"].as_str().expect("a secret").to_owned();
    let (old, new) = (secret(&made), secret(&rotated));
    assert_ne!(old, new);
    receiver.answer(None);
    receiver.also_trust(&new);
    harness.hub.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(harness.call_back_again(&message, 2).await, Answer::Batch(0));
    assert_eq!(receiver.signed_by(&message.id), 2, "both keys have signed");
    harness.hub.clock.advance(SignedDuration::from_hours(25));
    receiver.trust(&new);
    assert_eq!(
        ask(&harness, &made, "test", 202).await["webhook_id"].as_str().map(|id| id.ends_with(":1")),
        Some(true)
    );
    let test = harness.hub.queues.drain(&Queue::Callbacks).pop().expect("a test event");
    assert_eq!(harness.call_back(&test).await, Answer::Batch(0));
    assert_eq!(receiver.calls().last().map(|call| call.payload.kind.as_str()), Some("webhook.test"));
}

#[tokio::test]
async fn row_47_a_callback_message_keeps_the_format_of_the_previous_version() {
    let (harness, receiver, _) = subscribed().await;
    let message = dispatched(&harness).await;
    let read: Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(read["v"], "1", "what the router sends is what it always sent");
    assert_eq!(harness.call_back(&message).await, Answer::Batch(0));
    assert_eq!(receiver.calls().len(), 1);
}

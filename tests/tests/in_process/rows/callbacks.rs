//! Callbacks through the complete hub, from an application's change to the app's endpoint. The function's own tests
//! cover sockets and addresses (rows 39, 40) and the effect of a dead tenant on others (row 44).

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use platform::deliveries::{Deliveries as _, NoticeKind};
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::queues::{Outgoing, Queue};
use serde_json::{Value, json};
use tongban_tests::receiver::Receiver;

use super::{file, only_application, submission};
use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, CrashHarness};

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// A hub with a subscribed app, the app's receiver, and the response to the subscription.
async fn subscribed() -> (CrashHarness, Receiver, Value) {
    let harness = CrashHarness::new();
    let clock = harness.hub.clock.clone();
    let receiver = Receiver::listen_by(move || platform::clock::Clock::now(&clock)).await;
    let wanted = json!({ "url": receiver.url() });
    let made = harness.post(TENANT, SUBSCRIPTIONS, "a-subscription", &wanted).await.body(201);
    receiver.trust(made["secret"].as_str().expect("a secret"));
    (harness, receiver, made)
}

/// The first callback message of a new application: `dispatched`.
async fn dispatched(harness: &CrashHarness) -> Outgoing {
    let keys = file(harness, TENANT, "a-key").await;
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(harness.stream_records(&[submission(harness).await]).await, Answer::Batch(0));
    let stored = only_application(harness).await;
    let record = crate::records::stream_record(&stored, stored.version() - 1, stored.version());
    assert_eq!(harness.stream_records(&[record]).await, Answer::Batch(0));
    harness.hub.queues.drain(&Queue::Callbacks).pop().expect("a callback")
}

/// An app's request about its subscription, under a new idempotency key.
async fn ask(harness: &CrashHarness, made: &Value, what: &str, status: u16) -> Value {
    static KEY: AtomicU32 = AtomicU32::new(0);
    let path = format!("{SUBSCRIPTIONS}/{}/{what}", made["id"].as_str().expect("an id"));
    let key = format!("{what}-{}", KEY.fetch_add(1, Ordering::Relaxed));
    harness.post(TENANT, &path, &key, &json!({})).await.body(status)
}

/// Row 38 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_gone_endpoint_is_disabled_and_gets_everything_once_resumed() {
    let (harness, receiver, made) = subscribed().await;
    let message = dispatched(&harness).await;
    receiver.answer(Some(410));
    assert_eq!(harness.call_back(&message).await, Answer::Batch(1));
    let tenant = TENANT.parse().expect("a tenant");
    let notices = harness.hub.deliveries().notices(&tenant, None, 9).await.expect("notices").items;
    assert_eq!(notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Disabled]);
    harness.hub.clock.advance(SignedDuration::from_secs(21));
    assert_eq!(
        harness.call_back_again(&message, 2).await,
        Answer::Batch(0),
        "the callback is held and its message deleted"
    );
    assert_eq!((harness.drain().await, receiver.turned_away()), (0, 1), "a disabled endpoint is not called");
    receiver.answer(None);
    assert_eq!(ask(&harness, &made, "resume", 200).await["state"], "recovering");
    assert!(harness.drain().await > 0);
    let calls = receiver.calls();
    assert_eq!(calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>(), [message.id]);
}

/// Row 41 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_callback_sent_again_after_a_crash_keeps_its_id() {
    let (mut harness, receiver, _) = subscribed().await;
    let message = dispatched(&harness).await;
    harness.hub.faults.restart();
    harness.call_back_again(&message, 2).await;
    let calls = harness.hub.faults.calls().len();
    // The process crashes at each call in turn, and another process receives the message again.
    for call in 1..=calls {
        harness.restart();
        harness.hub.faults.plan(call, Fault::DiesBefore);
        harness.call_back_again(&message, 2).await;
        harness.restart();
        assert_eq!(harness.call_back_again(&message, 3).await, Answer::Batch(0));
    }
    let ids: Vec<String> = receiver.calls().into_iter().map(|call| call.id).collect();
    assert!(
        ids.len() > calls && ids.iter().all(|id| *id == message.id),
        "every callback has the message's id"
    );
}

/// Row 43 of `tests/FAULTS.md`.
#[tokio::test]
async fn both_keys_sign_a_callback_that_is_pending_during_a_rotation() {
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
    assert_eq!(receiver.signed_by(&message.id), 2, "number of keys that signed");
    harness.hub.clock.advance(SignedDuration::from_hours(25));
    receiver.trust(&new);
    assert_eq!(
        ask(&harness, &made, "test", 202).await["webhook_id"].as_str().map(|id| id.ends_with(":1")),
        Some(true)
    );
    let test = harness.hub.queues.drain(&Queue::Drains).pop().expect("a test event");
    assert_eq!(harness.call_back(&test).await, Answer::Batch(0));
    assert_eq!(receiver.calls().last().map(|call| call.payload.kind.as_str()), Some("webhook.test"));
}

/// Row 47 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_callback_message_keeps_the_format_of_the_previous_version() {
    let (harness, receiver, _) = subscribed().await;
    let message = dispatched(&harness).await;
    let body: Value = serde_json::from_str(&message.body).expect("JSON");
    let proven = body["proven-1"]["message"].as_str().expect("a message with its proof");
    let read: Value = serde_json::from_str(proven).expect("JSON");
    assert_eq!(read["v"], "1", "the router's message has another version");
    assert_eq!(harness.call_back(&message).await, Answer::Batch(0));
    assert_eq!(receiver.calls().len(), 1);
}

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
use crate::journey::TENANT;
use crate::rehearsal::{Answer, Rehearsal};

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// A hub whose app has subscribed, its receiver, and the subscription as it was answered.
async fn subscribed() -> (Rehearsal, Receiver, Value) {
    let rehearsal = Rehearsal::new();
    let clock = rehearsal.hub.clock.clone();
    let receiver = Receiver::listen_by(move || platform::clock::Clock::now(&clock)).await;
    let wanted = json!({ "url": receiver.url() });
    let made = rehearsal.post(TENANT, SUBSCRIPTIONS, "a-subscription", &wanted).await.body(201);
    receiver.trust(made["secret"].as_str().expect("a secret"));
    (rehearsal, receiver, made)
}

/// The first callback of an application: that its case was dispatched.
async fn dispatched(rehearsal: &Rehearsal) -> Outgoing {
    let keys = file(rehearsal, TENANT, "a-key").await;
    assert_eq!(rehearsal.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(rehearsal.show(&[submission(rehearsal).await]).await, Answer::Batch(0));
    let kept = only(rehearsal).await;
    let record = crate::rehearsal::change(&kept, kept.version() - 1, kept.version());
    assert_eq!(rehearsal.show(&[record]).await, Answer::Batch(0));
    rehearsal.hub.queues.drain(&Queue::Webhooks).pop().expect("a callback")
}

/// An app's request about its subscription, each with a key of its own.
async fn ask(rehearsal: &Rehearsal, made: &Value, what: &str, status: u16) -> Value {
    static KEY: AtomicU32 = AtomicU32::new(0);
    let path = format!("{SUBSCRIPTIONS}/{}/{what}", made["id"].as_str().expect("an id"));
    let key = format!("{what}-{}", KEY.fetch_add(1, Ordering::Relaxed));
    rehearsal.post(TENANT, &path, &key, &json!({})).await.body(status)
}

#[tokio::test]
async fn row_38_an_endpoint_that_is_gone_is_disabled_and_gets_everything_when_it_is_back() {
    let (rehearsal, receiver, made) = subscribed().await;
    let message = dispatched(&rehearsal).await;
    receiver.answer(Some(410));
    assert_eq!(rehearsal.call_back(&message).await, Answer::Batch(1));
    let tenant = TENANT.parse().expect("a tenant");
    let told = rehearsal.hub.deliveries().notices(&tenant, None, 9).await.expect("notices").items;
    assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Disabled]);
    rehearsal.hub.clock.advance(SignedDuration::from_secs(21));
    assert_eq!(rehearsal.call_back_again(&message, 2).await, Answer::Batch(0), "held, and done with");
    assert_eq!((rehearsal.drain().await, receiver.turned_away()), (0, 1), "nobody asks it again");
    receiver.answer(None);
    assert_eq!(ask(&rehearsal, &made, "resume", 200).await["state"], "recovering");
    assert!(rehearsal.drain().await > 0);
    let calls = receiver.calls();
    assert_eq!(calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>(), [message.id]);
}

#[tokio::test]
async fn row_41_the_function_dies_after_the_post() {
    let (mut rehearsal, receiver, _) = subscribed().await;
    let message = dispatched(&rehearsal).await;
    rehearsal.hub.faults.restart();
    rehearsal.call_back_again(&message, 2).await;
    let calls = rehearsal.hub.faults.calls().len();
    // Each call on the way is its last; the message comes again, to another process.
    for call in 1..=calls {
        rehearsal.restart();
        rehearsal.hub.faults.plan(call, Fault::DiesBefore);
        rehearsal.call_back_again(&message, 2).await;
        rehearsal.restart();
        assert_eq!(rehearsal.call_back_again(&message, 3).await, Answer::Batch(0));
    }
    let ids: Vec<String> = receiver.calls().into_iter().map(|call| call.id).collect();
    assert!(ids.len() > calls && ids.iter().all(|id| *id == message.id), "the same id each time");
}

#[tokio::test]
async fn row_43_keys_are_rotated_while_a_callback_is_pending() {
    let (rehearsal, receiver, made) = subscribed().await;
    let message = dispatched(&rehearsal).await;
    receiver.answer(Some(500));
    assert_eq!(rehearsal.call_back(&message).await, Answer::Batch(1));
    let rotated = ask(&rehearsal, &made, "rotate", 200).await;
    let secret = |view: &Value| view["secret"].as_str().expect("a secret").to_owned();
    let (old, new) = (secret(&made), secret(&rotated));
    assert_ne!(old, new);
    receiver.answer(None);
    receiver.also_trust(&new);
    rehearsal.hub.clock.advance(SignedDuration::from_secs(6));
    assert_eq!(rehearsal.call_back_again(&message, 2).await, Answer::Batch(0));
    assert_eq!(receiver.signed_by(&message.id), 2, "both keys have signed");
    rehearsal.hub.clock.advance(SignedDuration::from_hours(25));
    receiver.trust(&new);
    assert_eq!(
        ask(&rehearsal, &made, "test", 202).await["webhook_id"].as_str().map(|id| id.ends_with(":1")),
        Some(true)
    );
    let test = rehearsal.hub.queues.drain(&Queue::Webhooks).pop().expect("a test event");
    assert_eq!(rehearsal.call_back(&test).await, Answer::Batch(0));
    assert_eq!(receiver.calls().last().map(|call| call.payload.kind.as_str()), Some("webhook.test"));
}

#[tokio::test]
async fn row_47_the_router_still_sends_what_the_version_before_reads() {
    let (rehearsal, receiver, _) = subscribed().await;
    let message = dispatched(&rehearsal).await;
    let read: Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(read["v"], "1", "what the router sends is what it always sent");
    assert_eq!(rehearsal.call_back(&message).await, Answer::Batch(0));
    assert_eq!(receiver.calls().len(), 1);
}

//! Direct deliveries.

use axum::response::IntoResponse;
use callbacks::delivery::CallbackSender;
use domain::endpoint::PROPAGATION_DELAY;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::deliveries::{Deliveries as _, Which};
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::queues::Queue;
use platform::subscriptions::{FormerKeys, Subscription, Subscriptions as _};
use protocol::callback::{Callback, CallbackMessage, SubscriptionCallback, TEST};

use crate::support::*;

async fn healthy() -> Endpoint {
    Endpoint::answering(|| "thanks".into_response()).await
}

#[tokio::test]
async fn a_callback_is_signed_and_contains_no_personal_data() {
    let (endpoint, hub) = (healthy().await, hub());
    subscribe(&hub, &endpoint.url, &[]).await;
    let due = [callback(4), callback(5)];
    assert!(deliver(&sender(&hub), batch(&due, 1)).await.is_empty());
    let received = endpoint.received();
    assert_eq!(received.len(), 2);
    for (received, due) in received.iter().zip(&due) {
        assert_eq!(received.id, due.id());
        let (secret, public) = (keys(9).secret().clone(), keys(9).public().unwrap());
        let now = hub.clock().now();
        let ReceivedCallback { id, timestamp, signature, body } = received;
        assert_eq!(secret.verify(id, timestamp, signature, body, now), Ok(()));
        assert_eq!(public.verify(id, timestamp, signature, body, now), Ok(()));
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body["type"], due.kind);
        let members = |value: &serde_json::Value| {
            value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(members(&body), "data timestamp type", "no other members");
        assert_eq!(members(&body["data"]), "application stage url version", "no other members");
        assert_eq!(body["data"]["version"], due.version);
        assert_eq!(body["data"]["url"], format!("/v1/applications/{}", due.application));
    }
}

#[tokio::test]
async fn only_events_that_are_wanted_are_delivered() {
    let (endpoint, hub) = (healthy().await, hub());
    subscribe(&hub, &endpoint.url, &["application.signed"]).await;
    let mut due = [callback(4), callback(6)];
    due[1].kind = "application.signed".to_owned();
    assert!(deliver(&sender(&hub), batch(&due, 1)).await.is_empty());
    assert_eq!(endpoint.ids(), [due[1].id()]);
}

#[tokio::test]
async fn each_of_several_subscriptions_gets_its_own_message() {
    let (one, two, hub) = (healthy().await, healthy().await, hub());
    let first = subscribe(&hub, &one.url, &[]).await;
    let second = subscribe(&hub, &two.url, &[]).await;
    subscribe(&hub, &two.url, &["application.signed"]).await;
    hub.clock.advance(PROPAGATION_DELAY);
    let sender = sender(&hub);
    for _ in 0..2 {
        assert!(deliver(&sender, batch(&[callback(4), callback(5)], 1)).await.is_empty());
    }
    assert!(one.ids().is_empty());
    let mut groups: Vec<String> = hub.queues.sent().iter().map(|sent| sent.message.group.clone()).collect();
    let group = |id| format!("{id}:{}", application(1));
    groups.sort();
    let mut expected = [group(first), group(second), group(first), group(second)];
    expected.sort();
    assert_eq!(groups, expected, "one message for each subscription and callback");
    assert_eq!(deliver_queue(&sender, &hub, &Queue::Callbacks).await, 4);
    for endpoint in [one, two] {
        assert_eq!(endpoint.ids(), [callback(4).id(), callback(5).id()]);
    }
}

/// Processes learn of a second subscription at different times. The first one receives its callbacks in order
/// nevertheless.
#[tokio::test]
async fn a_second_subscription_does_not_change_the_order_of_the_first() {
    let (one, two, hub) = (healthy().await, healthy().await, hub());
    subscribe(&hub, &one.url, &[]).await;
    let (stale, fresh) = (sender(&hub), sender(&hub));
    let deliver_version = async |sender: &CallbackSender<_>, version| {
        assert!(deliver(sender, batch(&[callback(version)], 1)).await.is_empty());
    };
    deliver_version(&stale, 3).await;
    let second = subscribe(&hub, &two.url, &[]).await;
    deliver_version(&fresh, 4).await;
    deliver_version(&stale, 5).await;
    assert_eq!(one.ids(), [3, 4, 5].map(|version| callback(version).id()), "directly");
    hub.clock.advance(PROPAGATION_DELAY);
    deliver_version(&stale, 6).await;
    deliver_version(&fresh, 7).await;
    assert_eq!(one.ids().len(), 3, "by its own messages");
    remove(&hub, second).await;
    hub.clock.advance(PROPAGATION_DELAY);
    deliver_version(&fresh, 8).await;
    deliver_queue(&fresh, &hub, &Queue::Callbacks).await;
    assert_eq!(one.ids(), [3, 4, 5, 6, 7, 8].map(|version| callback(version).id()));
}

/// Another subscription's filter does not decide whether callbacks are sent directly.
#[tokio::test]
async fn a_callback_for_one_of_several_subscriptions_overtakes_none() {
    let (one, two, hub) = (healthy().await, healthy().await, hub());
    subscribe(&hub, &one.url, &[]).await;
    subscribe(&hub, &two.url, &["application.signed"]).await;
    hub.clock.advance(PROPAGATION_DELAY);
    let mut due = [callback(4), callback(5)];
    due[0].kind = "application.signed".to_owned();
    let sender = sender(&hub);
    assert!(deliver(&sender, batch(&due, 1)).await.is_empty());
    deliver_queue(&sender, &hub, &Queue::Callbacks).await;
    assert_eq!((one.ids(), two.ids()), (due.iter().map(|due| due.id()).collect(), vec![due[0].id()]));
}

#[tokio::test]
async fn a_callback_to_a_deleted_subscription_is_dropped() {
    let (endpoint, hub) = (healthy().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    remove(&hub, id).await;
    let addressed = SubscriptionCallback { subscription: id, callback: callback(4), replay: false };
    let event = batch_of(&[(addressed.group(), CallbackMessage::V2(addressed))], 1);
    assert!(deliver(&sender(&hub), event).await.is_empty());
    assert!(endpoint.ids().is_empty());
}

/// Row 41 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_callback_whose_record_was_lost_is_sent_again_under_the_same_id() {
    let (endpoint, hub) = (healthy().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    // The process dies after the POST, before it writes the log.
    let first = sender(&hub);
    deliver(&first, batch(&[callback(4)], 2)).await;
    drop(first);
    let second = sender(&hub);
    assert!(deliver(&second, batch(&[callback(4)], 3)).await.is_empty());
    assert_eq!(endpoint.ids().last(), Some(&callback(4).id()));
    assert_eq!(endpoint.ids(), [callback(4).id(), callback(4).id()]);
    second.wake_due().await;
    let log = hub.deliveries().attempts(id, Which::All, None, 10).await.unwrap();
    assert_eq!(log.items.len(), 1);
    assert_eq!((log.items[0].number, log.items[0].result), (1, Ok(200)), "the attempt that was not logged");
}

/// Row 43 of `tests/FAULTS.md`.
#[tokio::test]
async fn both_keys_sign_a_retry_that_is_pending_during_a_rotation() {
    let (endpoint, status) = Endpoint::with_status(500).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    assert_eq!(deliver(&sender, batch(&[callback(4)], 1)).await, ["0"]);
    let before = stored(&hub, id).await;
    let until = hub.clock().now() + SignedDuration::from_hours(24);
    let rotated = Subscription {
        secret: encrypted(&hub, id, 8).await,
        former: Some(FormerKeys { secret: before.secret.clone(), until }),
        revision: before.revision + 1,
        ..before
    };
    assert!(hub.subscriptions().replace(&rotated).await.unwrap());
    status.store(204, std::sync::atomic::Ordering::SeqCst);
    hub.clock.advance(SignedDuration::from_secs(6));
    assert!(deliver(&sender, batch(&[callback(4)], 2)).await.is_empty());
    let verifies = |received: &ReceivedCallback, byte| {
        let (id, at) = (&received.id, &received.timestamp);
        let now = hub.clock().now();
        let secret = keys(byte).secret().verify(id, at, &received.signature, &received.body, now);
        let public = keys(byte).public().unwrap().verify(id, at, &received.signature, &received.body, now);
        assert_eq!(secret, public);
        secret.is_ok()
    };
    let received = endpoint.received();
    assert!(verifies(&received[0], 9) && !verifies(&received[0], 8));
    assert!(verifies(&received[1], 9) && verifies(&received[1], 8), "both keys sign during the overlap");
    hub.clock.advance(SignedDuration::from_hours(24));
    assert!(deliver(&sender, batch(&[callback(5)], 1)).await.is_empty());
    let last = endpoint.received().pop().unwrap();
    assert!(!verifies(&last, 9) && verifies(&last, 8), "only the new keys sign after the overlap");
}

#[tokio::test]
async fn successes_are_logged_together_and_failures_at_once() {
    let (endpoint, status) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    let logged = async || hub.deliveries().attempts(id, Which::All, None, 100).await.unwrap().items.len();
    for version in 1..25 {
        deliver(&sender, batch(&[callback(version)], 1)).await;
    }
    assert_eq!(logged().await, 0);
    deliver(&sender, batch(&[callback(25)], 1)).await;
    assert_eq!(logged().await, 25, "the buffer is full");
    deliver(&sender, batch(&[callback(26)], 1)).await;
    hub.clock.advance(SignedDuration::from_secs(11));
    deliver(&sender, batch(&[callback(27)], 1)).await;
    assert_eq!(logged().await, 27, "the oldest line is late");
    deliver(&sender, batch(&[callback(28)], 1)).await;
    sender.wake_due().await;
    assert_eq!(logged().await, 28, "the schedule writes the rest");
    let test = Callback { kind: TEST.to_owned(), ..callback_of(application(9), 1) };
    let addressed = SubscriptionCallback { subscription: id, callback: test, replay: false };
    deliver(&sender, batch_of(&[(addressed.group(), CallbackMessage::V2(addressed))], 1)).await;
    assert_eq!(logged().await, 29, "a test event is written at once");
    status.store(500, std::sync::atomic::Ordering::SeqCst);
    hub.faults.restart();
    deliver(&sender, batch(&[callback(29)], 1)).await;
    assert_eq!(logged().await, 30, "a failure is written at once");
    let failed = hub.deliveries().attempts(id, Which::Failed, None, 10).await.unwrap().items;
    assert_eq!(failed.iter().map(|attempt| attempt.callback.version).collect::<Vec<_>>(), [29]);
}

#[tokio::test]
async fn a_failed_write_of_the_log_fails_no_delivery() {
    let (endpoint, hub) = (healthy().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    deliver(&sender, batch(&[callback(1)], 1)).await;
    hub.faults.restart();
    hub.clock.advance(SignedDuration::from_secs(12));
    hub.faults.plan(2, Fault::Throttled);
    assert!(deliver(&sender, batch(&[callback(2)], 1)).await.is_empty());
    assert_eq!(hub.faults.calls(), ["vault.decrypt", "deliveries.write"]);
    assert!(deliver(&sender, batch(&[callback(3)], 1)).await.is_empty());
    assert_eq!(hub.deliveries().attempts(id, Which::All, None, 9).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn live_rejects_http_and_ip_addresses() {
    let (endpoint, hub) = (healthy().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = CallbackSender::new(hub.clone(), Mode::Live).unwrap();
    assert_eq!(deliver(&sender, batch(&[callback(4)], 1)).await.len(), 1);
    assert!(endpoint.ids().is_empty());
    let log = hub.deliveries().attempts(id, Which::Failed, None, 9).await.unwrap();
    assert_eq!(log.items[0].result, Err(platform::deliveries::Cause::RefusedAddress));
}

/// A right to send to the queue does not make the sender a function of the hub.
#[tokio::test]
async fn c6_a_forged_message_is_neither_signed_nor_delivered() {
    let (endpoint, hub) = (healthy().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    let addressed = SubscriptionCallback { subscription: id, callback: callback(5), replay: false };
    let test = Callback { kind: TEST.to_owned(), ..callback(6) };
    let test = SubscriptionCallback { subscription: id, callback: test, replay: false };
    let forged =
        [CallbackMessage::V1(callback(4)), CallbackMessage::V2(addressed), CallbackMessage::V2(test)];
    for message in forged {
        let mut event = batch_of(&[("a-group".to_owned(), message.clone())], 1);
        event.records[0].body = Some(serde_json::to_string(&message).unwrap());
        assert_eq!(deliver(&sender, event).await, ["0"]);
    }
    assert!(endpoint.ids().is_empty());
    assert_eq!(hub.queues.postponed().len(), 3, "each soon is in the dead-letter queue");
}

#[tokio::test]
async fn a_malformed_message_fails() {
    let sender = sender(&hub());
    let mut event = batch(&[callback(4)], 1);
    event.records[0].body = Some(r#"{"v":"9"}"#.to_owned());
    assert_eq!(deliver(&sender, event).await.len(), 1);
}

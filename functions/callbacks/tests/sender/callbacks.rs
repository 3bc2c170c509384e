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
use platform::subscriptions::{Former, Subscription, Subscriptions as _};
use protocol::callback::{Callback, CallbackMessage, Directed, TEST};

use crate::support::*;

async fn well() -> Endpoint {
    Endpoint::answering(|| "thanks".into_response()).await
}

#[tokio::test]
async fn a_callback_is_signed_thin_and_delivered() {
    let (endpoint, hub) = (well().await, hub());
    subscribe(&hub, &endpoint.url, &[]).await;
    let due = [callback(4), callback(5)];
    assert!(deliver(&sender(&hub), batch(&due, 1)).await.is_empty());
    let heard = endpoint.heard();
    assert_eq!(heard.len(), 2);
    for (heard, due) in heard.iter().zip(&due) {
        assert_eq!(heard.id, due.id());
        let (secret, public) = (keys(9).secret().clone(), keys(9).public().unwrap());
        let now = hub.clock().now();
        assert_eq!(secret.verify(&heard.id, &heard.timestamp, &heard.signature, &heard.body, now), Ok(()));
        assert_eq!(public.verify(&heard.id, &heard.timestamp, &heard.signature, &heard.body, now), Ok(()));
        let body: serde_json::Value = serde_json::from_slice(&heard.body).unwrap();
        assert_eq!(body["type"], due.kind);
        let members = |value: &serde_json::Value| {
            value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(members(&body), "data timestamp type", "and nothing else");
        assert_eq!(members(&body["data"]), "application stage url version", "and nothing else");
        assert_eq!(body["data"]["version"], due.version);
        assert_eq!(body["data"]["url"], format!("/v1/applications/{}", due.application));
    }
}

#[tokio::test]
async fn only_events_that_are_wanted_are_delivered() {
    let (endpoint, hub) = (well().await, hub());
    subscribe(&hub, &endpoint.url, &["application.signed"]).await;
    let mut due = [callback(4), callback(6)];
    due[1].kind = "application.signed".to_owned();
    assert!(deliver(&sender(&hub), batch(&due, 1)).await.is_empty());
    assert_eq!(endpoint.ids(), [due[1].id()]);
}

#[tokio::test]
async fn several_subscriptions_have_a_message_each() {
    let (one, two, hub) = (well().await, well().await, hub());
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
    assert_eq!(groups, expected, "ordered by subscription and application, each once");
    assert_eq!(deliver_queue(&sender, &hub, &Queue::Callbacks).await, 4);
    for endpoint in [one, two] {
        assert_eq!(endpoint.ids(), [callback(4).id(), callback(5).id()]);
    }
}

/// Processes hear of a second subscription at different times; the first one hears all in order nevertheless.
#[tokio::test]
async fn a_subscription_that_gets_company_goes_on_in_order() {
    let (one, two, hub) = (well().await, well().await, hub());
    subscribe(&hub, &one.url, &[]).await;
    let (stale, fresh) = (sender(&hub), sender(&hub));
    let to = async |sender: &CallbackSender<_>, version| {
        assert!(deliver(sender, batch(&[callback(version)], 1)).await.is_empty());
    };
    to(&stale, 3).await;
    let second = subscribe(&hub, &two.url, &[]).await;
    to(&fresh, 4).await;
    to(&stale, 5).await;
    assert_eq!(one.ids(), [3, 4, 5].map(|version| callback(version).id()), "by the one way");
    hub.clock.advance(PROPAGATION_DELAY);
    to(&stale, 6).await;
    to(&fresh, 7).await;
    assert_eq!(one.ids().len(), 3, "by the other");
    remove(&hub, second).await;
    hub.clock.advance(PROPAGATION_DELAY);
    to(&fresh, 8).await;
    deliver_queue(&fresh, &hub, &Queue::Callbacks).await;
    assert_eq!(one.ids(), [3, 4, 5, 6, 7, 8].map(|version| callback(version).id()));
}

/// A filter of another subscription does not change the way.
#[tokio::test]
async fn a_callback_that_one_of_several_wants_overtakes_none() {
    let (one, two, hub) = (well().await, well().await, hub());
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
async fn a_callback_to_a_subscription_that_is_gone_is_done_with() {
    let (endpoint, hub) = (well().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    remove(&hub, id).await;
    let directed = Directed { subscription: id, callback: callback(4), again: false };
    let event = batch_of(&[(directed.group(), CallbackMessage::V2(directed))], 1);
    assert!(deliver(&sender(&hub), event).await.is_empty());
    assert!(endpoint.ids().is_empty());
}

#[tokio::test]
async fn row_41_who_dies_after_the_post_sends_it_again_under_the_same_id() {
    let (endpoint, hub) = (well().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    hub.faults.restart();
    // Subscriptions and key are read; then it posts, and never comes to the log.
    hub.faults.plan(3, Fault::DiesBefore);
    let first = sender(&hub);
    deliver(&first, batch(&[callback(4)], 2)).await;
    let second = sender(&hub);
    assert!(deliver(&second, batch(&[callback(4)], 3)).await.is_empty());
    assert_eq!(endpoint.ids().last(), Some(&callback(4).id()));
    assert!(endpoint.ids().iter().all(|heard| *heard == callback(4).id()));
    let log = hub.deliveries().attempts(id, Which::All, None, 10).await.unwrap();
    assert_eq!(log.items.len(), 1);
    assert_eq!((log.items[0].number, log.items[0].result), (3, Ok(200)));
}

#[tokio::test]
async fn row_43_keys_rotated_while_a_retry_is_pending_both_sign() {
    let (endpoint, status) = Endpoint::with_status(500).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    assert_eq!(deliver(&sender, batch(&[callback(4)], 1)).await, ["0"]);
    let before = stored(&hub, id).await;
    let until = hub.clock().now() + SignedDuration::from_hours(24);
    let rotated = Subscription {
        secret: encrypted(&hub, id, 8).await,
        former: Some(Former { secret: before.secret.clone(), until }),
        revision: before.revision + 1,
        ..before
    };
    assert!(hub.subscriptions().replace(&rotated).await.unwrap());
    status.store(204, std::sync::atomic::Ordering::SeqCst);
    hub.clock.advance(SignedDuration::from_secs(6));
    assert!(deliver(&sender, batch(&[callback(4)], 2)).await.is_empty());
    let verifies = |heard: &Heard, byte| {
        let (id, at) = (&heard.id, &heard.timestamp);
        let now = hub.clock().now();
        let secret = keys(byte).secret().verify(id, at, &heard.signature, &heard.body, now);
        let public = keys(byte).public().unwrap().verify(id, at, &heard.signature, &heard.body, now);
        assert_eq!(secret, public);
        secret.is_ok()
    };
    let heard = endpoint.heard();
    assert!(verifies(&heard[0], 9) && !verifies(&heard[0], 8));
    assert!(verifies(&heard[1], 9) && verifies(&heard[1], 8), "both during the overlap");
    hub.clock.advance(SignedDuration::from_hours(24));
    assert!(deliver(&sender, batch(&[callback(5)], 1)).await.is_empty());
    let last = endpoint.heard().pop().unwrap();
    assert!(!verifies(&last, 9) && verifies(&last, 8), "the new keys alone after it");
}

#[tokio::test]
async fn first_successes_are_logged_together_and_failures_at_once() {
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
    assert_eq!(logged().await, 25, "a call is full");
    deliver(&sender, batch(&[callback(26)], 1)).await;
    hub.clock.advance(SignedDuration::from_secs(11));
    deliver(&sender, batch(&[callback(27)], 1)).await;
    assert_eq!(logged().await, 27, "the oldest is late");
    deliver(&sender, batch(&[callback(28)], 1)).await;
    sender.wake_due().await;
    assert_eq!(logged().await, 28, "the schedule comes by");
    let test = Callback { kind: TEST.to_owned(), ..callback_of(application(9), 1) };
    let directed = Directed { subscription: id, callback: test, again: false };
    deliver(&sender, batch_of(&[(directed.group(), CallbackMessage::V2(directed))], 1)).await;
    assert_eq!(logged().await, 29, "somebody waits for a test");
    status.store(500, std::sync::atomic::Ordering::SeqCst);
    hub.faults.restart();
    deliver(&sender, batch(&[callback(29)], 1)).await;
    assert_eq!(logged().await, 30, "a failure does not wait");
    let failed = hub.deliveries().attempts(id, Which::Failed, None, 10).await.unwrap().items;
    assert_eq!(failed.iter().map(|attempt| attempt.callback.version).collect::<Vec<_>>(), [29]);
}

#[tokio::test]
async fn a_log_out_of_reach_fails_no_delivery() {
    let (endpoint, hub) = (well().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    deliver(&sender, batch(&[callback(1)], 1)).await;
    hub.faults.restart();
    hub.clock.advance(SignedDuration::from_secs(12));
    hub.faults.plan(1, Fault::Throttled);
    assert!(deliver(&sender, batch(&[callback(2)], 1)).await.is_empty());
    assert_eq!(hub.faults.calls(), ["deliveries.write"]);
    assert!(deliver(&sender, batch(&[callback(3)], 1)).await.is_empty());
    assert_eq!(hub.deliveries().attempts(id, Which::All, None, 9).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn live_calls_nobody_in_clear_text_and_no_address() {
    let (endpoint, hub) = (well().await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = CallbackSender::new(hub.clone(), Mode::Live).unwrap();
    assert_eq!(deliver(&sender, batch(&[callback(4)], 1)).await.len(), 1);
    assert!(endpoint.ids().is_empty());
    let log = hub.deliveries().attempts(id, Which::Failed, None, 9).await.unwrap();
    assert_eq!(log.items[0].result, Err(platform::deliveries::Cause::RefusedAddress));
}

#[tokio::test]
async fn a_message_that_is_none_is_left_to_the_dead_letters() {
    let sender = sender(&hub());
    let mut event = batch(&[callback(4)], 1);
    event.records[0].body = Some(r#"{"v":"9"}"#.to_owned());
    assert_eq!(deliver(&sender, event).await.len(), 1);
}

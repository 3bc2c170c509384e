//! The number of an attempt, test events, and messages that were received often.

use std::sync::atomic::Ordering;

use domain::endpoint::EndpointState;
use platform::deliveries::{Deliveries as _, Which};
use platform::hub::Hub as _;
use platform::queues::Queue;
use platform::subscriptions::Subscriptions as _;
use protocol::callback::{Callback, CallbackMessage, SubscriptionCallback, TEST};

use crate::failing::{failing_endpoint, seconds};
use crate::support::*;

/// A message that keeps failing while others succeed is stored before the queue moves it to the dead-letter queue, once
/// every process knows that the endpoint left health.
#[tokio::test]
async fn a_message_with_many_receives_is_stored_when_every_process_knows() {
    let (endpoint, _) = Endpoint::with_status(500).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender_over(&hub, &connector());
    assert_eq!(deliver(&sender, batch(&[callback(4)], 9)).await, ["0"]);
    assert_eq!((endpoint.ids().len(), stored_ids(&hub, id).await.len()), (1, 0));
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Failing { attempt: 0, .. }));
    hub.clock.advance(seconds(21));
    assert!(deliver(&sender, batch(&[callback(4)], 10)).await.is_empty());
    assert_eq!((endpoint.ids().len(), stored_ids(&hub, id).await), (1, vec![callback(4).id()]));
}

/// Another process that has the endpoint as healthy in its cache sends the next version.
#[tokio::test]
async fn a_message_with_many_receives_keeps_its_order_at_a_healthy_endpoint() {
    let (endpoint, _) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let (one, other) = (sender(&hub), sender(&hub));
    deliver(&other, batch(&[callback(3)], 1)).await;
    assert!(deliver(&one, batch(&[callback(4)], 9)).await.is_empty());
    assert!(deliver(&other, batch(&[callback(5)], 1)).await.is_empty());
    assert_eq!(endpoint.ids(), [3, 4, 5].map(|version| callback(version).id()));
    assert!(stored_ids(&hub, id).await.is_empty());
}

#[tokio::test]
async fn a8_an_endpoint_whose_keys_are_lost_gets_nothing_unsigned_and_delays_no_other() {
    let (lost, sound, hub) = (Endpoint::with_status(204).await.0, Endpoint::with_status(204).await.0, hub());
    let id = subscribe(&hub, &lost.url, &[]).await;
    subscribe(&hub, &sound.url, &[]).await;
    let mut changed = stored(&hub, id).await;
    changed.secret = vec![7; changed.secret.len()];
    changed.revision += 1;
    assert!(hub.subscriptions().replace(&changed).await.unwrap());
    hub.clock.advance(seconds(60));
    let sender = sender(&hub);
    assert!(deliver(&sender, batch(&[callback(4)], 1)).await.is_empty());
    let test = Callback { kind: TEST.to_owned(), ..callback(6) };
    let test = SubscriptionCallback { subscription: id, callback: test, replay: false };
    let test = batch_of(&[("a-group".to_owned(), CallbackMessage::V2(test))], 1);
    assert!(deliver(&sender, test).await.is_empty());
    deliver_queue(&sender, &hub, &Queue::Callbacks).await;
    assert_eq!(sound.ids(), [callback(4).id()]);
    assert!(lost.ids().is_empty(), "sent without a signature: {:?}", lost.received());
    assert_eq!(stored_ids(&hub, id).await, [callback(4).id()]);
}

#[tokio::test]
async fn c1_attempts_are_counted_by_callback() {
    let (endpoint, status, hub, id, sender) = failing_endpoint().await;
    status.store(204, Ordering::SeqCst);
    hub.clock.advance(seconds(60));
    run_schedule(&sender, &hub).await;
    let numbers = async |of: &Callback| {
        let log = hub.deliveries().attempts(id, Which::All, None, 100).await.unwrap().items;
        let mut numbers: Vec<u32> =
            log.iter().filter(|attempt| attempt.callback == *of).map(|attempt| attempt.number).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers(&callback(4)).await, [1, 2, 3], "rejected twice, then accepted");
    assert_eq!(numbers(&callback(5)).await, [1]);
    assert_eq!(numbers(&callback_of(application(2), 3)).await, [1]);
    assert_eq!(endpoint.ids().len(), 5);
}

/// The tenant has repaired the endpoint and does not wait for the schedule.
#[tokio::test]
async fn c2_a_passed_test_ends_the_failing_state_and_a_rejected_one_changes_nothing() {
    let (endpoint, status, hub, id, sender) = failing_endpoint().await;
    endpoint.clear();
    let test = Callback { kind: TEST.to_owned(), ..callback_of(application(9), 1) };
    let addressed = SubscriptionCallback { subscription: id, callback: test.clone(), replay: false };
    let send_test = || batch_of(&[(addressed.group(), CallbackMessage::V2(addressed.clone()))], 1);
    let before = stored(&hub, id).await.state;
    assert!(deliver(&sender, send_test()).await.is_empty());
    assert_eq!((endpoint.ids(), stored(&hub, id).await.state), (vec![test.id()], before), "sent at once");
    status.store(204, Ordering::SeqCst);
    assert!(deliver(&sender, send_test()).await.is_empty());
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Recovering { .. }));
    assert_eq!(deliver_queue(&sender, &hub, &Queue::Drains).await, 1);
    assert!(stored_ids(&hub, id).await.is_empty());
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Healthy { .. }));
}

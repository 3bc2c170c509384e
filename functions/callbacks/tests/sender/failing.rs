//! Failing endpoints: the retry schedule, stored callbacks, recovery, disabling.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use callbacks::delivery::CallbackSender;
use domain::endpoint::{DisabledReason, EndpointState};
use domain::ids::SubscriptionId;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::deliveries::{Cause, Deliveries as _, NoticeKind, Which};
use platform::faults::Fault;
use platform::hub::{FakeHub, Hub as _};
use platform::queues::Queue;

use crate::support::*;

pub(crate) fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// An endpoint that answers 500 and has been failing for longer than the propagation delay, with three stored callbacks
/// of two applications.
pub(crate) async fn failing_endpoint()
-> (Endpoint, std::sync::Arc<std::sync::atomic::AtomicU16>, FakeHub, SubscriptionId, CallbackSender<FakeHub>)
{
    let (endpoint, status) = Endpoint::with_status(500).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    assert_eq!(deliver(&sender, batch(&[callback(4)], 1)).await, ["0"]);
    hub.clock.advance(seconds(6));
    assert_eq!(deliver(&sender, batch(&[callback(4)], 2)).await, ["0"]);
    hub.clock.advance(seconds(15));
    let due = [callback(4), callback_of(application(2), 3), callback(5)];
    assert!(deliver(&sender, batch(&due, 3)).await.is_empty());
    assert_eq!(stored_ids(&hub, id).await, [due[0].id(), due[2].id(), due[1].id()]);
    (endpoint, status, hub, id, sender)
}

/// Row 38 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_refused_callback_is_retried_in_place_and_then_stored() {
    let (endpoint, _, hub, id, _) = failing_endpoint().await;
    assert_eq!(endpoint.ids(), [callback(4).id(), callback(4).id()], "attempts at once and after 5 s");
    let EndpointState::Failing { attempt, since, next_at } = stored(&hub, id).await.state else {
        panic!("not failing")
    };
    assert_eq!((attempt, hub.clock().now().duration_since(since)), (2, seconds(21)));
    let wait = next_at.duration_since(hub.clock().now() - seconds(15));
    assert!(wait > seconds(26) && wait <= seconds(30), "{wait:?}");
}

#[tokio::test]
async fn a_later_event_of_the_application_waits_and_nothing_else_is_posted() {
    let (endpoint, _) = Endpoint::with_status(500).await;
    let hub = hub();
    subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    let due = [callback(4), callback(5), callback_of(application(2), 1)];
    assert_eq!(deliver(&sender, batch(&due[..2], 1)).await, ["0", "1"]);
    let postponed: Vec<_> = hub.queues.postponed();
    assert_eq!(postponed.len(), 2, "both messages return soon: {postponed:?}");
    hub.clock.advance(seconds(1));
    assert_eq!(deliver(&sender, batch(&due[2..], 1)).await, ["0"]);
    assert_eq!(endpoint.ids(), [callback(4).id()], "nothing more is posted before the next attempt");
}

/// While other processes may still post directly, no callback is stored, so that they cannot overtake it.
#[tokio::test]
async fn nothing_is_stored_before_every_process_knows_the_state() {
    let (endpoint, status) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let (first, second) = (sender(&hub), sender(&hub));
    deliver(&second, batch(&[callback(1)], 1)).await;
    status.store(500, Ordering::SeqCst);
    deliver(&first, batch(&[callback(2)], 1)).await;
    status.store(204, Ordering::SeqCst);
    for receives in 1..5 {
        deliver(&first, batch(&[callback(3)], receives)).await;
        assert!(stored_ids(&hub, id).await.is_empty());
        hub.clock.advance(seconds(4));
        deliver(&second, batch(&[callback_of(application(3), 1)], 1)).await;
    }
    assert!(endpoint.ids().contains(&callback_of(application(3), 1).id()));
}

#[tokio::test]
async fn a_dead_endpoint_is_retried_by_the_schedule_and_then_disabled() {
    let (endpoint, _, hub, id, sender) = failing_endpoint().await;
    let started = hub.clock().now();
    let mut attempts = endpoint.ids().len();
    loop {
        let state = stored(&hub, id).await.state;
        let EndpointState::Failing { next_at, .. } = state else { break };
        hub.clock.set(next_at - seconds(1));
        run_schedule(&sender, &hub).await;
        assert_eq!(endpoint.ids().len(), attempts, "no attempt before it is due");
        hub.clock.set(next_at + seconds(1));
        assert_eq!(run_schedule(&sender, &hub).await, 1);
        attempts += 1;
        assert_eq!(endpoint.ids().len(), attempts, "one probe at each due time");
    }
    assert_eq!(attempts, 14);
    let took = hub.clock().now().duration_since(started).as_secs_f64() / 3_600.0;
    assert!((67.0..=75.5).contains(&took), "{took} hours");
    let EndpointState::Disabled { reason, .. } = stored(&hub, id).await.state else { panic!("not disabled") };
    assert_eq!(reason, DisabledReason::Exhausted);
    let notices = hub.deliveries().notices(&tenant(), None, 10).await.unwrap().items;
    assert_eq!(notices.len(), 1);
    assert_eq!((notices[0].kind, notices[0].reason), (NoticeKind::Disabled, Some(DisabledReason::Exhausted)));
    assert!(deliver(&sender, batch(&[callback(6)], 1)).await.is_empty(), "callbacks are still stored");
    assert_eq!(stored_ids(&hub, id).await.len(), 4);
    hub.clock.advance(seconds(100_000));
    assert_eq!(run_schedule(&sender, &hub).await, 0);
}

/// Row 38 of `tests/FAULTS.md`.
#[tokio::test]
async fn status_410_disables_the_endpoint_at_once() {
    let (endpoint, _) = Endpoint::with_status(410).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    let many: Vec<_> = (1..9).map(|number| callback_of(application(number), 1)).collect();
    assert_eq!(deliver(&sender, batch(&many, 1)).await.len(), 8);
    let EndpointState::Disabled { reason: DisabledReason::Gone, .. } = stored(&hub, id).await.state else {
        panic!("not disabled")
    };
    let notices = hub.deliveries().notices(&tenant(), None, 10).await.unwrap().items;
    assert!(!notices.is_empty() && notices.iter().all(|notice| notice.reason == Some(DisabledReason::Gone)));
    hub.clock.advance(seconds(21));
    endpoint.clear();
    assert!(deliver(&sender, batch(&many, 2)).await.is_empty());
    assert_eq!((stored_ids(&hub, id).await.len(), endpoint.ids().len()), (8, 0));
}

/// Row 38 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_long_retry_after_delays_the_next_attempt() {
    use axum::response::IntoResponse as _;
    let busy = || (axum::http::StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7200")]).into_response();
    let (endpoint, hub) = (Endpoint::answering(busy).await, hub());
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    deliver(&sender(&hub), batch(&[callback(1)], 1)).await;
    let EndpointState::Failing { next_at, .. } = stored(&hub, id).await.state else { panic!("not failing") };
    assert_eq!(next_at.duration_since(hub.clock().now()), seconds(7_200));
}

#[tokio::test]
async fn stored_callbacks_are_delivered_in_order_after_a_recovery() {
    let (endpoint, status, hub, id, sender) = failing_endpoint().await;
    status.store(204, Ordering::SeqCst);
    endpoint.clear();
    hub.clock.advance(seconds(60));
    assert_eq!(run_schedule(&sender, &hub).await, 1);
    let received = endpoint.ids();
    let of = |number| {
        let prefix = application(number).to_string();
        received.iter().filter(|id| id.starts_with(&prefix)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of(1), [callback(4).id(), callback(5).id()]);
    assert_eq!(of(2), [callback_of(application(2), 3).id()]);
    assert_eq!((received.len(), stored_ids(&hub, id).await.len()), (3, 0));
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Healthy { recovered: Some(_) }));
    let failed = hub.deliveries().attempts(id, Which::Failed, None, 10).await.unwrap().items;
    assert_eq!(failed, [], "no callback is listed as failed");
    assert!(deliver(&sender, batch(&[callback(6)], 1)).await.is_empty());
    assert_eq!(endpoint.ids().last(), Some(&callback(6).id()), "the next callback is sent directly");
}

/// A process that does not know of the recovery stores a callback. The next callback of that application is stored,
/// too, and the drainer delivers both.
#[tokio::test]
async fn order_is_kept_when_processes_learn_of_a_recovery_at_different_times() {
    let (endpoint, status, hub, id, sender) = failing_endpoint().await;
    let late = crate::support::sender(&hub);
    hub.clock.advance(seconds(10));
    assert!(deliver(&late, batch(&[callback_of(application(9), 1)], 1)).await.is_empty());
    status.store(204, Ordering::SeqCst);
    hub.clock.advance(seconds(7));
    run_schedule(&sender, &hub).await;
    endpoint.clear();
    assert!(deliver(&late, batch(&[callback(6)], 1)).await.is_empty());
    assert_eq!(stored_ids(&hub, id).await, [callback(6).id()]);
    assert!(deliver(&sender, batch(&[callback(7), callback_of(application(2), 4)], 1)).await.is_empty());
    assert_eq!(endpoint.ids(), [callback_of(application(2), 4).id()], "other applications are sent directly");
    assert!(deliver_queue(&sender, &hub, &Queue::Drains).await > 0);
    assert_eq!(endpoint.ids()[1..], [callback(6).id(), callback(7).id()]);
}

#[tokio::test]
async fn an_endpoint_that_fails_while_it_is_drained_is_failing_again() {
    let (endpoint, _, hub, id, sender) = failing_endpoint().await;
    let state = EndpointState::Recovering { since: hub.clock().now() };
    set_state(&hub, id, state).await;
    endpoint.clear();
    run_schedule(&sender, &hub).await;
    assert!((1..=2).contains(&endpoint.ids().len()), "at most one attempt for each application");
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Failing { attempt: 1, .. }));
    assert_eq!(stored_ids(&hub, id).await.len(), 3);
}

#[tokio::test]
async fn a_pause_stores_callbacks_and_a_resume_delivers_them() {
    let (endpoint, _) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub);
    let now = hub.clock().now();
    set_state(&hub, id, EndpointState::Paused { since: now, at: now }).await;
    assert_eq!(
        deliver(&sender, batch(&[callback(1)], 1)).await.len(),
        1,
        "not stored before every process knows the state"
    );
    hub.clock.advance(seconds(21));
    assert!(deliver(&sender, batch(&[callback(1), callback(2)], 2)).await.is_empty());
    assert_eq!((endpoint.ids().len(), run_schedule(&sender, &hub).await), (0, 0));
    set_state(&hub, id, EndpointState::Recovering { since: now }).await;
    assert_eq!(run_schedule(&sender, &hub).await, 1);
    assert_eq!(endpoint.ids(), [callback(1).id(), callback(2).id()]);
    assert!(stored_ids(&hub, id).await.is_empty());
}

/// Each outside call of a delivery to a failing endpoint fails once. The message is redelivered until it succeeds; once
/// the endpoint has recovered, the callbacks arrive in order.
#[tokio::test]
async fn a_failure_at_any_call_of_a_delivery_loses_nothing() {
    let connector = connector();
    for fault in [Fault::Before, Fault::Throttled, Fault::AnswerLost, Fault::DiesBefore, Fault::DiesAfter] {
        for call in 1.. {
            let (endpoint, status) = Endpoint::with_status(500).await;
            let hub = hub();
            let id = subscribe(&hub, &endpoint.url, &[]).await;
            hub.faults.restart();
            hub.faults.plan(call, fault);
            let (mut receives, mut calls, mut sender) = (1, 0, sender_over(&hub, &connector));
            loop {
                assert!(receives < 12, "{fault:?} at call {call}");
                let again = deliver(&sender, batch(&[callback(4), callback(5)], receives)).await;
                calls += hub.faults.calls().len();
                if calls >= call {
                    // A new process replaces the one that may have died.
                    hub.faults.restart();
                    sender = sender_over(&hub, &connector);
                } else {
                    hub.faults.restart();
                    hub.faults.plan(call - calls, fault);
                }
                if again.is_empty() {
                    break;
                }
                receives += 1;
                hub.clock.advance(seconds(7));
            }
            hub.faults.restart();
            status.store(204, Ordering::SeqCst);
            for _ in 0..3 {
                hub.clock.advance(seconds(60));
                run_schedule(&sender, &hub).await;
            }
            assert!(stored_ids(&hub, id).await.is_empty(), "{fault:?} at call {call}");
            let received = endpoint.ids();
            let last = |id: String| received.iter().rposition(|received| *received == id);
            assert!(
                last(callback(4).id()) < last(callback(5).id()),
                "{fault:?} at call {call}: {received:?}"
            );
            assert!(matches!(stored(&hub, id).await.state, EndpointState::Healthy { .. }));
            if calls < call {
                break;
            }
        }
    }
}

/// Each outside call of a drain fails once: without effect, with a lost answer, and by the death of the process. All
/// callbacks arrive in order nevertheless, and none remains stored.
#[tokio::test]
async fn a_failure_at_any_call_of_a_drain_loses_nothing() {
    let connector = connector();
    for fault in [Fault::Before, Fault::AnswerLost, Fault::DiesBefore, Fault::DiesAfter] {
        for call in 1.. {
            let (endpoint, status) = Endpoint::with_status(204).await;
            let hub = hub();
            let id = subscribe(&hub, &endpoint.url, &[]).await;
            let since = hub.clock().now() - seconds(100);
            let due = EndpointState::Failing { attempt: 3, since, next_at: since };
            set_state(&hub, id, due).await;
            let all = [callback(1), callback(2), callback_of(application(2), 1)];
            for callback in &all {
                hub.deliveries().store_callback(id, callback, since).await.unwrap();
            }
            status.store(204, Ordering::SeqCst);
            hub.faults.restart();
            hub.faults.plan(call, fault);
            let dying = sender_over(&hub, &connector);
            dying.wake_due().await;
            for message in hub.queues.drain(&Queue::Drains) {
                deliver(&dying, batch_of_sent(message)).await;
            }
            let reached = hub.faults.calls().len() >= call;
            hub.faults.restart();
            hub.clock.advance(seconds(400));
            run_schedule(&sender_over(&hub, &connector), &hub).await;
            assert!(stored_ids(&hub, id).await.is_empty(), "{fault:?} at call {call}");
            let mut received: Vec<String> = Vec::new();
            for id in endpoint.ids() {
                if !received.contains(&id) {
                    received.push(id);
                }
            }
            assert_eq!(received.len(), all.len(), "{fault:?} at call {call}");
            let position = |id: String| received.iter().position(|received| *received == id).unwrap();
            assert!(position(all[0].id()) < position(all[1].id()), "{fault:?} at call {call}");
            assert!(matches!(stored(&hub, id).await.state, EndpointState::Healthy { .. }));
            if !reached {
                break;
            }
        }
    }
}

#[tokio::test]
async fn more_than_a_page_is_drained() {
    let (endpoint, _) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    for version in 1..=450 {
        let of = application(u8::try_from(version % 5).unwrap());
        hub.deliveries().store_callback(id, &callback_of(of, version), hub.clock().now()).await.unwrap();
    }
    set_state(&hub, id, EndpointState::Recovering { since: hub.clock().now() }).await;
    run_schedule(&sender(&hub), &hub).await;
    assert_eq!((endpoint.ids().len(), stored_ids(&hub, id).await.len()), (450, 0));
    let log = hub.deliveries().attempts(id, Which::All, None, 1_000).await.unwrap();
    assert_eq!(log.items.len(), 450);
}

/// All callbacks of a slow endpoint arrive, but outside the batches of other endpoints. The first one is abandoned and
/// repeated.
#[tokio::test]
async fn a_slow_endpoint_is_drained_separately() {
    // With a threshold of zero, every delivery is slow.
    let (endpoint, _) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let sender = sender(&hub).with_patience(std::time::Duration::ZERO);
    assert_eq!(deliver(&sender, batch(&[callback(1), callback(2)], 1)).await, ["0", "1"]);
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Failing { attempt: 0, .. }));
    let log = hub.deliveries().attempts(id, Which::All, None, 9).await.unwrap();
    assert_eq!(log.items[0].result, Err(Cause::Timeout));
    hub.clock.advance(seconds(21));
    assert!(deliver(&sender, batch(&[callback(1), callback(2), callback(3)], 2)).await.is_empty());
    assert_eq!(stored_ids(&hub, id).await.len(), 3);
    endpoint.clear();
    assert_eq!(run_schedule(&sender, &hub).await, 1);
    assert_eq!(endpoint.ids(), [callback(1).id(), callback(2).id(), callback(3).id()]);
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Healthy { recovered: Some(_) }));
}

/// An endpoint fails again while it is drained. New callbacks do not overtake stored ones of their application; a
/// callback of an application without stored callbacks is tried directly. Everything is delivered, whichever call
/// fails.
#[tokio::test]
async fn new_callbacks_do_not_overtake_stored_ones_and_all_are_delivered() {
    let calls = {
        let (_, hub, _, sender) = failing_again().await;
        hub.faults.restart();
        deliver(&sender, batch(&[callback_of(application(2), 1)], 1)).await;
        hub.faults.calls().len()
    };
    for fault in [Fault::Before, Fault::AnswerLost, Fault::DiesBefore, Fault::DiesAfter] {
        for call in 1..=calls {
            let (endpoint, hub, id, sender) = failing_again().await;
            assert!(deliver(&sender, batch(&[callback(9)], 1)).await.is_empty());
            assert_eq!(
                (endpoint.ids(), stored_ids(&hub, id).await.len()),
                (Vec::new(), 3),
                "the callback is stored behind the others"
            );
            hub.faults.restart();
            hub.faults.plan(call, fault);
            let other = callback_of(application(2), 1);
            let left = deliver(&sender, batch(std::slice::from_ref(&other), 1)).await;
            hub.faults.restart();
            let sender = sender_over(&hub, &connector());
            if !left.is_empty() {
                hub.clock.advance(seconds(21));
                deliver(&sender, batch(std::slice::from_ref(&other), 2)).await;
            }
            // The schedule alone must suffice, so wake messages are dropped.
            hub.queues.drain(&Queue::Drains);
            for _ in 0..3 {
                hub.clock.advance(seconds(60));
                run_schedule(&sender, &hub).await;
            }
            let of_first: Vec<String> = endpoint.ids().into_iter().filter(|id| *id != other.id()).collect();
            assert_eq!(of_first, [7, 8, 9].map(|version| callback(version).id()), "{fault:?} at {call}");
            assert!(endpoint.ids().contains(&other.id()) && stored_ids(&hub, id).await.is_empty());
            assert!(matches!(stored(&hub, id).await.state, EndpointState::Healthy { .. }));
        }
    }
}

/// A due endpoint that has just failed again, with two stored callbacks of one application.
async fn failing_again() -> (Endpoint, FakeHub, SubscriptionId, CallbackSender<FakeHub>) {
    let (endpoint, _) = Endpoint::with_status(204).await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    for version in [7, 8] {
        hub.deliveries().store_callback(id, &callback(version), hub.clock().now()).await.unwrap();
    }
    let now = hub.clock().now();
    set_state(&hub, id, EndpointState::Failing { attempt: 1, since: now, next_at: now }).await;
    let sender = sender_over(&hub, &connector());
    (endpoint, hub, id, sender)
}

/// A callback that the endpoint rejects delays its own application only, and does not disable the endpoint.
#[tokio::test]
async fn a_rejected_callback_delays_no_other_application() {
    let rejected = callback_of(application(1), 1);
    let rejected_id = rejected.id();
    let endpoint = Endpoint::answering_to(move |id| {
        let status = if id == rejected_id { StatusCode::BAD_REQUEST } else { StatusCode::NO_CONTENT };
        status.into_response()
    })
    .await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    let mut all = vec![rejected.clone(), callback_of(application(1), 2)];
    all.extend((2..30).map(|number| callback_of(application(number), 1)));
    for callback in &all {
        hub.deliveries().store_callback(id, callback, hub.clock().now()).await.unwrap();
    }
    let now = hub.clock().now();
    set_state(&hub, id, EndpointState::Failing { attempt: 1, since: now - seconds(60), next_at: now }).await;
    let sender = sender_over(&hub, &connector());
    for _ in 0..5 {
        hub.clock.advance(seconds(60));
        run_schedule(&sender, &hub).await;
    }
    assert_eq!(
        stored_ids(&hub, id).await,
        [all[0].id(), all[1].id()],
        "only the application of the rejected callback waits"
    );
    assert!(matches!(stored(&hub, id).await.state, EndpointState::Failing { .. }));
    // A new callback of another application is delivered despite the rejected callback.
    let late = callback_of(application(40), 1);
    hub.deliveries().store_callback(id, &late, hub.clock().now()).await.unwrap();
    for _ in 0..20 {
        hub.clock.advance(seconds(600));
        run_schedule(&sender, &hub).await;
    }
    assert!(endpoint.ids().contains(&late.id()));
}

/// An answer 410 disables the endpoint at once, even when another callback of the page was rejected first.
#[tokio::test]
async fn gone_has_precedence_over_a_rejected_callback() {
    let refused = callback_of(application(1), 1).id();
    let endpoint = Endpoint::answering_to(move |id| {
        let status = if id == refused { StatusCode::BAD_REQUEST } else { StatusCode::GONE };
        status.into_response()
    })
    .await;
    let hub = hub();
    let id = subscribe(&hub, &endpoint.url, &[]).await;
    for number in [1, 2] {
        let callback = callback_of(application(number), 1);
        hub.deliveries().store_callback(id, &callback, hub.clock().now()).await.unwrap();
    }
    set_state(&hub, id, EndpointState::Recovering { since: hub.clock().now() }).await;
    run_schedule(&sender_over(&hub, &connector()), &hub).await;
    assert!(matches!(
        stored(&hub, id).await.state,
        EndpointState::Disabled { reason: DisabledReason::Gone, .. }
    ));
}

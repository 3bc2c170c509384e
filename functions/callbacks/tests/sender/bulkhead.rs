//! A dead endpoint with many pending callbacks does not delay other tenants.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use callbacks::delivery::CallbackSender;
use domain::ids::ApplicationId;
use jiff::SignedDuration;
use platform::contract::sample;
use platform::deliveries::Deliveries as _;
use platform::hub::{FakeHub, Hub as _};
use platform::subscriptions::Subscriptions as _;
use protocol::callback::Callback;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::*;

/// Number of callbacks of the tenant with the dead endpoint.
const PENDING: u32 = 100_000;
/// Messages of a batch, as in the template.
const BATCH: u32 = 10;
/// Batches of the dead endpoint's tenant between two callbacks of the other tenant.
const BETWEEN: u32 = 100;

/// Delivers a callback of another tenant. Returns the number of calls by name, and the duration.
async fn deliver_other(
    sender: &CallbackSender<FakeHub>,
    hub: &FakeHub,
    version: u32,
) -> (BTreeMap<&'static str, usize>, Duration) {
    let callback = Callback {
        tenant: sample::tenant("another-app"),
        application: ApplicationId::from_bytes16([7; 16]),
        version,
        ..callback(1)
    };
    hub.faults.restart();
    let started = Instant::now();
    assert!(deliver(sender, batch(&[callback], 1)).await.is_empty());
    let took = started.elapsed();
    let mut calls = BTreeMap::new();
    // The delivery log is written for several tenants together, so its writes are not counted. The vault keeps its
    // keys.
    let counted = |call: &&str| *call != "deliveries.write" && !call.starts_with("vault.");
    for call in hub.faults.calls().into_iter().filter(counted) {
        *calls.entry(call).or_default() += 1;
    }
    (calls, took)
}

fn pending(number: u32) -> Callback {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    callback_of(ApplicationId::from_bytes16(bytes), 1)
}

/// Median and maximum.
fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

/// Until its failure is known, an endpoint that never answers shares a batch with others.
/// Row 44 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_callback_in_a_batch_with_a_hanging_endpoint_is_sent_at_once() {
    let hub = hub();
    let (healthy, _) = Endpoint::with_status(204).await;
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    subscribe(&hub, &format!("http://{}/", silent.local_addr().unwrap()), &[]).await;
    subscribe_as(&hub, sample::tenant("another-app"), &healthy.url, &[]).await;
    let others = (0..5).map(|number| Callback { tenant: sample::tenant("another-app"), ..pending(number) });
    let all: Vec<Callback> = (5..10).map(pending).chain(others).collect();
    let sender = sender(&hub);
    let mut delivering = std::pin::pin!(deliver(&sender, batch(&all, 1)));
    let mut poll = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            _ = &mut delivering => panic!("the batch ended before the other endpoint was called"),
            _ = poll.tick() => if healthy.ids().len() == 5 { break },
        }
    }
}

/// Case C5 of `tests/FIELD_CASES.md`. One process handles the queue's batches one after the other, as Lambda does.
/// Callbacks behind endpoints that hang wait no longer than the batch of these endpoints takes.
#[tokio::test]
async fn a_first_callback_waits_two_seconds_at_most_behind_endpoints_that_hang() {
    let hub = hub();
    let (well, _) = Endpoint::with_status(204).await;
    subscribe_as(&hub, sample::tenant("another-app"), &well.url, &[]).await;
    let (mut silent, mut hanging) = (Vec::new(), Vec::new());
    for place in 0..3 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let tenant = sample::tenant(&format!("hanging-app-{place}"));
        subscribe_as(&hub, tenant.clone(), &format!("http://{}/", listener.local_addr().unwrap()), &[]).await;
        hanging.extend((0..12).map(|number| {
            let callback = Callback { tenant: tenant.clone(), ..pending(100 * place + number) };
            (number, callback)
        }));
        silent.push(listener);
    }
    // The tenants file at the same time.
    hanging.sort_by_key(|(number, _)| *number);
    let hanging: Vec<Callback> = hanging.into_iter().map(|(_, callback)| callback).collect();
    let first = Callback { tenant: sample::tenant("another-app"), ..pending(1_000) };
    let sender = sender(&hub);
    let begun = Instant::now();
    for callbacks in hanging.chunks(BATCH as usize) {
        assert_eq!(deliver(&sender, batch(callbacks, 1)).await.len(), callbacks.len(), "each comes again");
    }
    assert!(deliver(&sender, batch(&[first], 1)).await.is_empty());
    let late = begun.elapsed();
    assert_eq!(well.ids().len(), 1);
    assert!(late < Duration::from_secs(2), "the first callback of a healthy endpoint comes {late:?} late");
}

/// Row 44 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_tenant_with_100_000_pending_callbacks_delays_no_other_tenant() {
    let hub = hub();
    let (healthy, _) = Endpoint::with_status(204).await;
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let dead = subscribe(&hub, &format!("http://{closed}/"), &[]).await;
    subscribe_as(&hub, sample::tenant("another-app"), &healthy.url, &[]).await;
    let sender = sender(&hub);

    let mut before = Vec::new();
    deliver_other(&sender, &hub, 1).await;
    for version in 2..52 {
        let (calls, took) = deliver_other(&sender, &hub, version).await;
        assert!(calls.is_empty(), "a delivery to a healthy endpoint makes no call: {calls:?}");
        before.push(took);
    }

    // The first callback fails. The next ones are stored once every process knows the state.
    assert_eq!(deliver(&sender, batch(&[pending(0)], 1)).await.len(), 1);
    hub.clock.advance(SignedDuration::from_secs(21));
    deliver_other(&sender, &hub, 52).await;
    hub.faults.restart();

    let (mut during, mut version) = (Vec::new(), 52);
    let started = Instant::now();
    for first in (0..PENDING).step_by(BATCH as usize) {
        let due: Vec<Callback> = (first..first + BATCH).map(pending).collect();
        hub.faults.restart();
        assert!(deliver(&sender, batch(&due, 1)).await.is_empty());
        let calls: Vec<_> =
            hub.faults.calls().into_iter().filter(|call| !call.starts_with("vault.")).collect();
        // Each callback costs a write and a read, and the cached endpoints may be read again.
        assert!(calls.len() <= 2 * due.len() + 2, "{calls:?}");
        if first % (BATCH * BETWEEN) == 0 {
            version += 1;
            let (calls, took) = deliver_other(&sender, &hub, version).await;
            assert!(calls.is_empty(), "the delivery makes no additional call: {calls:?}");
            during.push(took);
        }
    }
    let took = started.elapsed();
    assert_eq!(healthy.ids().len(), usize::try_from(version).unwrap(), "each callback was delivered at once");
    let attempts = hub.deliveries().attempts(dead, platform::deliveries::Which::All, None, 9).await.unwrap();
    assert_eq!(attempts.items.len(), 1, "the dead endpoint was tried once, not 100,000 times");
    let last = hub
        .deliveries()
        .stored_callbacks(dead, Some((pending(PENDING - 2).application, 1)), 9)
        .await
        .unwrap();
    assert_eq!((last.len(), hub.deliveries().count_stored_callbacks(dead).await.unwrap()), (1, 1_000));
    assert_eq!(hub.subscriptions().of(&tenant()).await.unwrap().all.len(), 1);

    let ((median_before, max_before), (median_during, max_during)) = (median(before), median(during));
    // Shown with --nocapture.
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!(
            "row 44: {PENDING} callbacks of the dead tenant stored in {took:.1?}, 1 attempt at its endpoint"
        );
        println!(
            "row 44: another tenant's callback before: median {median_before:.1?}, slowest {max_before:.1?}"
        );
        println!(
            "row 44: another tenant's callback meanwhile: median {median_during:.1?}, slowest {max_during:.1?}"
        );
    }
}

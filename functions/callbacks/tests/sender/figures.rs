//! Prints the cost of a delivery (visible with --nocapture). No figure decides whether the test passes.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use domain::endpoint::EndpointState;
use platform::clock::Clock as _;
use platform::deliveries::Deliveries as _;
use platform::hub::Hub as _;
use protocol::callback::Callback;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::*;

/// Number of batches, of ten callbacks each.
const BATCHES: u32 = 200;
/// Number of stored callbacks.
const STORED: u32 = 2_000;

/// CPU time of this thread in nanoseconds (Linux; 0 elsewhere).
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Starts an endpoint on another thread, so that its CPU time is not counted.
fn receiver() -> String {
    let (url_sender, url_receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            url_sender.send(format!("http://{}/hook", listener.local_addr().unwrap())).unwrap();
            let routes = Router::new().route("/hook", post(async || StatusCode::NO_CONTENT));
            axum::serve(listener, routes).await.unwrap();
        });
    });
    url_receiver.recv().unwrap()
}

#[tokio::test]
async fn the_cost_of_a_delivery() {
    let (hub, url) = (hub(), receiver());
    let id = subscribe(&hub, &url, &[]).await;
    let sender = sender(&hub);
    let callbacks = |version: u32| -> Vec<Callback> {
        (0..10).map(|number| callback_of(application(number), version)).collect()
    };
    deliver(&sender, batch(&callbacks(1), 1)).await;

    let (started, cpu_before) = (Instant::now(), cpu());
    for version in 2..BATCHES + 2 {
        assert!(deliver(&sender, batch(&callbacks(version), 1)).await.is_empty());
    }
    let (took, spent) = (started.elapsed(), cpu() - cpu_before);
    let count = f64::from(BATCHES * 10);
    let direct = (spent as f64 / count / 1_000.0, count / took.as_secs_f64());

    for number in 0..HELD {
        let of = application(u8::try_from(number % 100).unwrap());
        hub.deliveries()
            .store_callback(id, &callback_of(of, number + 1_000), hub.clock().now())
            .await
            .unwrap();
    }
    set_state(&hub, id, EndpointState::Recovering { since: hub.clock().now() }).await;
    let (started, cpu_before) = (Instant::now(), cpu());
    run_schedule(&sender, &hub).await;
    let (took, spent) = (started.elapsed(), cpu() - cpu_before);
    assert!(stored_ids(&hub, id).await.is_empty());
    let count = f64::from(STORED);
    let drained = (spent as f64 / count / 1_000.0, count / took.as_secs_f64());
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!("direct: {:.0} µs of CPU a delivery, {:.0} deliveries/s", direct.0, direct.1);
        println!("drained: {:.0} µs of CPU a delivery, {:.0} deliveries/s", drained.0, drained.1);
    }
}

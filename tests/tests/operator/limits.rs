//! The rate limit of a tenant, counted by real processes of two functions on one table.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::StatusCode;
use tongban_tests::until::until;

use crate::app::App;
use crate::test_hub::{REQUESTS_PER_MINUTE, TestHub};

/// Concurrent requests. The local AWS starts a process for each request that finds no idle process.
const AT_ONCE: usize = 16;
/// Total number of requests.
const REQUESTS: u32 = REQUESTS_PER_MINUTE + 100;
/// A tenth below the limit.
const LEAST: u32 = REQUESTS_PER_MINUTE / 10 * 9;

/// Sends a request. Returns the status and the seconds until the next window.
async fn send(app: &App, path: &str) -> (StatusCode, u32) {
    let response = app.get(path).send().await;
    let rate_limit = response.headers.get("ratelimit").expect("the header RateLimit");
    let seconds = rate_limit.rsplit("t=").next().expect("the seconds to the next window");
    (response.status, seconds.parse().expect("a number"))
}

pub(crate) async fn the_limit_holds_within_a_tenth(test_hub: Arc<TestHub>) {
    // Another tenant waits for the next window, so that all requests fall into one window.
    let clock = App::open(&test_hub, "limits-clock");
    let begins = until("a new minute", Duration::from_secs(70), async || {
        let (_, seconds) = send(&clock, "/v1/services").await;
        (seconds > 50).then_some(seconds)
    })
    .await;
    let app = App::open(&test_hub, "limits");
    let unknown = "/v1/applications/00000000-0000-8000-8000-000000000000";
    // One of three paths belongs to the function `documents`.
    let paths = [unknown.to_owned(), "/v1/services".to_owned(), format!("{unknown}/documents/d1")];
    let requests = (0..REQUESTS).map(|number| send(&app, &paths[number as usize % paths.len()]));
    let answers: Vec<_> = stream::iter(requests).buffer_unordered(AT_ONCE).collect().await;
    // The seconds only decrease within one window.
    assert!(answers.iter().all(|(_, seconds)| *seconds <= begins), "the requests took more than one window");
    let refused = answers.iter().filter(|(status, _)| *status == StatusCode::TOO_MANY_REQUESTS).count();
    let through = REQUESTS - u32::try_from(refused).expect("a small number");
    assert!(
        (LEAST..=REQUESTS_PER_MINUTE).contains(&through),
        "{through} of {REQUESTS_PER_MINUTE} went through"
    );
    // Visible with --nocapture.
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!("limits: {through} of {REQUESTS} requests went through, {REQUESTS_PER_MINUTE} may");
    }
    assert_ne!(
        send(&clock, "/v1/services").await.0,
        StatusCode::TOO_MANY_REQUESTS,
        "another tenant is limited"
    );
}

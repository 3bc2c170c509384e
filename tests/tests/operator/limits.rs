//! What a tenant may ask in a minute, counted by real processes of two functions on one table.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::StatusCode;
use tongban_tests::until::until;

use crate::app::App;
use crate::test_hub::{REQUESTS_PER_MINUTE, TestHub};

/// Requests at once: the local AWS starts a process for each that finds none free.
const AT_ONCE: usize = 16;
/// Requests in all.
const ASKED: u32 = REQUESTS_PER_MINUTE + 100;
/// What a tenth less would be.
const LEAST: u32 = REQUESTS_PER_MINUTE / 10 * 9;

/// Its status, and the seconds to the next window.
async fn ask(app: &App, path: &str) -> (StatusCode, u32) {
    let response = app.get(path).send().await;
    let rate_limit = response.headers.get("ratelimit").expect("the header RateLimit");
    let seconds = rate_limit.rsplit("t=").next().expect("the seconds to the next window");
    (response.status, seconds.parse().expect("a number"))
}

pub(crate) async fn a_minute_holds_within_a_tenth(test_hub: Arc<TestHub>) {
    // Another tenant looks at the clock, so that all of the requests fall into one window.
    let clock = App::open(&test_hub, "limits-clock");
    let begins = until("a new minute", Duration::from_secs(70), async || {
        let (_, seconds) = ask(&clock, "/v1/services").await;
        (seconds > 50).then_some(seconds)
    })
    .await;
    let app = App::open(&test_hub, "limits");
    let nobody = "/v1/applications/00000000-0000-8000-8000-000000000000";
    // One of three goes to `documents`.
    let paths = [nobody.to_owned(), "/v1/services".to_owned(), format!("{nobody}/documents/d1")];
    let asked = (0..ASKED).map(|number| ask(&app, &paths[number as usize % paths.len()]));
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
    // Nearer to the end of the minute than its beginning was: it is still the same.
    assert!(answers.iter().all(|(_, seconds)| *seconds <= begins), "it took more than one minute");
    let refused = answers.iter().filter(|(status, _)| *status == StatusCode::TOO_MANY_REQUESTS).count();
    let through = ASKED - u32::try_from(refused).expect("a small number");
    assert!(
        (LEAST..=REQUESTS_PER_MINUTE).contains(&through),
        "{through} of {REQUESTS_PER_MINUTE} went through"
    );
    // For whoever runs it with --nocapture.
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!("limits: {through} of {ASKED} requests went through, {REQUESTS_PER_MINUTE} may");
    }
    assert_ne!(ask(&clock, "/v1/services").await.0, StatusCode::TOO_MANY_REQUESTS, "nobody else is held up");
}

//! Random Lambda events at every HTTP operation and at the reports queue: no event ends a process, no answer is a 5xx, and
//! every refusal is a problem with an id to quote.
//!
//! `TONGBAN_EDGE_EVENTS` sets the number of events, `TONGBAN_EDGE_SEED` repeats a run.

mod events;
mod hostile;

use std::panic::AssertUnwindSafe;
use std::thread;
use std::time::{Instant, SystemTime};

use aws_lambda_events::event::sqs::SqsEvent;
use futures_util::FutureExt as _;
use http_kit::triggers::answer;
use lambda_runtime::{Context, LambdaEvent};
use protocol::operations::agencies;
use protocol::operations::operation::{Access, Function, Operation};
use protocol::problem::agency::for_agencies;
use serde_json::Value;
use tongban_tests::progress::say;
use tongban_tests::size::full_or_short;

use self::events::Events;
use crate::crash_harness::{CrashHarness, TIME};

/// Events of the full and of the short form.
const EVENTS: (usize, usize) = (60_000, 3_000);
/// Events before the hub is replaced by an empty one, so that the stored applications stay few.
const EVENTS_PER_HUB: usize = 2_000;
/// Threads that send events, each to hubs of its own.
const THREADS: usize = 2;

fn number(variable: &str) -> Option<usize> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")))
}

/// What is wrong with an answer, if anything.
fn fault(event: &Value, answered: &Value) -> Option<&'static str> {
    if answered.get("batchItemFailures").is_some() {
        return None;
    }
    let Some(status) = answered["statusCode"].as_u64() else { return Some("an answer without a status") };
    let header = |name: &str| answered["headers"][name].as_str().unwrap_or_default();
    if !(200..500).contains(&status) {
        return Some("a status that no request may cause");
    }
    if header("request-id").is_empty() {
        return Some("an answer without an id to quote");
    }
    // A response to HEAD has no body.
    if status < 400 || event["requestContext"]["http"]["method"] == "HEAD" {
        return None;
    }
    let body: Value = serde_json::from_str(answered["body"].as_str().unwrap_or_default()).unwrap_or_default();
    let code = body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/"));
    if code.is_none() || header("content-type") != "application/problem+json" {
        return Some("a refusal that is no problem");
    }
    // Case A19 of `tests/FIELD_CASES.md`.
    let is_for_agencies =
        |operation: &&Operation| operation.access == Access::Signed && event["rawPath"] == operation.path;
    (agencies::OPERATIONS.iter().any(is_for_agencies) && code.and_then(for_agencies).is_none())
        .then_some("a problem that is not in the table for agencies")
}

/// Sends events to one hub. Returns how many got each class of status.
async fn send(seed: u64, count: usize) -> [usize; 6] {
    let harness = CrashHarness::new();
    let mut events = Events::new(&harness, seed).await;
    let reports = |batch: SqsEvent, _| {
        let handler = harness.report_handler();
        async move { reports::queue::reports(&handler, batch, tokio::time::Instant::now() + TIME).await }
    };
    let routes = [Function::Intake, Function::Subscriptions, Function::Documents, Function::Reports]
        .map(|function| (function, harness.routes(function)));
    let mut classes = [0; 6];
    for index in 0..count {
        let (function, event) = events.next();
        let (_, routes) = routes.iter().find(|(served, _)| *served == function).expect("routes");
        let invocation = LambdaEvent::new(event.clone(), Context::default());
        let answered = AssertUnwindSafe(answer(routes.clone(), &reports, invocation)).catch_unwind().await;
        let fault = match &answered {
            Err(_) => Some("the process would end"),
            Ok(Err(_)) => Some("the invocation fails"),
            Ok(Ok(answered)) => fault(&event, answered),
        };
        let answered = answered.map(|answered| answered.map_err(|error| error.to_string()));
        assert_eq!(fault, None, "event {index} of seed {seed}: {event}\nanswer: {answered:?}");
        let status = answered.ok().and_then(Result::ok).and_then(|answered| answered["statusCode"].as_u64());
        classes[usize::try_from(status.unwrap_or_default() / 100).expect("a class")] += 1;
    }
    classes
}

#[test]
fn i1_no_event_at_any_operation_ends_the_process() {
    let count = number("TONGBAN_EDGE_EVENTS").unwrap_or_else(|| full_or_short(EVENTS.0, EVENTS.1));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    let seed = number("TONGBAN_EDGE_SEED").map_or_else(|| now.as_millis() as u64, |seed| seed as u64);
    let begun = Instant::now();
    let rounds = count.div_ceil(EVENTS_PER_HUB);
    let threads = (0..THREADS).map(|thread| {
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut classes = [0; 6];
            for round in (thread..rounds).step_by(THREADS) {
                let count = EVENTS_PER_HUB.min(count - round * EVENTS_PER_HUB);
                let sent = runtime.block_on(send(seed.wrapping_add(round as u64), count));
                classes.iter_mut().zip(sent).for_each(|(sum, more)| *sum += more);
            }
            classes
        })
    });
    let threads: Vec<_> = threads.collect();
    let sums = threads.into_iter().map(|thread| thread.join().expect("an event was answered wrongly"));
    let [queue, _, success, redirection, refused, _] = sums.fold([0; 6], |mut sums, classes| {
        sums.iter_mut().zip(classes).for_each(|(sum, more)| *sum += more);
        sums
    });
    say(&format!(
        "{count} events of seed {seed} in {:.0} s: {success} accepted, {redirection} unchanged, {refused} refused, {queue} batches",
        begun.elapsed().as_secs_f64()
    ));
    assert!(success > count / 50 && refused > count / 10, "the events no longer reach the handlers");
}

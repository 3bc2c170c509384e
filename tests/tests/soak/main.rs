//! A soak test: many concurrent cases for every agency. `tongban-agency simulate` runs the agencies with mistakes,
//! duplicates and crashes, and one agency is absent for the complete run. At the end every case is decided once, the
//! absent agency's cases wait for it, and every dead-letter queue is empty.
//!
//! `TONGBAN_SOAK_CASES` sets the number of cases; a release is tested with 2,000. Without the variable the full form of
//! the tests has 400 cases, and the short form does not run the trial.

#![allow(clippy::print_stdout, reason = "figures are for a reader")]

mod agencies;
mod filer;
mod record;

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::ids::AgencyCode;
use tongban::local::{LocalOptions, LocalStack};
use tongban_tests::hub::start_hub;
use tongban_tests::progress::say;
use tongban_tests::size::runs_in_full_form;
use tongban_tests::until::until;

use crate::agencies::Agencies;
use crate::filer::Filer;
use crate::record::{Stats, stats};

/// Number of cases in the full form, unless the environment sets it.
const CASES: usize = 400;
/// The absent agency.
const ABSENT: &str = "53";
/// Longest average time of a case before the test fails.
const TIME_PER_CASE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_decided_once() {
    let wanted = std::env::var("TONGBAN_SOAK_CASES").ok();
    if wanted.is_none() && !runs_in_full_form("every agency, with mistakes, duplicates and crashes") {
        return;
    }
    let cases = wanted.map_or(CASES, |text| text.parse().expect("TONGBAN_SOAK_CASES is a number"));
    let options = LocalOptions {
        port: 0,
        stack: "tongban-soak".to_owned(),
        log_level: "warn".to_owned(),
        ..LocalOptions::default()
    };
    let stack = Arc::new(start_hub(options).await.expect("a hub"));
    let absent: AgencyCode = ABSENT.parse().expect("an agency code");
    let agencies = Agencies::start(&stack, Some(&absent));
    say(&format!("filing {cases} cases"));
    let begun = Instant::now();
    let filed = Filer::new(&stack).file(0..cases).await;
    let filing = begun.elapsed();
    say("all filed; waiting until every case is decided");
    let deadline =
        TIME_PER_CASE * u32::try_from(cases).expect("a number of cases") + Duration::from_secs(300);
    let end = until("every case decided", deadline, async || {
        citizens_act(&stack, &filed).await;
        stack.sweep().await.expect("a sweep");
        let stats = stats(&stack, &filed, Some(&absent)).await;
        stats.only_absent_agency_waits().then_some(stats)
    })
    .await;
    let took = begun.elapsed();
    say(&format!("{end}; waiting until the queues are empty"));
    check(&stack, &end, cases, &absent).await;
    let summary = agencies.end().await;
    let figures = summary.figures(end.decided, took);
    println!(
        "soak: {cases} cases filed in {:.0} s, {end}; all in {:.0} s",
        filing.as_secs_f64(),
        took.as_secs_f64()
    );
    println!("soak: {figures}");
}

/// The citizens' steps: they answer supplement requests, and settle after a move where the agency leaves that step to
/// them.
async fn citizens_act(stack: &LocalStack, filed: &filer::Filed) {
    let filer = Filer::new(stack);
    let (waiting, moved) = record::before_citizens(stack, filed).await;
    filer.answer(&waiting).await;
    filer.settle(&moved).await;
}

/// Checks the end state.
async fn check(stack: &LocalStack, end: &Stats, cases: usize, absent: &AgencyCode) {
    assert_eq!(end.decided + end.waiting, cases, "{end}");
    assert!(end.waiting > 0, "no case waits for the absent agency");
    let prefix = stack.outputs().get("AgencyQueueUrlPrefix").expect("an output").to_owned();
    let name = prefix.rsplit('/').next().expect("a name").to_owned() + &format!("{absent}.fifo");
    let drained = async || {
        let depths = stack.depths().await.expect("the depths of the queues");
        let dead_letters: Vec<_> = depths.iter().filter(|d| d.is_dead_letters() && !d.is_empty()).collect();
        assert!(dead_letters.is_empty(), "dead letters: {dead_letters:?}");
        let held: Vec<_> =
            depths.iter().filter(|depth| !depth.is_empty() && depth.queue != name).cloned().collect();
        held.is_empty().then_some(())
    };
    until("every queue but the absent agency's empty", Duration::from_secs(180), drained).await;
}

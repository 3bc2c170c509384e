//! Chaos: function processes are killed while applications of all services are processed, and the app's endpoint
//! answers some callbacks with 503. In the end every application is decided once, every callback has arrived in order,
//! nothing is in a dead-letter queue, and 99 of 100 callbacks arrived within a minute of their event.
//!
//! The seed of the choices is fixed: which process dies, and which callbacks the endpoint refuses. The order in which
//! processes and callbacks appear is the machine's. Case C7 of `tests/FIELD_CASES.md`.

#![allow(clippy::print_stdout, reason = "figures are for a reader")]

#[path = "../soak/agencies.rs"]
mod agencies;
mod endpoint;
#[path = "../soak/filer.rs"]
mod filer;
mod killer;
#[path = "../soak/record.rs"]
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use domain::effect::calls_back;
use domain::ids::ApplicationId;
use tokio::sync::watch;
use tongban::local::{LocalOptions, LocalStack};
use tongban_agency::seeded_rng::SeededRng;
use tongban_tests::hub::start_hub;
use tongban_tests::progress::say;
use tongban_tests::size::full_or_short;
use tongban_tests::until::until;

use crate::agencies::Agencies;
use crate::endpoint::Endpoint;
use crate::filer::{Filed, Filer};
use crate::killer::Killer;

/// Applications of the full and of the short form.
const CASES: (usize, usize) = (200, 30);
/// Kills of the full and of the short form, one every [`killer::PACE`].
const KILLS: (usize, usize) = (60, 10);
/// The applications are filed in so many portions, spread over the kills.
const PORTIONS: usize = 10;
/// The bound on the latency of 99 of 100 callbacks.
const BOUND: Duration = Duration::from_secs(60);
/// How long the hub may take after the last kill.
const END: Duration = Duration::from_secs(240);
/// Seed of every choice.
const SEED: u64 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_nothing_and_delay_few_callbacks() {
    let (cases, kills) = (full_or_short(CASES.0, CASES.1), full_or_short(KILLS.0, KILLS.1));
    let options = LocalOptions {
        port: 0,
        stack: "tongban-chaos".to_owned(),
        log_level: "warn".to_owned(),
        ..LocalOptions::default()
    };
    let stack = start_hub(options).await.expect("a hub");
    let agencies = Agencies::start(&stack, None);
    let endpoint = Endpoint::subscribe(&stack, filer::TENANT, SeededRng::seeded(SEED)).await;

    say(&format!("filing {cases} applications, killing {kills} function processes meanwhile"));
    let begun = Instant::now();
    let killer = Killer::new(stack.process_id(), SeededRng::seeded(SEED));
    let (killed, progress) = watch::channel(0);
    let (victims, filed) =
        tokio::join!(killer.kill(kills, &killed), file(&stack, cases, kills, progress.clone()));
    say(&format!(
        "all filed, {} processes killed; waiting until every application is decided",
        sum(&victims)
    ));
    let end = until("every application decided", END, async || {
        citizens_act(&stack, &filed).await;
        stack.sweep().await.expect("a sweep");
        let stats = record::stats(&stack, &filed, None).await;
        stats.only_absent_agency_waits().then_some(stats)
    })
    .await;
    say(&format!("{end}; waiting until every callback has arrived and the queues are empty"));
    let expected = expected_callbacks(&stack, &filed).await;
    until("every callback", END, async || (endpoint.received().len() >= expected.len()).then_some(())).await;
    queues_are_empty(&stack).await;
    let took = begun.elapsed();
    let summary = agencies.end().await;

    assert_eq!((end.decided, end.waiting), (cases, 0), "{end}");
    let seen = summary.number("applications");
    assert_eq!(seen, u64::try_from(cases).ok(), "applications that reached an agency");
    assert!(sum(&victims) * 2 >= kills, "too few function processes were there to be killed: {victims:?}");
    let mut latencies = endpoint.check(&expected);
    let (half, most) = (percentile(&mut latencies, 50), percentile(&mut latencies, 99));
    println!("chaos: {cases} applications, {end}; all in {:.0} s", took.as_secs_f64());
    println!("chaos: killed {victims:?}, {} callbacks refused with 503", endpoint.refused());
    println!("chaos: {} callbacks, latency p50 {half:.1?}, p99 {most:.1?}", latencies.len());
    println!("chaos: slowest {:.1?}", &latencies[latencies.len().saturating_sub(10)..]);
    println!("chaos: {}", summary.figures(end.decided, took));
    assert!(most < BOUND, "99 of 100 callbacks arrive within {BOUND:?}, not {most:.1?}");
}

/// Files the applications in portions: each when its share of the kills is done.
async fn file(stack: &LocalStack, cases: usize, kills: usize, mut progress: watch::Receiver<usize>) -> Filed {
    let (filer, mut filed) = (Filer::new(stack), Filed::new());
    for portion in 0..PORTIONS {
        let due = portion * kills / PORTIONS;
        progress.wait_for(|done| *done >= due).await.expect("the killer lives");
        filed.extend(filer.file(portion * cases / PORTIONS..(portion + 1) * cases / PORTIONS).await);
        citizens_act(stack, &filed).await;
    }
    progress.wait_for(|done| *done >= kills).await.expect("the killer lives");
    filed
}

/// The citizens' part: supplements, and the settlement that some agencies leave to them.
async fn citizens_act(stack: &LocalStack, filed: &Filed) {
    let filer = Filer::new(stack);
    let (asked, moved) = record::before_citizens(stack, filed).await;
    filer.answer(&asked).await;
    filer.settle(&moved).await;
}

/// Application and version of every callback that the records owe.
async fn expected_callbacks(stack: &LocalStack, filed: &Filed) -> BTreeSet<(ApplicationId, u32)> {
    let mut expected = BTreeSet::new();
    for ledger in record::records(stack, filed).await {
        let called_back = ledger.entries().iter().filter(|line| calls_back(&line.entry.event));
        expected.extend(called_back.map(|line| (ledger.state().id, line.entry.version)));
    }
    expected
}

async fn queues_are_empty(stack: &LocalStack) {
    until("every queue empty", END, async || {
        let depths = stack.depths().await.expect("the depths of the queues");
        let given_up: Vec<_> = depths.iter().filter(|d| d.is_dead_letters() && !d.is_empty()).collect();
        assert!(given_up.is_empty(), "dead letters: {given_up:?}");
        depths.iter().all(tongban::local::Depth::is_empty).then_some(())
    })
    .await;
}

fn sum(victims: &BTreeMap<String, usize>) -> usize {
    victims.values().sum()
}

/// The latency that so many of 100 callbacks do not exceed.
fn percentile(latencies: &mut [Duration], share: usize) -> Duration {
    latencies.sort();
    let rank = (latencies.len() * share).div_ceil(100).max(1);
    latencies[rank - 1]
}

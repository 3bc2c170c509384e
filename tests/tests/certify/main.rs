//! Certification: the consumers in Python, Node and Rust pass it, and consumers with one thing wrong do not.
//!
//! One local AWS serves all. Each consumer is a real process at the queue of an agency of its own, with the kit that an
//! operator hands out; `tongban-agency certify` judges it from outside. The short form of the tests certifies one consumer by all
//! checks, the others by a few, and has three of the eight broken ones.

mod fixture;
mod running_consumer;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tongban::local::LocalOptions;
use tongban::terminal::Terminal;

use tongban_tests::agency::program;
use tongban_tests::hub::start_hub;
use tongban_tests::progress::say;
use tongban_tests::size::{full_or_short, is_full};

use crate::fixture::{Fixture, fixture};
use crate::running_consumer::{Program, RunningConsumer, Verdict};

/// Checks of the short form.
const FEW_CHECKS: &str = "ordinary,refusal,duplicate,burst";
/// How many cases at once the short form has.
const SMALL_BURST: u16 = 20;
/// Broken consumers of the short form.
const FEW_BROKEN: usize = 3;

/// Every check was played, and passed.
fn certified(consumer: &RunningConsumer, burst: u16) -> Verdict {
    let verdict = consumer.certify(&["--burst", &burst.to_string()]);
    assert_eq!(verdict.code, Some(0), "{}", verdict.told);
    assert!(
        verdict.checks.len() >= 12 && verdict.checks.values().all(|how| how == "passed"),
        "{}",
        verdict.told
    );
    verdict
}

/// The few checks of the short form were played, and passed.
fn passes_few_checks(consumer: &RunningConsumer) {
    let verdict = consumer.certify(&["--only", FEW_CHECKS, "--burst", &SMALL_BURST.to_string()]);
    assert_eq!(verdict.code, Some(0), "{}", verdict.told);
    let played: Vec<_> = verdict.checks.values().filter(|how| *how == "passed").collect();
    assert_eq!(played.len(), FEW_CHECKS.split(',').count(), "{}", verdict.told);
}

#[test]
fn node_is_certified() {
    certified(&RunningConsumer::take(fixture(), "13", Program::Node), full_or_short(100, SMALL_BURST));
}

#[test]
fn rust_is_certified() {
    let consumer = RunningConsumer::take(fixture(), "36", Program::Rust);
    if is_full() {
        certified(&consumer, 100);
    } else {
        passes_few_checks(&consumer);
    }
}

/// Whoever stops it leaves nothing behind at the hub: no case that waits for the consumer, and no key.
#[test]
fn a_judge_who_is_stopped_ends_what_it_opened() {
    let mut consumer = RunningConsumer::take(fixture(), "14", Program::Rust);
    consumer.leave();
    let config = consumer.file("agency.json").display().to_string();
    let open = || {
        let listed = consumer.asks(&program(), &["cases", "--config", &config, "--json"]);
        listed["cases"].as_array().expect("cases").len()
    };
    let (code, told) = consumer.stopped_once("burst", || open() >= 3);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("stopped before its end"), "{told}");
    // The list is an index, which follows.
    let end = Instant::now() + Duration::from_secs(30);
    while open() > 0 {
        assert!(Instant::now() < end, "{} cases are open: {told}", open());
    }
    let keys = || {
        let listed = consumer.asks(&Fixture::operator(), &["agency", "keys", "14", "--json"]);
        let keys = listed.as_array().or(listed["keys"].as_array()).expect("keys");
        let state = |wanted: &str| keys.iter().filter(|key| key["state"] == wanted).count();
        (state("former"), state("revoked"))
    };
    assert_eq!(keys(), (0, 0));
    let (code, told) = consumer.stopped_once("rotated_key", || keys() == (1, 0));
    assert_eq!((code, keys()), (Some(1), (0, 1)), "{told}");
}

/// Each is wrong in one way, and is told so by the check that is there for it; the ordinary course it can do.
#[test]
fn broken_consumers_are_found() {
    let broken = [
        // The short form has the first of these.
        ("32", "believes_forgeries", "forged"),
        ("22", "acts_on_old_versions", "reordering"),
        ("35", "drops_the_rest_of_a_batch", "burst"),
        ("21", "no_inbox", "late_duplicate"),
        ("23", "deletes_unreadable", "unreadable"),
        ("31", "stops_at_unreadable", "unreadable"),
        ("33", "first_key_only", "rotated_key"),
        ("34", "ignores_refusals", "withdrawn_while_working"),
    ];
    let broken = &broken[..full_or_short(broken.len(), FEW_BROKEN)];
    let judges: Vec<_> = broken
        .iter()
        .copied()
        .map(|(code, bug, check)| {
            thread::spawn(move || {
                let consumer = RunningConsumer::take(fixture(), code, Program::Broken(bug));
                let only = format!("ordinary,{check}");
                let verdict = consumer.certify(&["--only", &only, "--burst", "20", "--timeout", "30"]);
                assert_eq!(
                    verdict.checks.get("ordinary").map(String::as_str),
                    Some("passed"),
                    "{bug}: {}",
                    verdict.told
                );
                assert_eq!(
                    verdict.checks.get(check).map(String::as_str),
                    Some("failed"),
                    "{bug}: {}",
                    verdict.told
                );
                assert_eq!(verdict.code, Some(8), "{bug}: {}", verdict.told);
                assert!(!verdict.told.contains("says nothing about the consumer"), "{bug}: {}", verdict.told);
            })
        })
        .collect();
    for judge in judges {
        judge.join().expect("a broken consumer that is found");
    }
}

/// A 44th agency: one row and a deploy to the hub that runs. Its consumer is certified, and the row is taken out again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_agency_is_certified_after_one_row_and_a_deploy() {
    let fixture = fixture();
    let rows = fixture.workspace().text("infra/agencies.toml").expect("the agencies");
    let row = "\n[[agency]]\ncode = \"110105\"\nzh = \"北京市朝阳区\"\nen = \"Chaoyang, Beijing\"\nstate = \"active\"\n\
               offers = { first_identity_card = \"2023-05-25\", household_certificate = \"2023-05-25\" }\n";
    let file = fixture.workspace().state("certify-agencies.toml");
    fs::write(&file, &rows).expect("a file");
    let options = LocalOptions {
        port: 0,
        stack: "tongban-join".to_owned(),
        wake_rate: "rate(1 day)".to_owned(),
        agencies: Some(file.clone()),
        ..LocalOptions::default()
    };
    let mut stack = start_hub(options).await.expect("a hub");
    fs::write(&file, format!("{rows}{row}")).expect("a file");
    let plan = stack.redeploy(&Terminal::silent()).await.expect("an update").to_string();
    assert!(plan.contains("Agency110105"), "{plan}");
    assert_eq!(stack.agencies().agencies().len(), 44);
    let consumer = RunningConsumer::take(&fixture.at(&stack, "tongban-join"), "110105", Program::Python);
    if is_full() {
        certified(&consumer, 20);
    } else {
        passes_few_checks(&consumer);
    }
    drop(consumer);
    fs::write(&file, &rows).expect("a file");
    let plan = stack.redeploy(&Terminal::silent()).await.expect("an update").to_string();
    assert!(plan.contains("Agency110105") && stack.agencies().agencies().len() == 43, "{plan}");
    fs::remove_file(&file).expect("the file");
}

/// The guide's commands, as they are written there, from an empty folder to the certified consumer in Python, with the
/// burst of 500; and those for later. The short form certifies by a few checks.
#[test]
fn the_guide_leads_to_a_certified_consumer() {
    let guide = tongban_tests::repository::text("shared/agency/INTEGRATION.md");
    let blocks = guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: Vec<&str> =
        blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
    let folder = fixture::folder("guide");
    let begun = Instant::now();
    let mut consumer = None;
    let mut certified = None;
    for (count, command) in commands.iter().enumerate() {
        if *command == "cargo run -- up" {
            continue; // the bench's own
        }
        say(&format!("the guide, {} of {}: {command}", count + 1, commands.len()));
        // What goes on is ended with its shell.
        let mut line = command.replace("&& venv", "&& exec venv");
        if command.contains(" certify ") && !is_full() {
            line += &format!(" --only {FEW_CHECKS} --burst {SMALL_BURST}");
        }
        let mut shell = fixture().shell(&folder, &line);
        if command.contains("decisions.py") {
            // Nobody reads a pipe of it, and a full one would stop it.
            let log = fs::File::create(folder.join("consumer.log")).expect("a log");
            shell.stdout(log.try_clone().expect("a log")).stderr(log);
            consumer = Some(running_consumer::Running::of(shell.spawn().expect("a consumer")));
            continue;
        }
        let output = shell.output().expect("a shell");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // 4: there is nothing to show.
        assert!(matches!(output.status.code(), Some(0 | 4)), "{command}: {told}");
        if command.contains("certify") {
            certified = Some((count + 1, begun.elapsed(), told));
        }
    }
    assert!(consumer.is_some(), "{commands:?}");
    let (count, took, told) = certified.expect("the guide certifies");
    assert!(commands.len() > count, "and goes on");
    let read = |file| fs::read_to_string(folder.join(file)).expect("a result");
    let result: Value = serde_json::from_str(&read("certify.json")).expect("a result in JSON");
    assert_eq!(result["outcome"], "passed", "{told}");
    let checks = result["checks"].as_array().expect("checks");
    let least = full_or_short(12, FEW_CHECKS.split(',').count());
    assert!(checks.len() >= least && checks.iter().all(|check| check["outcome"] == "passed"), "{told}");
    let junit = read("certify.xml");
    assert!(junit.contains("<testsuite") && junit.contains("name=\"burst\""), "{junit}");
    drop(consumer);
    fs::remove_dir_all(&folder).expect("the folder");
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!("guide: {count} commands, {:.0} s to a certified consumer\n{told}", took.as_secs_f64());
    }
}

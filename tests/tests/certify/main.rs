//! Certification: the consumers in Python, Node and Rust pass, one that is written from the contracts alone, too, and
//! consumers with one fault do not.
//!
//! All tests share one local AWS. Each consumer is a real process at the queue of its own agency, with the kit that an
//! operator hands out, and `tongban-agency certify` checks it from outside. The short form runs a few checks for one
//! consumer, and stops one certification.

mod consumers;
mod fixture;
mod proxy;
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
use tongban_tests::size::{is_full, runs_in_full_form};

use crate::fixture::{Fixture, fixture};
use crate::proxy::RefusingProxy;
use crate::running_consumer::{CertifyOutput, Program, RunningConsumer};

/// The checks of the short form.
const FEW_CHECKS: [&str; 4] = ["ordinary", "refusal", "duplicate", "burst"];

/// Runs every check and asserts that all pass, but for those that are not about this agency.
fn passes_every_check(consumer: &RunningConsumer, burst: u16, not_applicable: &[&str]) -> CertifyOutput {
    let output = consumer.certify(&["--burst", &burst.to_string()]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(output.checks.len() >= 15, "{}", output.text);
    for (check, how) in &output.checks {
        let expected = if not_applicable.contains(&check.as_str()) { "not_applicable" } else { "passed" };
        assert_eq!(how, expected, "{check}: {}", output.text);
    }
    output
}

/// Case A17 of `tests/FIELD_CASES.md`: in the full form the consumer is certified twice with one configuration. The short
/// form runs a few checks.
#[test]
fn node_is_certified() {
    let consumer = RunningConsumer::take(fixture(), "13", Program::Node);
    if is_full() {
        for _run in 0..2 {
            passes_every_check(&consumer, 100, &["reports_queue"]);
        }
        return;
    }
    let output = consumer.certify(&["--only", &FEW_CHECKS.join(","), "--burst", "20"]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(FEW_CHECKS.iter().all(|check| output.checks[*check] == "passed"), "{}", output.text);
}

/// The consumer reports by the reports queue.
#[test]
fn rust_is_certified() {
    if runs_in_full_form("the consumer in Rust is certified") {
        passes_every_check(&RunningConsumer::take(fixture(), "36", Program::RustByQueue), 100, &[]);
    }
}

/// Whoever follows the contracts literally passes the first time.
#[test]
fn a_consumer_written_from_the_contracts_alone_is_certified() {
    if runs_in_full_form("the consumer written from the contracts alone is certified") {
        let consumer = RunningConsumer::take(fixture(), "12", Program::Literal);
        passes_every_check(&consumer, 100, &["reports_queue"]);
    }
}

/// A proxy in front of the hub answers reports with 404 and 409: a page, and problems that are not the hub's. No consumer
/// may drop the case, which is reported once the proxy lets reports through.
#[test]
fn a5_the_answers_of_a_proxy_drop_no_case() {
    if !runs_in_full_form("a proxy in front of the hub answers reports") {
        return;
    }
    let runs = [("37", Program::Python), ("41", Program::Node)].map(|(code, program)| {
        thread::spawn(move || {
            let mut proxy = None;
            let consumer = RunningConsumer::take_with(fixture(), code, program, |settings| {
                let hub = settings["hub_url"].as_str().expect("an address");
                let begun = RefusingProxy::before(hub);
                settings["hub_url"] = begun.url().into();
                proxy = Some(begun);
            });
            let output = consumer.certify(&["--only", "ordinary"]);
            assert_eq!(output.checks["ordinary"], "passed", "{program:?}: {}", output.text);
            assert_eq!(proxy.expect("a proxy").left(), 0, "{program:?}: the proxy refused nothing");
        })
    });
    for run in runs {
        run.join().expect("a consumer dropped a case at the answer of a proxy");
    }
}

/// A stopped certification leaves no open case and no registered key at the hub.
#[test]
fn a_stopped_certification_closes_its_cases() {
    let mut consumer = RunningConsumer::take(fixture(), "14", Program::Rust);
    consumer.stop();
    let config = consumer.file("agency.json").display().to_string();
    let open = || {
        let listed = consumer.json_output(&program(), &["cases", "--config", &config, "--json"]);
        listed["cases"].as_array().expect("cases").len()
    };
    let (code, text) = consumer.certify_until("burst", || open() >= 3);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("stopped before its end"), "{text}");
    // The list of open cases is an index, which follows the writes with a delay.
    let end = Instant::now() + Duration::from_secs(30);
    while open() > 0 {
        assert!(Instant::now() < end, "{} cases are open: {text}", open());
    }
    let keys = || {
        let listed = consumer.json_output(&Fixture::operator(), &["agency", "keys", "14", "--json"]);
        let keys = listed.as_array().or(listed["keys"].as_array()).expect("keys");
        let state = |wanted: &str| keys.iter().filter(|key| key["state"] == wanted).count();
        (state("former"), state("revoked"))
    };
    assert_eq!(keys(), (0, 0));
    let (code, text) = consumer.certify_until("rotated_key", || keys() == (1, 0));
    assert_eq!((code, keys()), (Some(1), (0, 0)), "a removed key, which the next run can add again: {text}");
}

/// Each broken consumer has one fault and fails the check for this fault. It passes the check `ordinary`.
#[test]
fn every_broken_consumer_fails_its_check() {
    if !runs_in_full_form("consumers with one fault fail their check") {
        return;
    }
    let broken = [
        ("32", "believes_forgeries", "forged"),
        ("22", "acts_on_old_versions", "reordering"),
        ("35", "drops_the_rest_of_a_batch", "burst"),
        ("21", "no_inbox", "late_duplicate"),
        ("23", "deletes_unreadable", "unreadable"),
        ("31", "stops_at_unreadable", "unreadable"),
        ("33", "first_key_only", "rotated_key"),
        ("34", "ignores_refusals", "withdrawn_while_working"),
    ];
    let runs: Vec<_> = broken
        .into_iter()
        .map(|(code, bug, check)| {
            thread::spawn(move || {
                let consumer = RunningConsumer::take(fixture(), code, Program::Broken(bug));
                let only = format!("ordinary,{check}");
                let output = consumer.certify(&["--only", &only, "--burst", "20", "--timeout", "30"]);
                assert_eq!(
                    output.checks.get("ordinary").map(String::as_str),
                    Some("passed"),
                    "{bug}: {}",
                    output.text
                );
                assert_eq!(
                    output.checks.get(check).map(String::as_str),
                    Some("failed"),
                    "{bug}: {}",
                    output.text
                );
                assert_eq!(output.code, Some(8), "{bug}: {}", output.text);
                assert!(!output.text.contains("says nothing about the consumer"), "{bug}: {}", output.text);
            })
        })
        .collect();
    for run in runs {
        run.join().expect("a broken consumer did not fail its check");
    }
}

/// A 44th agency joins by one row and a deploy to the running hub. Its consumer is certified, and the row is removed
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_agency_is_certified_after_one_row_and_a_deploy() {
    if !runs_in_full_form("a 44th agency joins a running hub") {
        return;
    }
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
    passes_every_check(&consumer, 20, &["reports_queue", "transfer"]);
    drop(consumer);
    fs::write(&file, &rows).expect("a file");
    let plan = stack.redeploy(&Terminal::silent()).await.expect("an update").to_string();
    assert!(plan.contains("Agency110105") && stack.agencies().agencies().len() == 43, "{plan}");
    fs::remove_file(&file).expect("the file");
}

/// The guide's commands as written, from an empty folder to the certified consumer in Python with the burst of 500, and
/// the commands after certification.
#[test]
fn the_guide_leads_to_a_certified_consumer() {
    if !runs_in_full_form("the integrator's guide, command by command") {
        return;
    }
    let guide = tongban_tests::repository::text("shared/agency/INTEGRATION.md");
    let blocks = guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: Vec<&str> =
        blocks.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
    let folder = fixture::folder("guide");
    let begun = Instant::now();
    let mut consumer = None;
    let mut passes_every_check = None;
    for (count, command) in commands.iter().enumerate() {
        if *command == "cargo run -- up" {
            continue; // the fixture has started the hub
        }
        say(&format!("the guide, {} of {}: {command}", count + 1, commands.len()));
        // `exec`: ending the shell ends the consumer.
        let line = command.replace("&& venv", "&& exec venv");
        let mut shell = fixture().shell(&folder, &line);
        if command.contains("decisions.py") {
            // A file, because nobody reads a pipe, and a full pipe would block the consumer.
            let log = fs::File::create(folder.join("consumer.log")).expect("a log");
            shell.stdout(log.try_clone().expect("a log")).stderr(log);
            consumer = Some(running_consumer::Running::of(shell.spawn().expect("a consumer")));
            continue;
        }
        let output = shell.output().expect("a shell");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // Exit code 4: nothing found.
        assert!(matches!(output.status.code(), Some(0 | 4)), "{command}: {text}");
        if command.contains("certify") {
            passes_every_check = Some((count + 1, begun.elapsed(), text));
        }
    }
    assert!(consumer.is_some(), "{commands:?}");
    let (count, took, text) = passes_every_check.expect("the guide has no `certify`");
    assert!(commands.len() > count, "the guide has no commands after certification");
    let read = |file| fs::read_to_string(folder.join(file)).expect("a result");
    let result: Value = serde_json::from_str(&read("certify.json")).expect("a result in JSON");
    assert_eq!(result["outcome"], "passed", "{text}");
    let checks = result["checks"].as_array().expect("checks");
    let passed = checks.iter().filter(|check| check["outcome"] == "passed").count();
    assert_eq!(
        passed,
        checks.len() - 1,
        "all but the reports queue, which the consumer does not use: {text}"
    );
    let junit = read("certify.xml");
    assert!(junit.contains("<testsuite") && junit.contains("name=\"burst\""), "{junit}");
    drop(consumer);
    fs::remove_dir_all(&folder).expect("the folder");
    #[allow(clippy::print_stdout, reason = "figures are for a reader")]
    {
        println!(
            "guide: {count} commands, {:.0} s until the consumer is certified\n{text}",
            took.as_secs_f64()
        );
    }
}

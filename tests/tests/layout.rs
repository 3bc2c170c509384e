//! The rules of the layout that a compiler does not know: who imports whom, and how large a room may be.

use std::collections::BTreeMap;

use tongban_tests::repository::{files, text};

/// The functions.
const FUNCTIONS: [&str; 6] = ["intake", "documents", "router", "reports", "callbacks", "sweeper"];
/// Lines of a function's `main.rs`.
const MAIN_LINES: usize = 40;
/// Lines of any file of Rust.
const FILE_LINES: usize = 500;

/// Our crates that each of our crates may import, by its folder.
fn allowed() -> BTreeMap<String, Vec<&'static str>> {
    let mut allowed = BTreeMap::from([
        ("shared/domain".to_owned(), vec![]),
        ("shared/protocol".to_owned(), vec!["domain"]),
        ("shared/platform".to_owned(), vec!["domain", "protocol"]),
        ("shared/agency".to_owned(), vec!["domain", "protocol"]),
        ("shared/agency/command".to_owned(), vec!["domain", "protocol", "agency"]),
    ]);
    for function in FUNCTIONS {
        allowed.insert(format!("functions/{function}"), vec!["domain", "protocol", "platform"]);
    }
    allowed
}

/// Names of what a crate is built with. What only its own tests need is its own affair.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest: toml::Table = text(&format!("{folder}/Cargo.toml")).parse().expect("a manifest");
    assert!(
        !manifest.contains_key("target"),
        "{folder}: a table by target hides dependencies from this test"
    );
    ["dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|section| section.keys().cloned())
        .collect()
}

#[test]
fn imports_go_one_way() {
    let ours = ["domain", "protocol", "platform", "agency", "tongban-agency", "tongban", "tongban-tests"];
    for (folder, allowed) in allowed() {
        for dependency in dependencies(&folder) {
            let is_ours = ours.contains(&dependency.as_str()) || FUNCTIONS.contains(&dependency.as_str());
            assert!(
                !is_ours || allowed.contains(&dependency.as_str()),
                "{folder} may not import {dependency}"
            );
        }
    }
}

#[test]
fn every_crate_is_covered_by_the_rules() {
    let mut known: Vec<String> = allowed().into_keys().collect();
    known.extend(["infra/cli".to_owned(), "tests".to_owned()]);
    known.sort();
    let workspace: toml::Table = text("Cargo.toml").parse().expect("a manifest");
    let members = workspace["workspace"]["members"].as_array().expect("members");
    let mut members: Vec<String> =
        members.iter().map(|member| member.as_str().expect("a path").to_owned()).collect();
    members.sort();
    assert_eq!(members, known);
}

#[test]
fn only_platform_and_the_local_command_know_aws() {
    for folder in allowed().into_keys().filter(|folder| folder != "shared/platform") {
        for dependency in dependencies(&folder) {
            let of_aws = dependency.starts_with("aws-sdk-") || dependency == "aws-config";
            // An agency reads its own queue.
            let reads_its_queue = folder == "shared/agency" && dependency == "aws-sdk-sqs";
            assert!(!of_aws || reads_its_queue, "{folder} may not know {dependency}");
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for dependency in dependencies("shared/domain") {
        assert!(
            !["tokio", "async-trait", "futures", "getrandom", "rand", "reqwest"]
                .contains(&dependency.as_str()),
            "the domain needs no {dependency}"
        );
    }
    for path in files("shared/domain/src", ".rs") {
        let source = text(path.to_str().expect("a path"));
        for impure in ["Timestamp::now", "SystemTime", "Instant::now", "async fn", "std::fs", "std::env"] {
            assert!(!source.contains(impure), "{}: {impure}", path.display());
        }
    }
}

#[test]
fn a_functions_main_only_wires() {
    for function in FUNCTIONS {
        let lines = text(&format!("functions/{function}/src/main.rs")).lines().count();
        assert!(lines <= MAIN_LINES, "functions/{function}/src/main.rs has {lines} lines");
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = files("", ".rs")
        .into_iter()
        .map(|path| (text(path.to_str().expect("a path")).lines().count(), path))
        .filter(|(lines, _)| *lines > FILE_LINES)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "split these: {long:#?}");
}

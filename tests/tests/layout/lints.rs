//! Lints against panics, in every crate that handles input from outside.

use tongban_tests::repository::{files, root, text};

use super::members;

/// The four lints of the restriction group that find most code that may panic. `unwrap_used` is on in the whole
/// workspace.
const LINTS: [&str; 4] = ["arithmetic_side_effects", "expect_used", "indexing_slicing", "string_slice"];
/// Crates without input from outside: commands whose user gives the input, and the tests.
const FREE: [&str; 3] = ["infra/cli", "shared/agency/command", "tests"];
/// Ends of folders and files that only tests use.
const TESTING: [&str; 5] = ["/testing", "/testing.rs", "/fake.rs", "/tests.rs", "platform/src/contract.rs"];

fn crates_with_input() -> Vec<String> {
    members().into_iter().filter(|folder| !FREE.contains(&folder.as_str())).collect()
}

#[test]
fn every_crate_with_input_from_outside_has_the_lints_against_panics() {
    for folder in crates_with_input() {
        let roots = ["lib.rs", "main.rs"].map(|root| format!("{folder}/src/{root}"));
        for path in roots.into_iter().filter(|path| root().join(path).exists()) {
            let source = text(&path);
            let warned = source.lines().filter(|line| line.starts_with("#![cfg_attr(not(test), warn("));
            let warned: String = warned.collect();
            for lint in LINTS {
                assert!(warned.contains(&format!("clippy::{lint}")), "{path} does not warn of {lint}");
            }
        }
    }
}

/// `expect` is on one item and is itself an error when the item does not need it; clippy demands a reason for each.
#[test]
fn an_exception_from_a_lint_against_panics_is_an_expectation() {
    for folder in crates_with_input() {
        for path in files(&format!("{folder}/src"), ".rs") {
            let name = path.to_str().expect("a path in UTF-8");
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            if TESTING.iter().any(|testing| name.ends_with(testing) || folder.ends_with(testing)) {
                continue;
            }
            for (index, line) in text(name).lines().enumerate().filter(|(_, line)| line.contains("allow(")) {
                for lint in LINTS {
                    let found = line.contains(&format!("clippy::{lint}"));
                    assert!(!found, "{name}:{}: `expect` instead of `allow`", index + 1);
                }
            }
        }
    }
}

//! `tests/FIELD_CASES.md` and the tests agree.

use std::collections::BTreeSet;

use tongban_tests::faults::{functions, has_function};
use tongban_tests::repository::{files, text};

const PAGE: &str = "tests/FIELD_CASES.md";

/// The tests of the table, each with its case.
fn named() -> BTreeSet<(String, String)> {
    let page = text(PAGE);
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [case, _, _, tests] = cells[..] else { return None };
        let tests = tests.split("<br>").filter_map(|test| test.trim().strip_prefix('`')?.strip_suffix('`'));
        Some(tests.map(|test| (case.to_owned(), test.to_owned())).collect::<Vec<_>>())
    });
    rows.flatten().collect()
}

/// The case in the name of a test: `I3` of `i3_a_repeated_claim_is_refused`.
fn case_of(name: &str) -> Option<String> {
    let (case, _) = name.split_once('_')?;
    let (letter, number) = case.split_at_checked(1)?;
    let is_case = letter.chars().all(|letter| letter.is_ascii_lowercase()) && number.parse::<u8>().is_ok();
    is_case.then(|| case.to_uppercase())
}

#[test]
fn every_test_of_a_case_exists_and_cites_it() {
    let named = named();
    assert!(!named.is_empty(), "{PAGE} has no row");
    for (case, test) in named {
        let (path, name) =
            test.rsplit_once("::").unwrap_or_else(|| panic!("{case}: {test} names no function"));
        let source = text(path);
        assert!(has_function(&source, name), "{case}: {path} has no {name}");
        let cites = case_of(name).is_some_and(|cited| cited == case);
        assert!(cites || source.contains(&format!("Case {case} of `{PAGE}`")), "{test} does not cite {case}");
    }
}

#[test]
fn every_test_with_the_id_of_a_case_is_in_its_row() {
    let named = named();
    for path in ["functions", "shared", "infra", "tests"].iter().flat_map(|folder| files(folder, ".rs")) {
        let path = path.to_str().expect("a path in UTF-8");
        for name in functions(&text(path)) {
            if let Some(case) = case_of(name) {
                assert!(
                    named.contains(&(case.clone(), format!("{path}::{name}"))),
                    "{case} of {PAGE} lacks {path}::{name}"
                );
            }
        }
    }
}

//! `tests/FAULTS.md` and the tests agree.

use std::collections::BTreeSet;

use tongban_tests::faults::{Citations, citations, has_function, table};
use tongban_tests::repository::{files, text};

/// Number of rows.
const ROWS: u32 = 48;
/// Rows without a test: the hub does not inspect the content of documents yet.
const NOT_TESTED: [u32; 2] = [34, 35];

fn faults() -> Citations {
    table(&text("tests/FAULTS.md"))
}

#[test]
fn every_row_is_there_and_names_its_tests() {
    let rows = faults();
    let missing: Vec<u32> = (1..=ROWS).filter(|row| !rows.contains_key(row)).collect();
    assert!(missing.is_empty(), "rows {missing:?} are missing");
    let untested: Vec<u32> = rows.iter().filter(|(_, tests)| tests.is_empty()).map(|(row, _)| *row).collect();
    assert_eq!(untested, NOT_TESTED, "rows without a test");
}

#[test]
fn every_test_that_the_table_names_exists() {
    for (row, test) in faults().iter().flat_map(|(row, tests)| tests.iter().map(move |test| (row, test))) {
        let (path, name) =
            test.rsplit_once("::").unwrap_or_else(|| panic!("row {row}: {test} names no function"));
        assert!(has_function(&text(path), name), "row {row}: {path} has no {name}");
    }
}

/// A test that cites a row is named in the row, and a test that a row names cites the row.
#[test]
fn every_test_that_cites_a_row_is_named_in_that_row() {
    let mut cited = Citations::new();
    for path in ["functions", "shared", "infra", "tests"].iter().flat_map(|folder| files(folder, ".rs")) {
        let path = path.to_str().expect("a path in UTF-8");
        // `tests/src/faults.rs` cites rows in its own examples.
        if path != "tests/src/faults.rs" {
            for (row, tests) in citations(path, &text(path)) {
                cited.entry(row).or_default().extend(tests);
            }
        }
    }
    let named = faults();
    let none = BTreeSet::new();
    for row in named.keys().chain(cited.keys()).collect::<BTreeSet<_>>() {
        let (cited, named) = (cited.get(row).unwrap_or(&none), named.get(row).unwrap_or(&none));
        let missing: Vec<_> = cited.difference(named).collect();
        assert!(missing.is_empty(), "add to row {row} of tests/FAULTS.md: {missing:?}");
        let silent: Vec<_> = named.difference(cited).collect();
        assert!(
            silent.is_empty(),
            "row {row} of tests/FAULTS.md names tests that do not cite it: {silent:?}"
        );
    }
}

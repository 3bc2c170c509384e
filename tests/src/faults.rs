//! Reads the table in `tests/FAULTS.md` and finds the tests that cite its rows.

use std::collections::{BTreeMap, BTreeSet};

/// A test by file and function: `tests/tests/in_process/crashes.rs::a_case_survives_a_fault_at_any_call`.
pub type TestName = String;

/// Tests by the row that they prove.
pub type Citations = BTreeMap<u32, BTreeSet<TestName>>;

/// The rows of the table, each with its tests.
///
/// # Panics
/// A row does not have five cells, or two rows have the same number.
#[must_use]
pub fn table(markdown: &str) -> Citations {
    let mut rows = Citations::new();
    for line in markdown.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(number) = cells.first().and_then(|cell| cell.parse().ok()) else { continue };
        assert_eq!(cells.len(), 5, "row {number} has {} cells", cells.len());
        let tests =
            cells[4].split("<br>").filter_map(|test| test.trim().strip_prefix('`')?.strip_suffix('`'));
        let before = rows.insert(number, tests.map(str::to_owned).collect());
        assert!(before.is_none(), "row {number} is in the table twice");
    }
    rows
}

/// The rows that the functions of a source cite in the comment above them: `Row 7`, `Rows 24 to 27 and 42`.
#[must_use]
pub fn citations(path: &str, source: &str) -> Citations {
    let mut cited = Citations::new();
    let mut comment = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        if let Some(name) = function(line) {
            for row in rows_in(&comment) {
                cited.entry(row).or_default().insert(format!("{path}::{name}"));
            }
        }
        comment.clear();
    }
    cited
}

/// Whether a source contains a function of this name.
#[must_use]
pub fn has_function(source: &str, name: &str) -> bool {
    functions(source).any(|function| function == name)
}

/// The names of the functions of a source.
pub fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| function(line.trim()))
}

/// The name of the function whose declaration begins in this line.
fn function(line: &str) -> Option<&str> {
    let words = ["pub ", "pub(crate) ", "pub(super) ", "async "];
    let line = words.iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    let rest = line.strip_prefix("fn ")?;
    rest.find(['(', '<']).map(|end| &rest[..end])
}

/// Row numbers in a text: numbers after the word `row` or `rows`, separated by commas, `and` and `to`.
fn rows_in(text: &str) -> BTreeSet<u32> {
    let mut rows = BTreeSet::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let word = word.trim_start_matches(['(', '`']);
        if !["row", "rows"].contains(&word.to_lowercase().as_str()) {
            continue;
        }
        let mut from = None;
        while let Some(next) = words.peek() {
            let number = next.trim_end_matches(|end: char| !end.is_ascii_digit()).parse::<u32>().ok();
            match (number, *next) {
                (Some(number), _) => {
                    rows.extend(from.take().unwrap_or(number)..=number);
                }
                (None, "to") => from = rows.last().copied(),
                (None, "and") => {}
                (None, _) => break,
            }
            words.next();
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_its_tests() {
        let rows = table(
            "# Faults\n| # | Fault |\n|---|---|\n| 7 | a | b | L B | `x.rs::one`<br>`y.rs::two` |\n| 34 | a | b | B | not tested yet |",
        );
        assert_eq!(rows[&7], BTreeSet::from(["x.rs::one".to_owned(), "y.rs::two".to_owned()]));
        assert!(rows[&34].is_empty() && rows.len() == 2);
    }

    #[test]
    fn rows_are_cited_in_comments() {
        let source = "/// Rows 24 to 26, 29 and 42 of it.\n#[test]\npub(crate) async fn outcomes(a: u8) {}\n\n\
                      /// A row of chairs.\nfn chairs() {}\n/// Row 7.\n#[test]\nfn throttled() {}";
        let cited = citations("a.rs", source);
        assert_eq!(cited.keys().copied().collect::<Vec<_>>(), [7, 24, 25, 26, 29, 42]);
        assert_eq!(cited[&7], BTreeSet::from(["a.rs::throttled".to_owned()]));
        assert!(has_function(source, "chairs") && !has_function(source, "chair"));
    }
}

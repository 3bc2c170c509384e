//! The transition table of the README is that of the code.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::table::transition_table;

const BEGIN: &str = "<!-- transitions: begin -->\n";
const END: &str = "<!-- transitions: end -->";

/// `UPDATE_README=1 cargo test -p domain --test readme` writes the table.
#[test]
fn the_readme_shows_the_table_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let begin = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = text.find(END).unwrap();
    let table = transition_table();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{}{table}{}", &text[..begin], &text[end..])).unwrap();
        return;
    }
    assert_eq!(
        &text[begin..end],
        table,
        "the README has an old table: run UPDATE_README=1 cargo test -p domain --test readme"
    );
}

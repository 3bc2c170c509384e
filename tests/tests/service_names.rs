//! Services are data: no source outside tests names a service, a case of a service or a kind of document.
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::catalogue::{DocumentKind, catalogue};

/// The sources outside tests. Tests are `tests` folders, `tests.rs`, the modules of the feature `testing`, and the
/// contract suites.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_test =
            matches!(name, "tests" | "tests.rs" | "testing" | "testing.rs" | "contract" | "contract.rs");
        if is_test || name == "target" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// A source without its unit tests, which are last in a file.
fn without_unit_tests(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    &text[..end]
}

/// The name in camel case.
fn camel(name: &str) -> String {
    name.split('_').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..])).collect()
}

/// Whether the text contains the word with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let of_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(of_word) && !text[at + word.len()..].starts_with(of_word))
}

/// The names of the catalogue in a text: names of several words anywhere, names of one word only as a string.
fn named<'a>(text: &str, names: &'a BTreeSet<&'static str>) -> Vec<&'a str> {
    let is_named = |name: &&&'static str| {
        let name = **name;
        let variants = ["Service", "When", "DocumentKind"].map(|of| format!("{of}::{}", camel(name)));
        let as_text =
            if name.contains('_') { has_word(text, name) } else { text.contains(&format!("\"{name}\"")) };
        as_text || variants.iter().any(|variant| has_word(text, variant))
    };
    names.iter().filter(is_named).copied().collect()
}

/// Case names that other lists use too: `same_person` is also the code of a field error.
const OTHER_WORDS: [&str; 1] = ["same_person"];

fn names() -> BTreeSet<&'static str> {
    let services = catalogue().iter().map(|row| row.service.name());
    let cases = catalogue().iter().flat_map(|row| &row.cases).map(|case| case.when.name());
    let kinds = DocumentKind::all().into_iter().map(DocumentKind::name);
    services.chain(cases).chain(kinds).filter(|name| !OTHER_WORDS.contains(name)).collect()
}

#[test]
fn no_source_outside_tests_names_a_service() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in ["functions", "infra", "shared"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "the sources were not found");
    let names = names();
    let mut faults = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let found = named(without_unit_tests(&text), &names);
        if !found.is_empty() {
            faults.push(format!("{}: {}", file.strip_prefix(root).unwrap().display(), found.join(", ")));
        }
    }
    assert!(faults.is_empty(), "move these names into data:\n{}", faults.join("\n"));
}

#[test]
fn a_name_is_found_as_a_word_a_string_and_a_variant() {
    let names = names();
    for text in ["// for first_identity_card", "\"adult\"", "When::Adult", "Service::HouseholdTransfer =>"] {
        assert_eq!(named(text, &names).len(), 1, "{text}");
    }
    for text in ["an adult", "the_first_identity_cards", "Stage::Issued"] {
        assert!(named(text, &names).is_empty(), "{text}");
    }
}

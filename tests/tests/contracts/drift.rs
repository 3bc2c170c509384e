//! The checked-in contracts are the generated ones. `shared/protocol/tests/contracts.rs` compares their text.

use std::collections::BTreeSet;

use http_kit::problem::{Code, Language};
use protocol::contracts::app::problems::OF_APPS;
use protocol::contracts::pages::page_parts;
use protocol::contracts::{COMMAND, files};
use protocol::problem::agency::AGENCY_PROBLEMS;
use tongban_tests::repository::{files as checked_in, text};

const FOLDER: &str = "shared/protocol/contracts";

#[test]
fn a19_the_generated_parts_of_the_pages_are_current() {
    for part in page_parts() {
        let page = text(part.page);
        let new = part.put_into(&page).unwrap_or_else(|| panic!("{} has no part {}", part.page, part.name));
        assert!(new == page, "{}: the part {} is old: run `{COMMAND}`", part.page, part.name);
    }
}

#[test]
fn every_schema_file_is_generated() {
    let made: BTreeSet<String> =
        files().expect("the contracts").into_keys().map(|name| format!("{FOLDER}/{name}")).collect();
    for path in checked_in(&format!("{FOLDER}/schemas"), ".json") {
        assert!(
            made.contains(path.to_str().expect("a path")),
            "{}: no type generates this file",
            path.display()
        );
    }
}

/// Docstrings become descriptions, so they may not refer to Rust code.
#[test]
fn descriptions_contain_no_rust_names() {
    for (name, made) in files().expect("the contracts") {
        for word in ["crate::", "[`", "serde", "Self::", "limits::"] {
            assert!(!made.contains(word), "{name} contains {word}");
        }
    }
}

#[test]
fn problems_have_the_hubs_status_and_title() {
    let of_agencies = AGENCY_PROBLEMS.iter().map(|kind| (kind.code, kind.status, kind.title));
    for (name, status, title) in of_agencies.chain(OF_APPS.iter().copied()) {
        let code = Code::ALL.iter().find(|code| code.name() == name);
        let code = code.unwrap_or_else(|| panic!("the hub knows no {name}"));
        assert_eq!(code.status().as_u16(), status, "{name}");
        assert_eq!(code.title().of(Language::English), title, "{name}");
    }
}

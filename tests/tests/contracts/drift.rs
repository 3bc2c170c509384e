//! The files that are checked in are what the types say.

use std::collections::BTreeSet;

use http_kit::problem::{Code, Language};
use protocol::contracts::app::problems::OF_APPS;
use protocol::contracts::problems::KINDS;
use protocol::contracts::{COMMAND, files};
use tongban_tests::repository::{files as checked_in, text};

const FOLDER: &str = "shared/protocol/contracts";

#[test]
fn the_files_are_what_the_types_say() {
    for (name, made) in files().expect("the contracts") {
        let stored = text(&format!("{FOLDER}/{name}"));
        assert!(stored == made, "{FOLDER}/{name} is not what the types say: run `{COMMAND}`");
    }
}

#[test]
fn no_schema_is_left_over() {
    let made: BTreeSet<String> =
        files().expect("the contracts").into_keys().map(|name| format!("{FOLDER}/{name}")).collect();
    for path in checked_in(&format!("{FOLDER}/schemas"), ".json") {
        assert!(made.contains(path.to_str().expect("a path")), "{}: no type makes it", path.display());
    }
}

/// A docstring is a description, so it may not point into Rust.
#[test]
fn descriptions_speak_to_everyone() {
    for (name, made) in files().expect("the contracts") {
        for word in ["crate::", "[`", "serde", "Self::", "limits::"] {
            assert!(!made.contains(word), "{name} speaks of {word}");
        }
    }
}

#[test]
fn problems_have_the_status_and_title_that_the_hub_gives() {
    let of_agencies = KINDS.iter().map(|kind| (kind.code, kind.status, kind.title));
    for (name, status, title) in of_agencies.chain(OF_APPS.iter().copied()) {
        let code = Code::ALL.iter().find(|code| code.name() == name);
        let code = code.unwrap_or_else(|| panic!("the hub knows no {name}"));
        assert_eq!(code.status().as_u16(), status, "{name}");
        assert_eq!(code.title().of(Language::English), title, "{name}");
    }
}

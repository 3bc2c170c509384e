//! The published contracts: JSON Schemas, AsyncAPI and OpenAPI, made from the types of this crate.
//!
//! `cargo run -p protocol --features schema --bin contracts` writes them to `shared/protocol/contracts/`, a test
//! compares. The two API documents are frames written by hand (`contracts/frames/`), into which the schemas, the
//! examples and the answers that are problems are put.

pub mod app;
mod error;
pub mod examples;
pub(crate) mod fields;
mod frames;
mod naming;
pub mod problems;
mod schemas;

use std::collections::BTreeMap;

pub use error::ContractError;
pub use frames::document;
pub use schemas::{components, schemas};

/// Command that writes the contract files again.
pub const COMMAND: &str = "cargo run -p protocol --features schema --bin contracts";

/// Every generated file by its path within `shared/protocol/contracts/`.
///
/// # Errors
/// [`ContractError`].
pub fn files() -> Result<BTreeMap<String, String>, ContractError> {
    let mut files = BTreeMap::new();
    for (name, schema) in schemas() {
        let text = serde_json::to_string_pretty(&schema)?;
        files.insert(format!("schemas/{name}.json"), format!("{text}\n"));
    }
    for (name, frame) in frames::FRAMES {
        let text: String =
            serde_yaml_ng::to_string(&document(frame)?)?.lines().map(|line| quoted(line) + "\n").collect();
        files.insert(
            name.to_owned(),
            format!("# Made by `{COMMAND}`; change the frame or the types.\n{text}"),
        );
    }
    files.insert(app::FILE.to_owned(), format!("{}\n", serde_json::to_string_pretty(&app::document()?)?));
    Ok(files)
}

/// A line of YAML with its value in quotes where that is a day or a time: readers of YAML 1.1 take a bare one for a
/// date, which JSON does not have.
fn quoted(line: &str) -> String {
    let start = line.find(": ").map(|at| at + 2).or_else(|| line.find("- ").map(|at| at + 2));
    let Some((before, value)) = start.and_then(|at| line.split_at_checked(at)) else {
        return line.to_owned();
    };
    let bytes = value.as_bytes();
    let is_date = bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && value.chars().all(|sign| sign.is_ascii_digit() || matches!(sign, '-' | ':' | '.' | 'T' | 'Z'));
    if is_date { format!("{before}'{value}'") } else { line.to_owned() }
}

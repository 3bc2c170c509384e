//! The published contracts are generated from the types.
#![cfg(feature = "schema")]

use std::fs;
use std::path::Path;

use protocol::contracts::{COMMAND, files};

#[test]
fn the_files_equal_the_generated_contracts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    let made = files().expect("the contracts");
    assert!(made.len() > 10, "{} files", made.len());
    for (name, made) in made {
        let stored = fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(stored == made, "shared/protocol/contracts/{name} differs from the types: run `{COMMAND}`");
    }
}

//! Writes the published contracts, or compares them with `--check`. See `protocol::contracts`.

use std::error::Error;
use std::fs;
use std::path::Path;

use protocol::contracts::{COMMAND, files};

fn main() -> Result<(), Box<dyn Error>> {
    let check = std::env::args().any(|argument| argument == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
    for (name, text) in files()? {
        let path = folder.join(&name);
        if check {
            if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
                return Err(format!("{name} does not match the types: run `{COMMAND}`").into());
            }
        } else {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, text)?;
        }
    }
    Ok(())
}

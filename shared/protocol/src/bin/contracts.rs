//! Writes the published contracts and the generated parts of the guide for agencies, or compares them with `--check`. See
//! `protocol::contracts`.

use std::error::Error;
use std::fs;
use std::path::Path;

use protocol::contracts::pages::page_parts;
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
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for part in page_parts() {
        let path = top.join(part.page);
        let old = fs::read_to_string(&path)?;
        let new = part.put_into(&old).ok_or(format!("{} has no part `{}`", part.page, part.name))?;
        if check && new != old {
            return Err(format!("{}: the part `{}` is old: run `{COMMAND}`", part.page, part.name).into());
        }
        if !check {
            fs::write(&path, new)?;
        }
    }
    Ok(())
}

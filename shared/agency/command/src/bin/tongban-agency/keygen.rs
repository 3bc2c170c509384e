//! New keys.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::Value;

use crate::arguments::Keygen;
use crate::screen::print;

/// Writes the private keys, readable by their owner alone, and prints their public parts: as lines for the hub's list
/// of agencies where they are the first pair, as a JWK where it is one that replaces another.
pub(crate) fn keygen(given: &Keygen) -> Result<ExitCode> {
    if let Some(name) = &given.name {
        let usage = if name.starts_with("signing") { KeyUse::Signing } else { KeyUse::Encryption };
        print(&written(&given.out, name, usage)?.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, usage) in [("signing", KeyUse::Signing), ("encryption", KeyUse::Encryption)] {
        let public = inline_table(&written(&given.out, name, usage)?);
        print(&format!("{name}_keys = [{public}]"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a key and writes it.
///
/// Returns its public part.
fn written(folder: &Path, name: &str, usage: KeyUse) -> Result<Value> {
    let key = PrivateKey::generate(usage)?;
    let path = folder.join(format!("{name}.jwk.json"));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{}", key.to_jwk().map_err(std::io::Error::other)?))
        .with_context(|| path.display().to_string())?;
    Ok(key.public().to_jwk()?)
}

/// A JWK as an inline table of TOML: its members are all texts, and a JSON text is a TOML text.
fn inline_table(jwk: &Value) -> String {
    let members = jwk.as_object().into_iter().flatten();
    let members: Vec<String> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

//! `keygen`: creates keys.

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

/// Writes private keys that only this user may read, and prints their public parts: the first pair as lines for
/// `agencies.toml`, a replacement key as a JWK.
pub(crate) fn keygen(given: &Keygen) -> Result<ExitCode> {
    if let Some(name) = &given.name {
        let usage = if name.starts_with("signing") { KeyUse::Signing } else { KeyUse::Encryption };
        print(&create_key(&given.out, name, usage)?.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, usage) in [("signing", KeyUse::Signing), ("encryption", KeyUse::Encryption)] {
        let public = inline_table(&create_key(&given.out, name, usage)?);
        print(&format!("{name}_keys = [{public}]"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Creates a key and writes it to a file.
///
/// Returns the public part.
fn create_key(folder: &Path, name: &str, usage: KeyUse) -> Result<Value> {
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

/// A JWK as an inline table of TOML. All members are strings, and a JSON string is a TOML string.
fn inline_table(jwk: &Value) -> String {
    let members = jwk.as_object().into_iter().flatten();
    let members: Vec<String> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

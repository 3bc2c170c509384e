//! New keys.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::Value;

/// Writes both private keys, readable by their owner alone, and prints their public parts.
pub(crate) fn keygen(folder: &Path) -> Result<ExitCode> {
    let keys = [("signing", KeyUse::Signing), ("encryption", KeyUse::Encryption)];
    for (name, usage) in keys {
        let key = PrivateKey::generate(usage)?;
        let path = folder.join(format!("{name}.jwk.json"));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| writeln!(file, "{}", key.to_jwk().map_err(std::io::Error::other)?))
            .with_context(|| path.display().to_string())?;
        let public = inline_table(&key.public().to_jwk()?);
        writeln!(std::io::stdout(), "{name}_keys = [{public}]")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A JWK as an inline table of TOML: its members are all texts, and a JSON text is a TOML text.
fn inline_table(jwk: &Value) -> String {
    let members = jwk.as_object().into_iter().flatten();
    let members: Vec<String> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

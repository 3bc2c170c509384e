//! An agency's keys: their state and origin, and public keys from files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use domain::agencies::AgencyRow;
use domain::agency_override::{AgencyOverride, KeyRole, OverriddenAgency};
use protocol::jose::PublicKey;
use serde::Serialize;
use serde_json::Value;

/// Source of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The agency's row in `infra/agencies.toml`.
    Row,
    /// An override by an operator.
    Operator,
}

/// State of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// The key verifies reports, or messages are encrypted to it.
    InUse,
    /// An earlier encryption key: the agency decrypts earlier messages with it.
    Former,
    /// The hub neither accepts signatures of this key nor encrypts to it.
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgencyKey {
    pub kid: String,
    /// `None` for a revoked key of an operator: only its name is recorded.
    pub role: Option<KeyRole>,
    pub state: KeyState,
    /// `None` when the key is no longer listed.
    pub origin: Option<Origin>,
}

/// An agency's keys: signing keys, encryption keys in the order of use, then revoked keys.
#[must_use]
pub(super) fn listed(row: &AgencyRow, overridden: &OverriddenAgency) -> Vec<AgencyKey> {
    let mut all = Vec::new();
    let lists = [
        (KeyRole::Signing, &overridden.signing_keys, &row.signing_keys),
        (KeyRole::Encryption, &overridden.encryption_keys, &row.encryption_keys),
    ];
    let mut revoked: Vec<AgencyKey> = Vec::new();
    for (role, added, written) in lists {
        let added = added.iter().map(|jwk| (jwk, Origin::Operator));
        let mut first = true;
        for (jwk, origin) in added.chain(written.iter().map(|jwk| (jwk, Origin::Row))) {
            let kid = jwk.get("kid").and_then(Value::as_str).unwrap_or("(without a name)").to_owned();
            let (role, origin) = (Some(role), Some(origin));
            if overridden.revoked.contains(&kid) {
                revoked.push(AgencyKey { kid, role, state: KeyState::Revoked, origin });
                continue;
            }
            let former = role == Some(KeyRole::Encryption) && !first;
            let state = if former { KeyState::Former } else { KeyState::InUse };
            first = false;
            all.push(AgencyKey { kid, role, state, origin });
        }
    }
    for kid in &overridden.revoked {
        if !revoked.iter().any(|key| &key.kid == kid) {
            revoked.push(AgencyKey { kid: kid.clone(), role: None, state: KeyState::Revoked, origin: None });
        }
    }
    all.extend(revoked);
    all
}

/// The override that adds the key in a file: a public JWK (P-256) with `kid` and `use`.
///
/// # Errors
/// The file cannot be read, is not such a key, or contains a PRIVATE key.
pub fn read_key(path: &Path) -> Result<AgencyOverride> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    add_key(&text).with_context(|| path.display().to_string())
}

fn add_key(text: &str) -> Result<AgencyOverride> {
    let jwk = protocol::json::parse(text.as_bytes(), text.len())?;
    if jwk.get("d").is_some() {
        bail!(
            "the file contains a PRIVATE key: everyone who has seen it can act as the agency. Generate a new key and give its public part"
        );
    }
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    let role = match member("use") {
        Some("sig") => KeyRole::Signing,
        Some("enc") => KeyRole::Encryption,
        Some(_) | None => bail!("the key has no purpose: \"use\" must be \"sig\" or \"enc\""),
    };
    if member("kid").is_none_or(str::is_empty) {
        bail!("the key has no name: \"kid\" is missing");
    }
    if member("crv") != Some("P-256") || PublicKey::from_jwk(&jwk).is_err() {
        bail!("the key is not a public JWK on the curve P-256");
    }
    Ok(AgencyOverride::AddKey { role, jwk })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;
    use protocol::jose::{KeyUse, PrivateKey};
    use serde_json::json;

    #[test]
    fn keys_are_listed_in_the_order_of_use() {
        let row: AgencyRow = serde_json::from_value(json!({
            "code": "11", "zh": "北京市", "en": "Beijing", "state": "active",
            "signing_keys": [{ "kid": "s1" }], "encryption_keys": [{ "kid": "e1" }],
        }))
        .unwrap();
        let overridden: OverriddenAgency = serde_json::from_value(json!({
            "signing_keys": [{ "kid": "s2" }], "encryption_keys": [{ "kid": "e2" }], "revoked": ["s1", "s0"],
        }))
        .unwrap();
        let keys: Vec<_> =
            listed(&row, &overridden).into_iter().map(|key| (key.kid, key.state, key.origin)).collect();
        let expected = [
            ("s2", KeyState::InUse, Some(Origin::Operator)),
            ("e2", KeyState::InUse, Some(Origin::Operator)),
            ("e1", KeyState::Former, Some(Origin::Row)),
            ("s1", KeyState::Revoked, Some(Origin::Row)),
            ("s0", KeyState::Revoked, None),
        ];
        assert_eq!(keys, expected.map(|(kid, state, origin)| (kid.to_owned(), state, origin)));
    }

    #[test]
    fn a_key_from_a_file_is_public_and_has_a_name_and_a_purpose() {
        let key = PrivateKey::generate(KeyUse::Encryption).unwrap();
        let public = key.public().to_jwk().unwrap();
        let read = add_key(&public.to_string()).unwrap();
        assert!(matches!(read, AgencyOverride::AddKey { role: KeyRole::Encryption, .. }));
        let refusal = |change: fn(&mut Value)| {
            let mut jwk = public.clone();
            change(&mut jwk);
            add_key(&jwk.to_string()).unwrap_err().to_string()
        };
        assert!(refusal(|jwk| jwk["d"] = "AAAA".into()).contains("PRIVATE"));
        assert!(refusal(|jwk| jwk["use"] = "both".into()).contains("\"use\""));
        assert!(refusal(|jwk| jwk["kid"] = "".into()).contains("\"kid\""));
        assert!(refusal(|jwk| jwk["x"] = "AAAA".into()).contains("P-256"));
        assert!(add_key("no").is_err());
    }
}

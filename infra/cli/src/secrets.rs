//! The keys of a local hub, generated once and stored under `target` in a file that only its owner may read.
//!
//! For a live hub, `deploy` generates the keys and stores them only in the stack.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::{AgencyCode, TenantId};
use jiff::Timestamp;
use protocol::jose::{KeyUse, PrivateKey, PublicKey, sign};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::workspace::write_whole;

/// Issuer of local access tokens.
pub const ISSUER: &str = "urn:tongban:local";
/// Audience of access tokens.
pub const AUDIENCE: &str = "tongban";
/// All scopes.
pub const SCOPES: [&str; 3] = ["applications:read", "applications:write", "subscriptions:write"];
/// Default lifetime of a local access token in hours: a working day.
pub const TOKEN_HOURS: u8 = 12;
/// Longest lifetime of a local access token in hours; the hub refuses tokens that live longer than a day.
pub const TOKEN_HOURS_MOST: u8 = 24;

/// An agency's private keys.
#[derive(Clone, Debug)]
pub struct AgencyKeys {
    /// Signs the agency's reports.
    pub signing: PrivateKey,
    /// Decrypts the agency's messages.
    pub encryption: PrivateKey,
}

/// All keys of a local hub, its agencies and its token issuer.
#[derive(Clone)]
pub struct Secrets {
    id_secret: String,
    person_index_key: String,
    hub: PrivateKey,
    issuer: PrivateKey,
    agencies: BTreeMap<AgencyCode, AgencyKeys>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// The form of the key file: private JWKs.
#[derive(Default, Serialize, Deserialize)]
struct KeyFile {
    id_secret: Option<String>,
    person_index_key: Option<String>,
    hub: Option<Value>,
    issuer: Option<Value>,
    #[serde(default)]
    agencies: BTreeMap<String, StoredAgencyKeys>,
}

#[derive(Serialize, Deserialize)]
struct StoredAgencyKeys {
    signing: Value,
    encryption: Value,
}

impl Secrets {
    /// Reads the key file. Generates the missing keys and writes them into the file.
    ///
    /// # Errors
    /// The file cannot be read or written, or is damaged.
    pub fn open<'c>(path: &Path, agencies: impl IntoIterator<Item = &'c AgencyCode>) -> Result<Secrets> {
        let damaged = || format!("{} is damaged; remove it and run this again", path.display());
        let written: KeyFile = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(damaged)?,
            Err(error) if error.kind() == ErrorKind::NotFound => KeyFile::default(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let mut secrets = Secrets {
            id_secret: written.id_secret.map_or_else(new_secret, Ok)?,
            person_index_key: written.person_index_key.map_or_else(new_secret, Ok)?,
            hub: read_or_generate(written.hub.as_ref(), KeyUse::Signing).with_context(damaged)?,
            issuer: read_or_generate(written.issuer.as_ref(), KeyUse::Signing).with_context(damaged)?,
            agencies: BTreeMap::new(),
        };
        let mut codes: BTreeSet<AgencyCode> = agencies.into_iter().cloned().collect();
        codes.extend(written.agencies.keys().filter_map(|code| code.parse().ok()));
        for code in codes {
            let stored = written.agencies.get(&code.to_string());
            let keys = AgencyKeys {
                signing: read_or_generate(stored.map(|k| &k.signing), KeyUse::Signing)
                    .with_context(damaged)?,
                encryption: read_or_generate(stored.map(|k| &k.encryption), KeyUse::Encryption)
                    .with_context(damaged)?,
            };
            secrets.agencies.insert(code, keys);
        }
        let text = serde_json::to_vec_pretty(&secrets.written()?)?;
        if fs::read(path).ok().as_deref() != Some(text.as_slice()) {
            write_whole(path, &text, true)?;
        }
        Ok(secrets)
    }

    fn written(&self) -> Result<KeyFile> {
        let agencies = self.agencies.iter().map(|(code, keys)| {
            let written =
                StoredAgencyKeys { signing: keys.signing.to_jwk()?, encryption: keys.encryption.to_jwk()? };
            Ok((code.to_string(), written))
        });
        Ok(KeyFile {
            id_secret: Some(self.id_secret.clone()),
            person_index_key: Some(self.person_index_key.clone()),
            hub: Some(self.hub.to_jwk()?),
            issuer: Some(self.issuer.to_jwk()?),
            agencies: agencies.collect::<Result<_>>()?,
        })
    }

    /// The 32 bytes from which application ids are derived, in base64url.
    #[must_use]
    pub fn id_secret(&self) -> &str {
        &self.id_secret
    }

    /// The 32 bytes that identity numbers are hashed with in the index of persons, in base64url.
    #[must_use]
    pub fn person_index_key(&self) -> &str {
        &self.person_index_key
    }

    /// The key that signs the hub's messages.
    #[must_use]
    pub fn hub(&self) -> &PrivateKey {
        &self.hub
    }

    /// Every agency's keys.
    #[must_use]
    pub fn agencies(&self) -> &BTreeMap<AgencyCode, AgencyKeys> {
        &self.agencies
    }

    /// The accepted token issuers, in the form of the hub's environment variable.
    ///
    /// # Errors
    /// The key has no JWK form.
    pub fn token_issuers(&self) -> Result<String> {
        let keys = [self.issuer.public().to_jwk()?];
        Ok(json!([{ "issuer": ISSUER, "audience": AUDIENCE, "keys": keys }]).to_string())
    }

    /// An access token (RFC 9068) for an app backend, valid for `hours`, at most [`TOKEN_HOURS_MOST`].
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn access_token(&self, tenant: &TenantId, scopes: &[&str], hours: u8) -> Result<String> {
        let now = Timestamp::now().as_second();
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": tenant,
            "client_id": tenant,
            "tenant": tenant,
            "scope": scopes.join(" "),
            "iat": now,
            "nbf": now,
            "exp": now + i64::from(hours.min(TOKEN_HOURS_MOST)) * 3600,
            "jti": Uuid::new_v4(),
        });
        self.signed("at+jwt", &claims)
    }

    /// Signs arbitrary claims with the issuer's key, for tests of tokens that the hub must refuse.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn signed(&self, typ: &str, claims: &Value) -> Result<String> {
        sign(typ, claims, &self.issuer).context("the access token cannot be signed")
    }
}

/// The public keys that verify the hub's messages, the key in use first, in the form of the hub's environment variable.
///
/// # Errors
/// A key has no JWK form.
pub fn hub_keys<'k>(keys: impl IntoIterator<Item = &'k PublicKey>) -> Result<String> {
    let keys = keys.into_iter().map(PublicKey::to_jwk).collect::<Result<Vec<Value>, _>>()?;
    Ok(json!({ "keys": keys }).to_string())
}

/// 32 random bytes in base64url.
///
/// # Errors
/// The system gives no random bytes.
pub fn new_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read_or_generate(written: Option<&Value>, usage: KeyUse) -> Result<PrivateKey> {
    Ok(match written {
        Some(jwk) => PrivateKey::from_jwk(jwk)?,
        None => PrivateKey::generate(usage)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    #[test]
    fn keys_are_made_once_and_for_their_owner_alone() {
        let folder = std::env::temp_dir().join(format!("tongban-secrets-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("keys.json");
        let beijing: AgencyCode = "11".parse().unwrap();
        let hohhot: AgencyCode = "1501".parse().unwrap();
        let first = Secrets::open(&path, [&beijing]).unwrap();
        let second = Secrets::open(&path, [&beijing, &hohhot]).unwrap();
        let third = Secrets::open(&path, []).unwrap();
        assert_eq!(first.id_secret(), third.id_secret());
        assert_eq!(first.person_index_key(), third.person_index_key());
        assert_ne!(first.person_index_key(), first.id_secret());
        assert_eq!(first.hub().public().kid(), third.hub().public().kid());
        assert_eq!(
            first.agencies()[&beijing].signing.public().kid(),
            second.agencies()[&beijing].signing.public().kid()
        );
        assert_eq!(third.agencies().len(), 2, "an agency that left keeps its keys");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&path, "{").unwrap();
        let told = Secrets::open(&path, []).unwrap_err().to_string();
        assert!(told.contains("damaged"), "{told}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

//! Overrides: changes by operators since the last deploy. Operators suspend agencies, add keys and revoke keys.
//!
//! The rows of `infra/agencies.toml` change with a deploy, which takes minutes. The hub must refuse a leaked key within
//! one minute, so the overrides apply on top of the rows. The hub records each override with operator, time and reason.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::agencies::{Agencies, AgencyRow, AgencyState};
use crate::free_text::FreeText;
use crate::ids::AgencyCode;

/// Keys of one role that may be added to an agency besides the keys of its row.
pub const ADDED_KEYS: usize = 8;
/// Revoked keys of one agency, at most. Remove revoked keys from the row before the limit is reached.
pub const REVOKED_KEYS: usize = 32;
/// Bytes of an added key as JSON. A public JWK on P-256 has about 250; the bound keeps the table's item small.
pub const KEY_BYTES: usize = 1024;
/// Bytes of a key's id.
pub const KID_BYTES: usize = 128;
/// Bytes of all overrides as JSON from which no key is added, so that the table's item (400 KB) always has room for a
/// revocation.
pub const OVERRIDES_BYTES: usize = 200 * 1024;
/// Characters of a reason, and of an operator's name.
pub const REASON: usize = 200;

/// Role of an agency's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    /// Verifies the agency's signatures.
    Signing,
    /// Encrypts messages to the agency.
    Encryption,
}

/// One change to one agency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum AgencyOverride {
    /// Suspend the agency: no new cases, and open cases wait.
    Suspend,
    /// End the suspension. The agency takes cases again unless its row suspends it, too.
    Resume,
    /// Add a key. The hub encrypts with a new encryption key at once; the agency decrypts earlier messages with its
    /// older keys.
    AddKey {
        /// Role of the key.
        role: KeyRole,
        /// A public JWK with a `kid`.
        jwk: serde_json::Value,
    },
    /// Revoke a key of the row or of an override. A revoked key id cannot be added again.
    RevokeKey {
        /// Key id.
        kid: String,
    },
    /// Remove an encryption key that an operator added. It may be added again, so that one key can rehearse a rotation
    /// more than once. A leaked key is revoked.
    RemoveKey {
        /// Key id.
        kid: String,
    },
}

/// The overrides of one agency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OverriddenAgency {
    /// Whether an override suspends the agency.
    #[serde(default)]
    pub suspended: bool,
    /// Signing keys besides the keys of the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signing_keys: Vec<serde_json::Value>,
    /// Encryption keys, newest first, in front of the keys of the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encryption_keys: Vec<serde_json::Value>,
    /// Ids of revoked keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub revoked: BTreeSet<String>,
}

/// All overrides that are in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgencyOverrides {
    /// Version: the number of overrides so far.
    pub version: u32,
    /// SHA-256 of the last record in base64url; empty before the first.
    #[serde(default)]
    pub hash: String,
    /// Overrides by agency.
    #[serde(default)]
    pub agencies: BTreeMap<AgencyCode, OverriddenAgency>,
}

/// The record of one override. Records are chained: each carries the hash of the record before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the overrides after this record, from 1.
    pub version: u32,
    /// Time of the override.
    pub at: Timestamp,
    /// Name of the operator's AWS identity.
    pub by: String,
    /// Overridden agency.
    pub agency: AgencyCode,
    /// The change.
    #[serde(flatten)]
    pub change: AgencyOverride,
    /// Reason that the operator gave.
    pub reason: String,
    /// SHA-256 of the record before in base64url; empty in the first record.
    pub prev: String,
}

/// Why an override is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// No row has this code.
    #[error("there is no agency {0}")]
    UnknownAgency(AgencyCode),
    /// The override changes nothing.
    #[error("this change is already in force; nothing was changed")]
    Unchanged,
    /// The key is private, or has no `kid`.
    #[error("the key is not a public JWK with a \"kid\"")]
    NotAKey,
    /// A key or a revoked key of the agency has this id.
    #[error("the agency has, or had, a key {0}")]
    KeyTaken(String),
    /// The key is too large, or its id is too long.
    #[error(
        "a key has at most {KEY_BYTES} bytes and its \"kid\" at most {KID_BYTES}: give the members kty, crv, x, y, kid and use only"
    )]
    TooLarge,
    /// Another agency has, or had, a key with this id, or has the same key under another id.
    #[error(
        "agency {agency} has, or had, the key {kid}: every agency needs its own keys, each with a \"kid\" of its own"
    )]
    KeyOfAnotherAgency {
        /// The other agency.
        agency: AgencyCode,
        /// Id of the other agency's key.
        kid: String,
    },
    /// The agency has no key with this id.
    #[error("the agency has no key {0}")]
    UnknownKey(String),
    /// No operator added the key, or it is not an encryption key.
    #[error("no operator added an encryption key {0}")]
    NotAdded(String),
    /// The agency already has the maximum number of such overrides.
    #[error("there are {0} already; put them into infra/agencies.toml and deploy")]
    TooMany(usize),
    /// All overrides together have no room for another key.
    #[error("the overrides have no room for another key; put the keys into infra/agencies.toml and deploy")]
    Full,
    /// The reason or the operator's name is not a free text of at most [`REASON`] characters.
    #[error("a reason is one line of 1 to {REASON} characters, with a letter or a digit")]
    Reason,
    /// The record cannot be written as JSON.
    #[error("the record cannot be written")]
    Unwritable,
}

impl AgencyOverrides {
    /// Applies one more override to these rows. Returns the overrides after it, and the bytes of its record.
    ///
    /// # Errors
    /// [`OverrideError`] when the override is refused; nothing changes.
    pub fn apply(
        &self,
        rows: &Agencies,
        agency: &AgencyCode,
        change: AgencyOverride,
        (by, reason): (&str, &str),
        at: Timestamp,
    ) -> Result<(AgencyOverrides, Vec<u8>), OverrideError> {
        let (Ok(reason), Ok(by)) = (FreeText::read(reason, REASON), FreeText::read(by, REASON)) else {
            return Err(OverrideError::Reason);
        };
        let row = rows.agency(agency).ok_or_else(|| OverrideError::UnknownAgency(agency.clone()))?;
        if let AgencyOverride::AddKey { jwk, .. } = &change {
            self.check_key_is_new(rows, agency, jwk)?;
            let bytes = serde_json::to_vec(self).map_err(|_| OverrideError::Unwritable)?.len();
            if bytes > OVERRIDES_BYTES {
                return Err(OverrideError::Full);
            }
        }
        let mut after = self.clone();
        after.agencies.entry(agency.clone()).or_default().take(row, &change)?;
        after.version = after.version.saturating_add(1);
        let record = Record {
            version: after.version,
            at,
            by: by.into_string(),
            agency: agency.clone(),
            change,
            reason: reason.into_string(),
            prev: self.hash.clone(),
        };
        let bytes = serde_json::to_vec(&record).map_err(|_| OverrideError::Unwritable)?;
        after.hash = hash(&bytes);
        Ok((after, bytes))
    }
}

impl AgencyOverrides {
    /// Refuses a key whose id another agency has or had, or that another agency has under another id.
    fn check_key_is_new(
        &self,
        rows: &Agencies,
        agency: &AgencyCode,
        jwk: &serde_json::Value,
    ) -> Result<(), OverrideError> {
        let nothing = OverriddenAgency::default();
        for row in rows.agencies().iter().filter(|row| row.code != *agency) {
            let others = self.agencies.get(&row.code).unwrap_or(&nothing);
            let of_another = |kid: &str| OverrideError::KeyOfAnotherAgency {
                agency: row.code.clone(),
                kid: kid.to_owned(),
            };
            if let Some(kid) = kid(jwk).filter(|kid| others.knows(row, kid) || others.revoked.contains(*kid))
            {
                return Err(of_another(kid));
            }
            if let Some(same) = others.keys(row).find(|other| is_same_key(other, jwk)) {
                return Err(of_another(kid(same).unwrap_or_default()));
            }
        }
        Ok(())
    }
}

/// The hash of a record, which the next record carries.
#[must_use]
pub fn hash(record: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(record))
}

impl OverriddenAgency {
    fn take(&mut self, row: &AgencyRow, change: &AgencyOverride) -> Result<(), OverrideError> {
        match change {
            AgencyOverride::Suspend | AgencyOverride::Resume => {
                let suspended = *change == AgencyOverride::Suspend;
                if self.suspended == suspended {
                    return Err(OverrideError::Unchanged);
                }
                self.suspended = suspended;
            }
            AgencyOverride::AddKey { role, jwk } => {
                let kid = kid(jwk).filter(|_| jwk.get("d").is_none()).ok_or(OverrideError::NotAKey)?;
                let bytes = serde_json::to_vec(jwk).map_or(usize::MAX, |json| json.len());
                if bytes > KEY_BYTES || kid.len() > KID_BYTES {
                    return Err(OverrideError::TooLarge);
                }
                if self.knows(row, kid) || self.revoked.contains(kid) {
                    return Err(OverrideError::KeyTaken(kid.to_owned()));
                }
                let keys = match role {
                    KeyRole::Signing => &mut self.signing_keys,
                    KeyRole::Encryption => &mut self.encryption_keys,
                };
                if keys.len() >= ADDED_KEYS {
                    return Err(OverrideError::TooMany(ADDED_KEYS));
                }
                keys.insert(0, jwk.clone());
            }
            AgencyOverride::RevokeKey { kid: name } => {
                if self.revoked.contains(name) {
                    return Err(OverrideError::Unchanged);
                }
                if !self.knows(row, name) {
                    return Err(OverrideError::UnknownKey(name.clone()));
                }
                if self.revoked.len() >= REVOKED_KEYS {
                    return Err(OverrideError::TooMany(REVOKED_KEYS));
                }
                self.signing_keys.retain(|jwk| kid(jwk) != Some(name));
                self.encryption_keys.retain(|jwk| kid(jwk) != Some(name));
                self.revoked.insert(name.clone());
            }
            AgencyOverride::RemoveKey { kid: name } => {
                let before = self.encryption_keys.len();
                self.encryption_keys.retain(|jwk| kid(jwk) != Some(name));
                if self.encryption_keys.len() == before {
                    return Err(OverrideError::NotAdded(name.clone()));
                }
            }
        }
        Ok(())
    }

    fn knows(&self, row: &AgencyRow, name: &str) -> bool {
        self.keys(row).any(|jwk| kid(jwk) == Some(name))
    }

    /// The keys of the row and of the overrides, revoked ones of the row included.
    fn keys<'k>(&'k self, row: &'k AgencyRow) -> impl Iterator<Item = &'k serde_json::Value> {
        let lists = [&self.signing_keys, &self.encryption_keys, &row.signing_keys, &row.encryption_keys];
        lists.into_iter().flatten()
    }

    /// The row with the overrides applied.
    fn over(&self, row: &AgencyRow) -> AgencyRow {
        let counts = |jwk: &&serde_json::Value| !kid(jwk).is_some_and(|kid| self.revoked.contains(kid));
        let keys = |added: &[serde_json::Value], listed: &[serde_json::Value]| {
            added.iter().chain(listed).filter(counts).cloned().collect()
        };
        AgencyRow {
            state: if self.suspended { AgencyState::Suspended } else { row.state },
            signing_keys: keys(&self.signing_keys, &row.signing_keys),
            encryption_keys: keys(&self.encryption_keys, &row.encryption_keys),
            ..row.clone()
        }
    }
}

impl Agencies {
    /// The agencies with the overrides applied. An override of an agency without a row has no effect.
    #[must_use]
    pub fn with_overrides(&self, overrides: &AgencyOverrides) -> Agencies {
        let rows = self.agencies().iter();
        self.with_rows(rows.map(|row| match overrides.agencies.get(&row.code) {
            Some(overridden) => overridden.over(row),
            None => row.clone(),
        }))
    }
}

/// Whether two public JWKs are one key. Their ids, and other members beside the key itself, may differ.
#[must_use]
pub fn is_same_key(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    let material = |jwk: &serde_json::Value| ["crv", "x", "y"].map(|member| jwk.get(member).cloned());
    one.get("x").is_some() && material(one) == material(other)
}

fn kid(jwk: &serde_json::Value) -> Option<&str> {
    jwk.get("kid").and_then(serde_json::Value::as_str).filter(|kid| !kid.is_empty())
}

#[cfg(test)]
mod tests;

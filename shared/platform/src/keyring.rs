//! The signing keys of all agencies, to find the signer of a JWS.
//!
//! A `kid` is a name that an agency chooses, so two agencies may choose the same one. A key is therefore looked up by
//! agency and `kid`, and the agency is the one whose key verifies the signature.

use std::collections::{BTreeMap, HashMap};

use domain::agencies::Agencies;
use domain::ids::AgencyCode;
use protocol::jose::{JoseError, PublicKey, signer_kid, unverified_payload, verified_payload};
use protocol::json;

use crate::log_fault;

/// The agencies' signing keys, by `kid` and agency. An unusable key is logged and left out.
#[derive(Clone, Debug, Default)]
pub struct Keyring(HashMap<String, BTreeMap<AgencyCode, PublicKey>>);

/// A compact JWS whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedJws {
    /// The agency whose key verified the signature.
    pub signer: AgencyCode,
    /// The signed bytes, not parsed.
    pub payload: Vec<u8>,
}

impl Keyring {
    /// The keys of all agencies. A suspended agency may still report on its open cases.
    #[must_use]
    pub fn of(agencies: &Agencies) -> Keyring {
        let mut keys: HashMap<String, BTreeMap<AgencyCode, PublicKey>> = HashMap::new();
        for row in agencies.agencies() {
            for jwk in &row.signing_keys {
                match PublicKey::from_jwk(jwk) {
                    Ok(key) => {
                        // The first key wins: a later one of the same agency and name cannot replace it.
                        keys.entry(key.kid().to_owned()).or_default().entry(row.code.clone()).or_insert(key);
                    }
                    Err(error) => {
                        log_fault!(true, &format!("signing key of {} {error}", row.code), agency = %row.code, %error, "a signing key of the agency cannot be used; reports signed with it are rejected")
                    }
                }
            }
        }
        Keyring(keys)
    }

    /// Verifies a compact JWS of type `typ`. The agency that the payload names is tried first, then every other agency
    /// that has a key of this name: so the key of one agency never hides the key of another, and the signer of a
    /// payload that names another agency, or none, is still known.
    ///
    /// # Errors
    /// [`JoseError`]; when the named agency has such a key, the reason why this key does not verify.
    pub fn verify(&self, typ: &str, jws: &str) -> Result<VerifiedJws, JoseError> {
        let owners = self.0.get(&signer_kid(jws)?).ok_or(JoseError::UnknownKey)?;
        let named = named_agency(jws);
        let first = owners.iter().filter(|(agency, _)| Some(*agency) == named.as_ref());
        let others = owners.iter().filter(|(agency, _)| Some(*agency) != named.as_ref());
        let mut reason = None;
        for (agency, key) in first.chain(others) {
            match verified_payload(typ, jws, [key]) {
                Ok(payload) => return Ok(VerifiedJws { signer: agency.clone(), payload }),
                Err(error) => reason = reason.or(Some(error)),
            }
        }
        Err(reason.unwrap_or(JoseError::UnknownKey))
    }
}

/// The agency that an unverified payload names. Only the order of the tries depends on it.
fn named_agency(jws: &str) -> Option<AgencyCode> {
    let payload = unverified_payload(jws).ok()?;
    json::parse(&payload, payload.len()).ok()?.get("agency")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use domain::agencies::AgencyRow;
    use protocol::jose::{KeyUse, PrivateKey, sign};
    use serde_json::{Value, json};

    use super::*;

    fn row(code: &str, keys: &[Value]) -> AgencyRow {
        let row = json!({ "code": code, "zh": "x", "en": "x", "state": "active", "signing_keys": keys });
        serde_json::from_value(row).unwrap()
    }

    fn renamed(key: &PrivateKey, kid: &str) -> PrivateKey {
        let mut jwk = key.to_jwk().unwrap();
        jwk["kid"] = kid.into();
        PrivateKey::from_jwk(&jwk).unwrap()
    }

    #[test]
    fn a1_a_key_of_another_agency_with_the_same_kid_hides_no_key() {
        let generate = || renamed(&PrivateKey::generate(KeyUse::Signing).unwrap(), "2026");
        let (eleven, thirteen) = (generate(), generate());
        let public = |key: &PrivateKey| key.public().to_jwk().unwrap();
        let rows = vec![row("11", &[public(&eleven)]), row("13", &[public(&thirteen)])];
        let keyring = Keyring::of(&Agencies::new(rows).unwrap());
        let signer = |payload: Value, key: &PrivateKey| {
            keyring.verify("t", &sign("t", &payload, key).unwrap()).map(|jws| jws.signer.to_string())
        };
        assert_eq!(signer(json!({ "agency": "11" }), &eleven).as_deref(), Ok("11"));
        assert_eq!(signer(json!({ "agency": "13" }), &thirteen).as_deref(), Ok("13"));
        assert_eq!(
            signer(json!({ "agency": "11" }), &thirteen).as_deref(),
            Ok("13"),
            "the signer, not the name"
        );
        assert_eq!(
            signer(json!({}), &eleven).as_deref(),
            Ok("11"),
            "a payload without an agency has a signer"
        );
        let stranger = generate();
        assert_eq!(signer(json!({ "agency": "11" }), &stranger), Err(JoseError::Forged));
    }

    #[test]
    fn an_encryption_key_of_an_agency_signs_nothing() {
        let generate = |usage| PrivateKey::generate(usage).unwrap();
        let (signing, encryption) = (generate(KeyUse::Signing), generate(KeyUse::Encryption));
        let mut agency = row("11", &[signing.public().to_jwk().unwrap()]);
        agency.encryption_keys = vec![encryption.public().to_jwk().unwrap()];
        let keyring = Keyring::of(&Agencies::new(vec![agency]).unwrap());
        let verified = |key| keyring.verify("t", &sign("t", &json!({ "agency": "11" }), key).unwrap());
        assert!(verified(&signing).is_ok());
        assert_eq!(verified(&encryption), Err(JoseError::UnknownKey));
    }

    #[test]
    fn a1_one_key_under_two_agencies_signs_for_the_named_one() {
        let key = PrivateKey::generate(KeyUse::Signing).unwrap();
        let jwk = key.public().to_jwk().unwrap();
        let rows = vec![row("11", std::slice::from_ref(&jwk)), row("13", std::slice::from_ref(&jwk))];
        let keyring = Keyring::of(&Agencies::new(rows).unwrap());
        for code in ["11", "13"] {
            let jws = sign("t", &json!({ "agency": code }), &key).unwrap();
            assert_eq!(keyring.verify("t", &jws).unwrap().signer.to_string(), code);
        }
    }
}

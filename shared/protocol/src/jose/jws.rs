//! Compact JWS over JSON payloads.

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JoseError, PrivateKey, PublicKey};

/// Signs a payload with ES256. `typ` names what is signed, so that an object of one kind is never taken for
/// another.
///
/// # Errors
/// [`JoseError::Payload`] where the payload is not JSON, [`JoseError::Key`] where the key cannot sign.
pub fn sign<T: Serialize>(typ: &str, payload: &T, key: &PrivateKey) -> Result<String, JoseError> {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some(typ.to_owned());
    header.kid = Some(key.public().kid().to_owned());
    encode(&header, payload, &key.encoding_key()?).map_err(|_| JoseError::Payload)
}

/// The `kid` a compact JWS names, without believing anything else of it.
///
/// # Errors
/// [`JoseError::Malformed`] where there is none.
pub fn signer_kid(jws: &str) -> Result<String, JoseError> {
    let header = decode_header(jws).map_err(|_| JoseError::Malformed)?;
    header.kid.ok_or(JoseError::Malformed)
}

/// Verifies a compact JWS with the key it names among `keys`, and reads its payload.
///
/// # Errors
/// [`JoseError`]: the signature is checked before the payload is read.
pub fn verify<'k, T: DeserializeOwned>(
    typ: &str,
    jws: &str,
    keys: impl IntoIterator<Item = &'k PublicKey>,
) -> Result<T, JoseError> {
    let header = decode_header(jws).map_err(|_| JoseError::Malformed)?;
    let kid = header.kid.as_deref().ok_or(JoseError::Malformed)?;
    if header.typ.as_deref() != Some(typ) || header.crit.is_some() {
        return Err(JoseError::Header);
    }
    let key = keys.into_iter().find(|key| key.kid() == kid).ok_or(JoseError::UnknownKey)?;
    if header.alg != key.algorithm() {
        return Err(JoseError::Header);
    }
    let decoding = DecodingKey::from_jwk(key.jwk()).map_err(|_| JoseError::Key)?;
    let mut validation = Validation::new(key.algorithm());
    // Times and audiences are claims of access tokens; what is signed here carries its own fields for them.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    decode::<T>(jws, &decoding, &validation).map(|token| token.claims).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => JoseError::Forged,
        jsonwebtoken::errors::ErrorKind::Json(_) => JoseError::Payload,
        _ => JoseError::Malformed,
    })
}

#[cfg(test)]
mod tests {
    use super::super::KeyUse;
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_is_signed_verifies_under_its_own_key_and_type_only() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let other = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let jws = sign("report+jws", &json!({"a": 1}), &key).expect("signed");
        let read: Value = verify("report+jws", &jws, [other.public(), key.public()]).expect("verified");
        assert_eq!(read, json!({"a": 1}));
        assert_eq!(verify::<Value>("other+jws", &jws, [key.public()]), Err(JoseError::Header));
        assert_eq!(verify::<Value>("report+jws", &jws, [other.public()]), Err(JoseError::UnknownKey));
        assert_eq!(verify::<Value>("report+jws", "a.b.c", [key.public()]), Err(JoseError::Malformed));
    }

    #[test]
    fn a_changed_payload_is_forged() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let jws = sign("t", &json!({"a": 1}), &key).expect("signed");
        let other = sign("t", &json!({"a": 2}), &key).expect("signed");
        let parts: Vec<&str> = jws.split('.').collect();
        let payload = other.split('.').nth(1).expect("a payload");
        let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
        assert_eq!(verify::<Value>("t", &forged, [key.public()]), Err(JoseError::Forged));
    }

    #[test]
    fn a_private_key_reads_back_and_never_shows_itself() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let jwk = key.to_jwk().expect("a jwk");
        let read = PrivateKey::from_jwk(&jwk).expect("the same key");
        assert_eq!(read.public().kid(), key.public().kid());
        let secret = jwk["d"].as_str().expect("d").to_owned();
        assert!(!format!("{key:?}").contains(&secret));
        assert!(PublicKey::from_jwk(&jwk).is_err(), "a private key is not taken for a public one");
    }
}

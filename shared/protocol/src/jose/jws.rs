//! Compact JWS over JSON payloads.

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JoseError, PrivateKey, PublicKey};

/// Signs a payload with ES256. `typ` names the kind of object: a verifier that expects one kind refuses another.
///
/// # Errors
/// [`JoseError::Payload`] when the payload cannot be written as JSON, [`JoseError::Key`] when the key cannot sign.
pub fn sign<T: Serialize>(typ: &str, payload: &T, key: &PrivateKey) -> Result<String, JoseError> {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some(typ.to_owned());
    header.kid = Some(key.public().kid().to_owned());
    encode(&header, payload, &key.encoding_key()?).map_err(|_| JoseError::Payload)
}

/// Reads the `kid` of a compact JWS. The signature is not checked.
///
/// # Errors
/// [`JoseError::Malformed`] when the text is not a JWS or has no `kid`.
pub fn signer_kid(jws: &str) -> Result<String, JoseError> {
    let header = decode_header(jws).map_err(|_| JoseError::Malformed)?;
    header.kid.ok_or(JoseError::Malformed)
}

/// Verifies a compact JWS with the key among `keys` that its header names, then reads the payload.
///
/// # Errors
/// [`JoseError`]. The payload is read only after the signature verified.
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
    // `exp` and `aud` are claims of access tokens. Signed messages carry members of their own for both.
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
    fn a_jws_verifies_only_with_its_own_key_and_type() {
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
    fn a_modified_payload_is_refused_as_forged() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let jws = sign("t", &json!({"a": 1}), &key).expect("signed");
        let other = sign("t", &json!({"a": 2}), &key).expect("signed");
        let parts: Vec<&str> = jws.split('.').collect();
        let payload = other.split('.').nth(1).expect("a payload");
        let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
        assert_eq!(verify::<Value>("t", &forged, [key.public()]), Err(JoseError::Forged));
    }

    #[test]
    fn a_private_key_survives_a_round_trip_and_debug_hides_it() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let jwk = key.to_jwk().expect("a jwk");
        let read = PrivateKey::from_jwk(&jwk).expect("the same key");
        assert_eq!(read.public().kid(), key.public().kid());
        let secret = jwk["d"].as_str().expect("d").to_owned();
        assert!(!format!("{key:?}").contains(&secret));
        assert!(PublicKey::from_jwk(&jwk).is_err(), "a private key is not taken for a public one");
    }
}

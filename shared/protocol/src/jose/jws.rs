//! Compact JWS over JSON payloads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Header, crypto, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JoseError, PrivateKey, PublicKey};
use crate::json::{self, JsonError};

/// Maximum size of a JOSE header, in bytes.
pub(super) const HEADER_BYTES: usize = 8 * 1024;
/// Size of an ES256 signature in bytes: R and S (RFC 7518, section 3.4).
const ES256_BYTES: usize = 64;

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
    header(jws)?.kid.ok_or(JoseError::Malformed)
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
    let payload = verified_payload(typ, jws, keys)?;
    json::from_slice(&payload, payload.len()).map_err(|_| JoseError::Payload)
}

/// Verifies a compact JWS with the key among `keys` that its header names. Returns the bytes of the payload, for a
/// reader that reports what is wrong with them.
///
/// # Errors
/// [`JoseError`], without [`JoseError::Payload`].
pub fn verified_payload<'k>(
    typ: &str,
    jws: &str,
    keys: impl IntoIterator<Item = &'k PublicKey>,
) -> Result<Vec<u8>, JoseError> {
    let header = header(jws)?;
    let kid = header.kid.as_deref().ok_or(JoseError::Malformed)?;
    if header.typ.as_deref() != Some(typ) || header.crit.is_some() {
        return Err(JoseError::Header);
    }
    let key = keys.into_iter().find(|key| key.kid() == kid).ok_or(JoseError::UnknownKey)?;
    if header.alg != key.algorithm() {
        return Err(JoseError::Header);
    }
    let (signed, signature) = jws.rsplit_once('.').ok_or(JoseError::Malformed)?;
    let payload = unverified_payload(jws)?;
    let signature_bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JoseError::Malformed)?.len();
    if header.alg == Algorithm::ES256 && signature_bytes != ES256_BYTES {
        return Err(JoseError::SignatureForm);
    }
    let decoding = DecodingKey::from_jwk(key.jwk()).map_err(|_| JoseError::Key)?;
    match crypto::verify(signature, signed.as_bytes(), &decoding, header.alg) {
        Ok(true) => Ok(payload),
        Ok(false) => Err(JoseError::Forged),
        Err(_) => Err(JoseError::Malformed),
    }
}

/// The bytes of a compact JWS's payload. The signature is NOT checked: whoever sent the text chose the bytes. They may
/// only choose which party's keys verify the text, and tell an operator what an unverified text claims.
///
/// # Errors
/// [`JoseError::Malformed`] when the text is not a compact JWS.
pub fn unverified_payload(jws: &str) -> Result<Vec<u8>, JoseError> {
    let mut parts = jws.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JoseError::Malformed);
    };
    URL_SAFE_NO_PAD.decode(payload).map_err(|_| JoseError::Malformed)
}

/// Reads the header of a compact JWS. The signature is not checked.
///
/// # Errors
/// [`JoseError::Malformed`] when the text is not a JWS or its header repeats a member; [`JoseError::Header`] when the
/// header names an algorithm that no key here has, for example `none`.
pub fn header(jws: &str) -> Result<Header, JoseError> {
    let (text, _) = jws.split_once('.').ok_or(JoseError::Malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Malformed)?;
    json::from_slice(&bytes, HEADER_BYTES).map_err(|error| match error {
        JsonError::Shape(_) => JoseError::Header,
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

    /// A compact JWS of any header and payload, with a valid signature.
    fn signed(header: &str, payload: &str, key: &PrivateKey) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signing = key.encoding_key().expect("a key");
        let signature = crypto::sign(text.as_bytes(), &signing, Algorithm::ES256).expect("signed");
        format!("{text}.{signature}")
    }

    #[test]
    fn i3_a_repeated_member_is_refused_in_header_and_payload() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let kid = key.public().kid();
        let once = format!(r#"{{"typ":"t","alg":"ES256","kid":"{kid}"}}"#);
        let twice = format!(r#"{{"typ":"t","alg":"ES256","kid":"x","\u006bid":"{kid}"}}"#);
        let read = |header: &str, payload: &str| {
            verify::<Value>("t", &signed(header, payload, &key), [key.public()])
        };
        assert_eq!(read(&once, r#"{"a":1}"#), Ok(json!({"a": 1})));
        assert_eq!(read(&twice, r#"{"a":1}"#), Err(JoseError::Malformed));
        assert_eq!(read(&once, r#"{"a":1,"a":2}"#), Err(JoseError::Payload));
    }

    #[test]
    fn a_header_is_bounded_and_names_nothing_that_the_verifier_does_not_know() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let kid = key.public().kid();
        let read = |more: &str| {
            let header = format!(r#"{{"typ":"t","alg":"ES256","kid":"{kid}"{more}}}"#);
            verify::<Value>("t", &signed(&header, "{}", &key), [key.public()])
        };
        assert_eq!(read(""), Ok(json!({})));
        assert_eq!(read(r#","crit":["b64"]"#), Err(JoseError::Header));
        assert_eq!(read(&format!(r#","x":"{}""#, "x".repeat(5_000))), Ok(json!({})));
        assert_eq!(read(&format!(r#","x":"{}""#, "x".repeat(9_000))), Err(JoseError::Malformed));
        let none = format!("{}.e30.", URL_SAFE_NO_PAD.encode(r#"{"typ":"t","alg":"none"}"#));
        assert_eq!(verify::<Value>("t", &none, [key.public()]), Err(JoseError::Header));
    }

    #[test]
    fn a22_a_signature_in_der_is_named_as_such() {
        let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
        let jws = sign("t", &json!({"a": 1}), &key).expect("signed");
        let (text, _) = jws.rsplit_once('.').expect("three parts");
        let der = format!("{text}.{}", URL_SAFE_NO_PAD.encode([0x30; 71]));
        assert_eq!(verify::<Value>("t", &der, [key.public()]), Err(JoseError::SignatureForm));
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

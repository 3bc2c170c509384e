//! Keys of token issuers: each has one algorithm, issuer and audience, which a token cannot change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use thiserror::Error;

/// Bytes of the shortest RSA modulus: 2048 bits (NIST SP 800-131A).
const RSA_BYTES: usize = 256;

/// Why the issuers of a configuration cannot be used. Never holds a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuersError {
    /// Not a JSON list of issuers.
    #[error("not a list of {{issuer, audience, keys or jwks_uri}}")]
    Shape,
    /// Two rows of one issuer.
    #[error("an issuer is named twice")]
    Twice,
    /// Where keys are published must be `https`; on a developer's machine also `http://127.0.0.1`.
    #[error("a jwks_uri is not an https address")]
    Address,
    /// A key without a `kid`.
    #[error("a key has no kid")]
    NoKid,
    /// Two keys share a `kid`.
    #[error("two keys have the same kid")]
    KidTwice,
    /// A key that cannot be used: only RSA from 2048 bits, P-256 and Ed25519 for signatures can.
    #[error("a key is not RSA from 2048 bits, P-256 or Ed25519 for signatures")]
    Key,
    /// A private or symmetric key: the hub must hold nothing that can sign a token.
    #[error("a key is private or symmetric")]
    Private,
}

/// A key that verifies an issuer's tokens, with its one algorithm.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    pub(super) validation: Validation,
}

/// Reads a key and fixes its algorithm.
pub(super) fn key(
    value: &serde_json::Value,
    issuer: &str,
    audience: &str,
) -> Result<(String, Key), IssuersError> {
    if ["d", "k", "p", "q"].iter().any(|private| value.get(private).is_some()) {
        return Err(IssuersError::Private);
    }
    let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|_| IssuersError::Key)?;
    let kid = jwk.common.key_id.clone().filter(|kid| !kid.is_empty()).ok_or(IssuersError::NoKid)?;
    let algorithm = algorithm(&jwk).ok_or(IssuersError::Key)?;
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| IssuersError::Key)?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    // Times are compared with the hub's own clock, below.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    Ok((kid, Key { decoding, validation }))
}

/// The one algorithm of a key; `None` where it is for something else.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if modulus_bytes(&rsa.n)? >= RSA_BYTES => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let as_named = jwk.common.key_algorithm.is_none_or(|given| given == named);
    let to_sign = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let to_verify = jwk
        .common
        .key_operations
        .as_ref()
        .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    (as_named && to_sign && to_verify).then_some(algorithm)
}

fn modulus_bytes(n: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(n).ok().map(|bytes| bytes.len())
}

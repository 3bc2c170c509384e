//! Keys of token issuers. Each key has one algorithm, issuer and audience, which a token cannot change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::TenantId;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use protocol::web_address::WebAddressError;
use thiserror::Error;

/// Minimum size of an RSA modulus in bytes: 2048 bits (NIST SP 800-131A).
const RSA_BYTES: usize = 256;
/// Bytes of a coordinate of a P-256 or Ed25519 key.
const COORDINATE_BYTES: usize = 32;

/// Cause for which a configuration's issuers cannot be used. Never contains a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuersError {
    /// The value is not a JSON list of issuers.
    #[error("must be a list of {{issuer, audience, keys or jwks_uri}}")]
    Shape,
    /// Two rows have the same issuer.
    #[error("an issuer is named twice")]
    Twice,
    /// A `jwks_uri` is refused. On a developer's machine `http://127.0.0.1` is accepted, too.
    #[error("a jwks_uri is refused: {0}")]
    Address(WebAddressError),
    /// One of several issuers names no tenants.
    #[error("with more than one issuer, each names the tenants whose tokens it issues: \"tenants\": [\"…\"]")]
    Tenants,
    /// Two issuers name the same tenant.
    #[error("two issuers name the tenant {0}")]
    TenantTwice(TenantId),
    /// A key has no `kid`.
    #[error("a key has no kid")]
    NoKid,
    /// Two keys share a `kid`.
    #[error("two keys have the same kid")]
    KidTwice,
    /// A key has another type or use: only RSA from 2048 bits, P-256 and Ed25519 for signatures are accepted.
    #[error("a key is not RSA from 2048 bits, P-256 or Ed25519 for signatures")]
    Key,
    /// A coordinate of a P-256 or Ed25519 key has not 32 bytes.
    #[error("a coordinate of a key has not 32 bytes: leading zeros belong to it (RFC 7518, section 6.2.1.2)")]
    Coordinate,
    /// A key is private or symmetric. The hub must not hold a key that can sign tokens.
    #[error("a key is private or symmetric")]
    Private,
}

/// A key that verifies an issuer's tokens, with its algorithm.
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
    // The library takes a coordinate without its leading zero and then verifies nothing with the key.
    if !has_full_coordinates(&jwk) {
        return Err(IssuersError::Coordinate);
    }
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| IssuersError::Key)?;
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud"]);
    // `Claims::valid_at` compares the times with the hub's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    Ok((kid, Key { decoding, validation }))
}

/// The algorithm of a key; `None` when the key is of another type or has another purpose.
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

/// Whether the coordinates of a key have all their bytes, leading zeros too.
fn has_full_coordinates(jwk: &Jwk) -> bool {
    let is_full =
        |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == COORDINATE_BYTES);
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(ec) => is_full(&ec.x) && is_full(&ec.y),
        AlgorithmParameters::OctetKeyPair(okp) => is_full(&okp.x),
        _ => true,
    }
}

fn modulus_bytes(n: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(n).ok().map(|bytes| bytes.len())
}

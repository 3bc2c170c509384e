//! Signatures (JWS, RFC 7515) and encryption to one recipient (JWE, RFC 7516), in compact form.
//!
//! Nothing is negotiated: ES256 or EdDSA signs, ECDH-ES with A256GCM on P-256 encrypts. The key decides the
//! algorithm; the message never does.

mod jwe;
mod jws;
mod key;

pub use jwe::{decrypt, encrypt};
pub use jws::{header, sign, signer_kid, unverified_payload, verified_payload, verify};
pub use key::{KeySet, KeyUse, PrivateKey, PublicKey};

use thiserror::Error;

/// Why a signed or encrypted object is refused. No variant carries content of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoseError {
    /// The text is not a compact JWS or JWE.
    #[error("the text is not a compact JOSE object")]
    Malformed,
    /// The key has the wrong type, curve or use.
    #[error("the key cannot be used for this operation")]
    Key,
    /// None of the known keys has the object's `kid`.
    #[error("no known key has the `kid` that the object names")]
    UnknownKey,
    /// The header names an algorithm, type or critical extension that is not accepted.
    #[error("the header names an algorithm, type or extension that is not accepted")]
    Header,
    /// The signature does not verify, or the ciphertext was changed.
    #[error("the signature or the ciphertext does not verify")]
    Forged,
    /// An ES256 signature has another form than R and S, 32 bytes each.
    #[error(
        "an ES256 signature has 64 bytes, R and S (RFC 7518, section 3.4); a DER signature has another form"
    )]
    SignatureForm,
    /// The payload is not the expected JSON.
    #[error("the payload is not the expected JSON")]
    Payload,
}

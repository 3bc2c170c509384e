//! Signatures (JWS) and encryption to one recipient (JWE), in the compact form of RFC 7515 and RFC 7516.
//!
//! One choice each, so that there is nothing to negotiate: ES256 or EdDSA to sign, ECDH-ES with A256GCM on
//! P-256 to encrypt. The algorithm follows from the key, never from the message.

mod jwe;
mod jws;
mod key;

pub use jwe::{decrypt, encrypt};
pub use jws::{sign, signer_kid, verify};
pub use key::{KeySet, KeyUse, PrivateKey, PublicKey};

use thiserror::Error;

/// Why a signed or encrypted object is refused. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoseError {
    /// Not a compact object of the expected form.
    #[error("not a compact JOSE object")]
    Malformed,
    /// A key that cannot be used for this.
    #[error("the key cannot be used")]
    Key,
    /// None of the known keys has the object's `kid`.
    #[error("the key is not known")]
    UnknownKey,
    /// An algorithm, type or critical header that is not accepted.
    #[error("the header is not accepted")]
    Header,
    /// The signature does not verify, or the ciphertext was changed.
    #[error("the object does not verify")]
    Forged,
    /// The payload is not of the expected shape.
    #[error("the payload cannot be read")]
    Payload,
}

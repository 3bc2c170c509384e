//! Encrypts personal data: AES-256-GCM under a KMS data key.
//!
//! An encrypted value is bound to its owner (the application) and its field: the hub cannot decrypt the value under
//! another owner or field. The vault fails closed: without KMS it encrypts and decrypts nothing, except with keys it
//! has cached. No path stores plaintext.
//!
//! Layout: version (1 byte, 1) ‖ length of the wrapped key (2 bytes, big endian) ‖ wrapped key ‖ nonce
//! (12 bytes) ‖ ciphertext with its tag (16 bytes). All parts are authenticated.

mod aws;
mod envelope;
#[cfg(any(test, feature = "testing"))]
mod fake;

use std::future::Future;

use thiserror::Error;
use zeroize::Zeroizing;

pub use aws::AwsVault;
#[cfg(any(test, feature = "testing"))]
pub use fake::FakeVault;

/// Bytes of the largest plaintext. DynamoDB's item limit is 400 KB, and personal data has about 1 KB.
pub const PLAINTEXT_BYTES: usize = 64 * 1024;

/// Why a value could not be encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The hub may not use the key, or the key is disabled.
    #[error("the key may not be used")]
    Denied,
    /// The key service takes no more requests for now.
    #[error("the key service is throttled")]
    Throttled,
    /// The key service did not answer, or not in time.
    #[error("the key service is not available")]
    Unavailable,
    /// The encrypted value was changed, or belongs to another owner or field.
    #[error("the encrypted value was changed, or belongs to another field or owner")]
    Corrupt,
    /// More than [`PLAINTEXT_BYTES`].
    #[error("the value is larger than 64 KiB and cannot be encrypted")]
    TooLarge,
}

impl VaultError {
    /// Whether the same call may succeed later. [`VaultError::Denied`] counts, because an operator can restore access.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            VaultError::Denied | VaultError::Throttled | VaultError::Unavailable => true,
            VaultError::Corrupt | VaultError::TooLarge => false,
        }
    }
}

/// Encrypts personal data and keys.
pub trait Vault: Clone + Send + Sync + 'static {
    /// Encrypts a value for a field of an owner (an application's id). Two calls with the same value return different
    /// bytes.
    ///
    /// # Errors
    /// [`VaultError`]: the value is not encrypted and must not be stored.
    fn encrypt(
        &self,
        field: &str,
        owner: &str,
        plaintext: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>, VaultError>> + Send;

    /// Decrypts a value that was encrypted for this field of this owner. The plaintext is wiped when dropped.
    ///
    /// # Errors
    /// [`VaultError::Corrupt`] when the value was changed or belongs to another owner or field; any other
    /// [`VaultError`] when the key is not available.
    fn decrypt(
        &self,
        field: &str,
        owner: &str,
        encrypted: &[u8],
    ) -> impl Future<Output = Result<Zeroizing<Vec<u8>>, VaultError>> + Send;
}

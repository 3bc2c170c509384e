//! The layout of an encrypted value, and the cipher. Calls no key service.

use std::fmt;
use std::sync::Arc;

use aes_gcm::aead::{Aead as _, Generate as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use zeroize::Zeroizing;

use super::{PLAINTEXT_BYTES, VaultError};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Bytes of the longest wrapped key that KMS accepts (`CiphertextBlob` of its Decrypt has 1 to 6,144). KMS answers
/// other lengths with a validation error, which the vault would report as a transient failure.
const WRAPPED_BYTES: usize = 6144;

/// A data key: plain for use, wrapped for storage. Clones share the plain key; the last clone wipes the key.
#[derive(Clone)]
pub(super) struct DataKey {
    plain: Arc<Zeroizing<[u8; 32]>>,
    wrapped: Arc<[u8]>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}

impl DataKey {
    /// Takes a key of 32 bytes and its wrapped form of up to 65,535 bytes.
    pub(super) fn new(plain: &[u8], wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let mut key = Zeroizing::new([0; 32]);
        if plain.len() != key.len() || u16::try_from(wrapped.len()).is_err() {
            return Err(VaultError::Unavailable);
        }
        key.copy_from_slice(plain);
        Ok(DataKey { plain: Arc::new(key), wrapped: wrapped.into() })
    }

    fn cipher(&self) -> Result<Aes256Gcm, VaultError> {
        Aes256Gcm::new_from_slice(&self.plain[..]).map_err(|_| VaultError::Corrupt)
    }
}

/// The additional authenticated data of a value: the header, the field and the owner. A length precedes field and
/// owner, so that two different pairs never give the same bytes.
fn bound_to(header: &[u8], field: &str, owner: &str) -> Vec<u8> {
    let mut bound = header.to_vec();
    for part in [field, owner] {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend(part.as_bytes());
    }
    bound
}

/// Encrypts a value under a data key.
pub(super) fn encrypt(
    key: &DataKey,
    field: &str,
    owner: &str,
    plaintext: &[u8],
) -> Result<Vec<u8>, VaultError> {
    if plaintext.len() > PLAINTEXT_BYTES {
        return Err(VaultError::TooLarge);
    }
    let length = u16::try_from(key.wrapped.len()).map_err(|_| VaultError::TooLarge)?;
    let mut encrypted = vec![VERSION];
    encrypted.extend(length.to_be_bytes());
    encrypted.extend(&key.wrapped[..]);
    let aad = bound_to(&encrypted, field, owner);
    // A random nonce is safe: at most 1,000 values share a key, and NIST SP 800-38D allows 2^32.
    let nonce = Nonce::try_generate().map_err(|_| VaultError::Unavailable)?;
    let payload = Payload { msg: plaintext, aad: &aad };
    let ciphertext = key.cipher()?.encrypt(&nonce, payload).map_err(|_| VaultError::TooLarge)?;
    encrypted.extend(&nonce[..]);
    encrypted.extend(ciphertext);
    Ok(encrypted)
}

/// The parts of an encrypted value.
pub(super) struct Envelope<'a> {
    header: &'a [u8],
    pub(super) wrapped: &'a [u8],
    nonce: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads the layout.
    pub(super) fn read(encrypted: &'a [u8]) -> Result<Envelope<'a>, VaultError> {
        let ([VERSION, high, low], rest) = encrypted.split_first_chunk().ok_or(VaultError::Corrupt)? else {
            return Err(VaultError::Corrupt);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if !(1..=WRAPPED_BYTES).contains(&length) {
            return Err(VaultError::Corrupt);
        }
        let (wrapped, rest) = rest.split_at_checked(length).ok_or(VaultError::Corrupt)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(VaultError::Corrupt)?;
        if ciphertext.len() < TAG_BYTES {
            return Err(VaultError::Corrupt);
        }
        let header = encrypted.get(..length.saturating_add(3)).ok_or(VaultError::Corrupt)?;
        Ok(Envelope { header, wrapped, nonce, ciphertext })
    }

    /// Decrypts the value with its unwrapped key.
    pub(super) fn open(
        &self,
        key: &DataKey,
        field: &str,
        owner: &str,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let aad = bound_to(self.header, field, owner);
        let nonce = Nonce::try_from(self.nonce).map_err(|_| VaultError::Corrupt)?;
        let payload = Payload { msg: self.ciphertext, aad: &aad };
        key.cipher()?.decrypt(&nonce, payload).map(Zeroizing::new).map_err(|_| VaultError::Corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_has_a_length_that_kms_takes() {
        for (length, sound) in [(0, false), (1, true), (WRAPPED_BYTES, true), (WRAPPED_BYTES + 1, false)] {
            let mut encrypted = vec![VERSION];
            encrypted.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
            encrypted.extend(vec![0; length + NONCE_BYTES + TAG_BYTES]);
            assert_eq!(Envelope::read(&encrypted).is_ok(), sound, "{length} bytes");
        }
    }
}

//! The vault in KMS.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use lru::LruCache;
use zeroize::{Zeroize as _, Zeroizing};

use super::envelope::{DataKey, Envelope, encrypt};
use super::{Vault, VaultError};
use crate::failure::Failure;

/// Time for which a data key encrypts new values.
const DATA_KEY_TTL: Duration = Duration::from_secs(5 * 60);
/// Most values that one data key encrypts.
const USES: u32 = 1000;
/// Most unwrapped keys in the cache.
const OPENED: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Time for which the cache keeps an unwrapped key. After an operator disables the KMS key, decryption stops within
/// this time.
const DECRYPTED_KEY_TTL: Duration = Duration::from_secs(5 * 60);
/// Encryption context of every data key. CloudTrail shows the context, and a key policy can require it.
const CONTEXT: (&str, &str) = ("purpose", "tongban");

/// A vault under a KMS key. Clones share the cached data keys.
#[derive(Clone, Debug)]
pub struct AwsVault {
    client: Client,
    key_id: String,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Debug)]
struct Keys {
    current: Option<CurrentKey>,
    /// Unwrapped keys, each with the time at which it was unwrapped.
    opened: LruCache<Vec<u8>, (DataKey, Instant)>,
}

#[derive(Debug)]
struct CurrentKey {
    key: DataKey,
    since: Instant,
    left: u32,
}

impl AwsVault {
    /// Takes a client and the key's ARN. Calls nothing.
    #[must_use]
    pub fn new(client: Client, key_id: String) -> Self {
        let keys = Keys { current: None, opened: LruCache::new(OPENED) };
        AwsVault { client, key_id, keys: Arc::new(Mutex::new(keys)) }
    }

    /// The current data key, or a new data key when the current one is used up. Two concurrent callers may each create
    /// a key, which costs one more call and does no harm.
    async fn encryption_key(&self) -> Result<DataKey, VaultError> {
        if let Some(key) = self.lock().take_current(Instant::now()) {
            return Ok(key);
        }
        let answer = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(|error| vault_error(Failure::of("KMS.GenerateDataKey", &error)))?;
        let wrapped = answer.ciphertext_blob.ok_or(VaultError::Unavailable)?.into_inner();
        let key = data_key(answer.plaintext, &wrapped)?;
        self.lock().remember(&key, wrapped, Instant::now());
        Ok(key)
    }

    /// Unwraps the data key of an encrypted value.
    async fn opening_key(&self, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        if let Some(key) = self.lock().opened(wrapped, Instant::now()) {
            return Ok(key);
        }
        let answer = self
            .client
            .decrypt()
            // With the key's id KMS refuses a data key that another key has wrapped.
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(wrapped))
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(|error| vault_error(Failure::of("KMS.Decrypt", &error)))?;
        // The hub has never written a data key of another length.
        let key = data_key(answer.plaintext, wrapped).map_err(|_| VaultError::Corrupt)?;
        self.lock().opened.put(wrapped.to_vec(), (key.clone(), Instant::now()));
        Ok(key)
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn take_current(&mut self, now: Instant) -> Option<DataKey> {
        let is_fresh = |since: Instant| now.saturating_duration_since(since) < DATA_KEY_TTL;
        let current = self.current.as_mut().filter(|current| is_fresh(current.since))?;
        current.left = current.left.checked_sub(1)?;
        Some(current.key.clone())
    }

    fn remember(&mut self, key: &DataKey, wrapped: Vec<u8>, now: Instant) {
        self.current = Some(CurrentKey { key: key.clone(), since: now, left: USES - 1 });
        self.opened.put(wrapped, (key.clone(), now));
    }

    fn opened(&mut self, wrapped: &[u8], now: Instant) -> Option<DataKey> {
        let (key, since) = self.opened.get(wrapped)?;
        (now.saturating_duration_since(*since) < DECRYPTED_KEY_TTL).then(|| key.clone())
    }
}

fn data_key(plaintext: Option<Blob>, wrapped: &[u8]) -> Result<DataKey, VaultError> {
    let mut plain = plaintext.ok_or(VaultError::Unavailable)?.into_inner();
    let key = DataKey::new(&plain, wrapped);
    plain.zeroize();
    key
}

fn vault_error(failure: Failure) -> VaultError {
    match failure {
        Failure::Throttled => VaultError::Throttled,
        Failure::Denied | Failure::NotFound => VaultError::Denied,
        Failure::Unavailable => VaultError::Unavailable,
        Failure::Refused => VaultError::Corrupt,
    }
}

impl Vault for AwsVault {
    async fn encrypt(&self, field: &str, owner: &str, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        encrypt(&self.encryption_key().await?, field, owner, plaintext)
    }

    async fn decrypt(
        &self,
        field: &str,
        owner: &str,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let envelope = Envelope::read(encrypted)?;
        envelope.open(&self.opening_key(envelope.wrapped).await?, field, owner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn a_data_key_is_used_for_five_minutes_and_a_thousand_values() {
        let mut keys = Keys { current: None, opened: LruCache::new(OPENED) };
        let key = DataKey::new(&[7; 32], b"w").unwrap();
        let now = Instant::now();
        assert!(keys.take_current(now).is_none());
        keys.remember(&key, b"w".to_vec(), now);
        let taken = (0..2000).filter(|_| keys.take_current(now).is_some()).count();
        assert_eq!(taken, 999);
        keys.remember(&key, b"w".to_vec(), now);
        assert!(keys.take_current(now + DATA_KEY_TTL).is_none());
        assert!(keys.opened(b"w", now).is_some());
        assert!(keys.opened(b"x", now).is_none());
        assert!(keys.opened(b"w", now + DECRYPTED_KEY_TTL).is_none());
    }
}

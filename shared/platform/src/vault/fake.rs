//! A vault with a fixed key: the same layout, without a key service.

use zeroize::Zeroizing;

use super::envelope::{DataKey, Envelope, encrypt};
use super::{Vault, VaultError};
use crate::faults::{CallOutcome, Faults};

const KEY: [u8; 32] = *b"not a secret: a key of the tests";
const WRAPPED: &[u8] = b"wrapped";

/// A vault with one fixed key. Each encryption and each decryption counts as a call in [`Faults`], like the calls of a
/// function without cached keys.
#[derive(Clone, Debug, Default)]
pub struct FakeVault {
    faults: Faults,
}

impl FakeVault {
    /// A vault whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeVault { faults }
    }

    fn next_call(&self, call: &'static str) -> Result<DataKey, VaultError> {
        match self.faults.next_call(call) {
            CallOutcome::Succeeds => DataKey::new(&KEY, WRAPPED),
            CallOutcome::Throttles => Err(VaultError::Throttled),
            CallOutcome::Fails | CallOutcome::LosesAnswer => Err(VaultError::Unavailable),
        }
    }
}

impl Vault for FakeVault {
    async fn encrypt(&self, field: &str, owner: &str, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        encrypt(&self.next_call("vault.encrypt")?, field, owner, plaintext)
    }

    async fn decrypt(
        &self,
        field: &str,
        owner: &str,
        encrypted: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let key = self.next_call("vault.decrypt")?;
        let envelope = Envelope::read(encrypted)?;
        if envelope.wrapped != WRAPPED {
            return Err(VaultError::Corrupt);
        }
        envelope.open(&key, field, owner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;
    use crate::faults::Fault;
    use crate::vault::PLAINTEXT_BYTES;

    /// The fake never waits.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the fake vault waits"),
        }
    }

    fn opens(field: &str, owner: &str, encrypted: &[u8]) -> Option<Vec<u8>> {
        match now(FakeVault::default().decrypt(field, owner, encrypted)) {
            Ok(plain) => Some(plain.to_vec()),
            Err(error) => {
                assert_eq!(error, VaultError::Corrupt);
                None
            }
        }
    }

    proptest! {
        #[test]
        fn a_value_decrypts_only_for_its_own_field_and_owner(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            field in "[a-z]{0,4}", owner in "[a-z]{0,4}",
            other_field in "[a-z]{0,4}", other_owner in "[a-z]{0,4}",
        ) {
            let encrypted = now(FakeVault::default().encrypt(&field, &owner, &plain)).unwrap();
            prop_assert_eq!(opens(&field, &owner, &encrypted), Some(plain.clone()));
            if (&field, &owner) != (&other_field, &other_owner) {
                prop_assert_eq!(opens(&other_field, &other_owner, &encrypted), None);
            }
            prop_assert!(plain.len() < 8 || !encrypted.windows(plain.len()).any(|part| part == plain));
        }

        #[test]
        fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), flip in 1..=u8::MAX, cut in 1..20_usize) {
            let encrypted = now(FakeVault::default().encrypt("personal_data", "a", b"personal")).unwrap();
            let mut changed = encrypted.clone();
            *at.get_mut(&mut changed) ^= flip;
            prop_assert_eq!(opens("personal_data", "a", &changed), None);
            prop_assert_eq!(opens("personal_data", "a", &encrypted[..encrypted.len() - cut]), None);
        }
    }

    #[test]
    fn every_byte_counts() {
        let encrypted = now(FakeVault::default().encrypt("personal_data", "a", b"personal")).unwrap();
        for at in 0..encrypted.len() {
            let mut changed = encrypted.clone();
            changed[at] ^= 1;
            assert_eq!(opens("personal_data", "a", &changed), None, "byte {at}");
        }
        assert_eq!(opens("personal_data", "a", &[]), None);
    }

    #[test]
    fn two_encryptions_of_one_value_differ_and_the_size_is_bounded() {
        let vault = FakeVault::default();
        assert_ne!(now(vault.encrypt("f", "a", b"x")), now(vault.encrypt("f", "a", b"x")));
        let large = vec![0; PLAINTEXT_BYTES + 1];
        assert_eq!(now(vault.encrypt("f", "a", &large)), Err(VaultError::TooLarge));
    }

    #[test]
    fn a_failed_call_of_the_key_service_yields_no_value() {
        let faults = Faults::default();
        faults.plan(1, Fault::Throttled);
        faults.plan(2, Fault::AnswerLost);
        let vault = FakeVault::new(faults);
        assert_eq!(now(vault.encrypt("f", "a", b"x")), Err(VaultError::Throttled));
        assert_eq!(now(vault.decrypt("f", "a", b"x")).err(), Some(VaultError::Unavailable));
    }
}

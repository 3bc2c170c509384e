//! The contract suite of the vault.

use std::future::Future;

use crate::vault::{PLAINTEXT_BYTES, Vault, VaultError};

/// Runs the suite. `make` gives a vault with the same key and an empty cache, as another process of the hub has.
///
/// # Panics
/// When the vault breaks the contract.
pub async fn vault_contract<V: Vault, F: Future<Output = V>>(make: impl Fn() -> F) {
    another_process_decrypts_a_value(&make().await, &make().await).await;
    a_value_decrypts_only_for_its_field_and_owner(&make().await, &make().await).await;
    two_encryptions_differ(&make().await, &make().await).await;
    size_is_bounded(&make().await, &make().await).await;
    any_changed_byte_is_noticed(&make().await, &make().await).await;
    a_part_of_a_value_does_not_decrypt(&make().await, &make().await).await;
}

const FIELD: &str = "personal_data";
const OWNER: &str = "0f8fad5b-d9cb-869f-a165-70867728950e";
const VALUE: &[u8] = b"personal: nobody else's concern";

async fn encrypt(vault: &impl Vault, plaintext: &[u8]) -> Vec<u8> {
    vault.encrypt(FIELD, OWNER, plaintext).await.expect("an encrypted value")
}

async fn decrypt(vault: &impl Vault, encrypted: &[u8]) -> Result<Vec<u8>, VaultError> {
    decrypt_as(vault, FIELD, OWNER, encrypted).await
}

async fn decrypt_as(
    vault: &impl Vault,
    field: &str,
    owner: &str,
    encrypted: &[u8],
) -> Result<Vec<u8>, VaultError> {
    vault.decrypt(field, owner, encrypted).await.map(|plain| plain.to_vec())
}

async fn another_process_decrypts_a_value(one: &impl Vault, other: &impl Vault) {
    for encrypted in [encrypt(one, VALUE).await, encrypt(one, VALUE).await, encrypt(other, VALUE).await] {
        assert_eq!(decrypt(one, &encrypted).await.as_deref(), Ok(VALUE));
        assert_eq!(decrypt(other, &encrypted).await.as_deref(), Ok(VALUE));
    }
}

async fn a_value_decrypts_only_for_its_field_and_owner(one: &impl Vault, other: &impl Vault) {
    let encrypted = one.encrypt("ab", "cd", VALUE).await.expect("an encrypted value");
    for (field, owner) in
        [("ab", "ce"), ("ac", "cd"), ("abc", "d"), ("a", "bcd"), ("cd", "ab"), ("", "abcd"), ("ab", "")]
    {
        assert_eq!(
            decrypt_as(one, field, owner, &encrypted).await,
            Err(VaultError::Corrupt),
            "{field}, {owner}"
        );
        assert_eq!(
            decrypt_as(other, field, owner, &encrypted).await,
            Err(VaultError::Corrupt),
            "{field}, {owner}"
        );
    }
    assert_eq!(decrypt_as(other, "ab", "cd", &encrypted).await.as_deref(), Ok(VALUE));
}

async fn two_encryptions_differ(one: &impl Vault, other: &impl Vault) {
    let encrypted = [encrypt(one, VALUE).await, encrypt(one, VALUE).await, encrypt(other, VALUE).await];
    assert!(encrypted[0] != encrypted[1] && encrypted[0] != encrypted[2] && encrypted[1] != encrypted[2]);
    for encrypted in &encrypted {
        assert!(
            !encrypted.windows(VALUE.len()).any(|part| part == VALUE),
            "the encrypted value contains the plaintext"
        );
    }
}

async fn size_is_bounded(one: &impl Vault, other: &impl Vault) {
    let largest = vec![7; PLAINTEXT_BYTES];
    for plain in [&b""[..], b"x", &largest] {
        let encrypted = encrypt(one, plain).await;
        assert!(decrypt(one, &encrypted).await.as_deref() == Ok(plain), "{} bytes", plain.len());
        assert!(decrypt(other, &encrypted).await.as_deref() == Ok(plain), "{} bytes", plain.len());
    }
    let larger = vec![7; PLAINTEXT_BYTES + 1];
    assert_eq!(one.encrypt(FIELD, OWNER, &larger).await, Err(VaultError::TooLarge));
}

/// Changes the header's bytes and a sample of the others, because each changed header costs a call of the key service.
async fn any_changed_byte_is_noticed(one: &impl Vault, other: &impl Vault) {
    let encrypted = encrypt(one, VALUE).await;
    for at in (0..3).chain((3..encrypted.len()).step_by(5)).chain([encrypted.len() - 1]) {
        let mut changed = encrypted.clone();
        changed[at] ^= 1;
        assert_eq!(
            decrypt(one, &changed).await,
            Err(VaultError::Corrupt),
            "byte {at} of {}",
            encrypted.len()
        );
        assert_eq!(
            decrypt(other, &changed).await,
            Err(VaultError::Corrupt),
            "byte {at} of {}",
            encrypted.len()
        );
    }
    let mut shortest = encrypted.clone();
    shortest[1..3].fill(0);
    assert_eq!(decrypt(one, &shortest).await, Err(VaultError::Corrupt), "a wrapped key of no bytes");
    let mut longest = encrypt(one, &vec![7; PLAINTEXT_BYTES]).await;
    longest[1] |= 0x80;
    assert_eq!(decrypt(one, &longest).await, Err(VaultError::Corrupt), "a wrapped key of 32 KiB");
    assert_eq!(decrypt(other, &encrypted).await.as_deref(), Ok(VALUE), "the unchanged value decrypts");
}

async fn a_part_of_a_value_does_not_decrypt(one: &impl Vault, other: &impl Vault) {
    let encrypted = encrypt(one, VALUE).await;
    let longer = [&encrypted[..], b"\0"].concat();
    let parts = [
        0,
        1,
        2,
        3,
        4,
        encrypted.len() / 2,
        encrypted.len() - VALUE.len(),
        encrypted.len() - 16,
        encrypted.len() - 1,
    ];
    for part in parts.map(|length| &encrypted[..length]).into_iter().chain([&longer[..], &encrypted[1..]]) {
        for answer in [decrypt(one, part).await, decrypt(other, part).await] {
            assert_eq!(answer, Err(VaultError::Corrupt), "{} of {} bytes", part.len(), encrypted.len());
        }
    }
}

//! The suite of the vault.

use std::future::Future;

use crate::vault::{PLAINTEXT_BYTES, Vault, VaultError};

/// Runs the suite. `make` gives a vault under the same key each time, one that remembers nothing: what another
/// process of the hub has.
///
/// # Panics
/// Where the vault does not keep the contract.
pub async fn vault_contract<V: Vault, F: Future<Output = V>>(make: impl Fn() -> F) {
    another_process_opens_what_one_sealed(&make().await, &make().await).await;
    a_value_opens_where_it_was_sealed_alone(&make().await, &make().await).await;
    two_seals_differ(&make().await, &make().await).await;
    size_is_bounded(&make().await, &make().await).await;
    any_changed_byte_is_noticed(&make().await, &make().await).await;
    a_part_does_not_open(&make().await, &make().await).await;
}

const FIELD: &str = "personal_data";
const OWNER: &str = "0f8fad5b-d9cb-869f-a165-70867728950e";
const VALUE: &[u8] = b"personal: nobody else's concern";

async fn seal(vault: &impl Vault, plaintext: &[u8]) -> Vec<u8> {
    vault.encrypt(FIELD, OWNER, plaintext).await.expect("a sealed value")
}

async fn open(vault: &impl Vault, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    open_as(vault, FIELD, OWNER, sealed).await
}

async fn open_as(vault: &impl Vault, field: &str, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    vault.decrypt(field, owner, sealed).await.map(|plain| plain.to_vec())
}

async fn another_process_opens_what_one_sealed(one: &impl Vault, other: &impl Vault) {
    for sealed in [seal(one, VALUE).await, seal(one, VALUE).await, seal(other, VALUE).await] {
        assert_eq!(open(one, &sealed).await.as_deref(), Ok(VALUE));
        assert_eq!(open(other, &sealed).await.as_deref(), Ok(VALUE));
    }
}

async fn a_value_opens_where_it_was_sealed_alone(one: &impl Vault, other: &impl Vault) {
    let sealed = one.encrypt("ab", "cd", VALUE).await.expect("a sealed value");
    for (field, owner) in
        [("ab", "ce"), ("ac", "cd"), ("abc", "d"), ("a", "bcd"), ("cd", "ab"), ("", "abcd"), ("ab", "")]
    {
        assert_eq!(open_as(one, field, owner, &sealed).await, Err(VaultError::Corrupt), "{field}, {owner}");
        assert_eq!(open_as(other, field, owner, &sealed).await, Err(VaultError::Corrupt), "{field}, {owner}");
    }
    assert_eq!(open_as(other, "ab", "cd", &sealed).await.as_deref(), Ok(VALUE));
}

async fn two_seals_differ(one: &impl Vault, other: &impl Vault) {
    let sealed = [seal(one, VALUE).await, seal(one, VALUE).await, seal(other, VALUE).await];
    assert!(sealed[0] != sealed[1] && sealed[0] != sealed[2] && sealed[1] != sealed[2]);
    for sealed in &sealed {
        assert!(!sealed.windows(VALUE.len()).any(|part| part == VALUE), "it is in the clear");
    }
}

async fn size_is_bounded(one: &impl Vault, other: &impl Vault) {
    let largest = vec![7; PLAINTEXT_BYTES];
    for plain in [&b""[..], b"x", &largest] {
        let sealed = seal(one, plain).await;
        assert!(open(one, &sealed).await.as_deref() == Ok(plain), "{} bytes", plain.len());
        assert!(open(other, &sealed).await.as_deref() == Ok(plain), "{} bytes", plain.len());
    }
    let larger = vec![7; PLAINTEXT_BYTES + 1];
    assert_eq!(one.encrypt(FIELD, OWNER, &larger).await, Err(VaultError::TooLarge));
}

/// The header's bytes and a sample of the others: opening asks the key service for each changed header.
async fn any_changed_byte_is_noticed(one: &impl Vault, other: &impl Vault) {
    let sealed = seal(one, VALUE).await;
    for at in (0..3).chain((3..sealed.len()).step_by(5)).chain([sealed.len() - 1]) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(open(one, &changed).await, Err(VaultError::Corrupt), "byte {at} of {}", sealed.len());
        assert_eq!(open(other, &changed).await, Err(VaultError::Corrupt), "byte {at} of {}", sealed.len());
    }
    let mut shortest = sealed.clone();
    shortest[1..3].fill(0);
    assert_eq!(open(one, &shortest).await, Err(VaultError::Corrupt), "a wrapped key of no bytes");
    let mut longest = seal(one, &vec![7; PLAINTEXT_BYTES]).await;
    longest[1] |= 0x80;
    assert_eq!(open(one, &longest).await, Err(VaultError::Corrupt), "a wrapped key of 32 KiB");
    assert_eq!(open(other, &sealed).await.as_deref(), Ok(VALUE), "and the value itself opens");
}

async fn a_part_does_not_open(one: &impl Vault, other: &impl Vault) {
    let sealed = seal(one, VALUE).await;
    let longer = [&sealed[..], b"\0"].concat();
    let parts =
        [0, 1, 2, 3, 4, sealed.len() / 2, sealed.len() - VALUE.len(), sealed.len() - 16, sealed.len() - 1];
    for part in parts.map(|length| &sealed[..length]).into_iter().chain([&longer[..], &sealed[1..]]) {
        for answer in [open(one, part).await, open(other, part).await] {
            assert_eq!(answer, Err(VaultError::Corrupt), "{} of {} bytes", part.len(), sealed.len());
        }
    }
}

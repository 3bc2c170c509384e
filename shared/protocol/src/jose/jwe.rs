//! Compact JWE: ECDH-ES on P-256 in direct agreement, A256GCM (RFC 7516, RFC 7518 section 4.6).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdh::EphemeralSecret;
use p256::elliptic_curve::rand_core::{OsRng, RngCore as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::jws::HEADER_BYTES;
use super::key::{ec_jwk, point};
use super::{JoseError, PrivateKey, PublicKey};
use crate::json;

const TAG: usize = 16;
const NONCE: usize = 12;

#[derive(Serialize, Deserialize)]
struct ProtectedHeader {
    alg: String,
    enc: String,
    kid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cty: Option<String>,
    epk: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apv: Option<String>,
    #[serde(default, skip_serializing)]
    crit: Option<Value>,
    #[serde(default, skip_serializing)]
    zip: Option<Value>,
}

/// Encrypts to one P-256 key. `cty` names the type of the plaintext, for example `JWS`.
///
/// # Errors
/// [`JoseError::Key`] when the key is not on P-256.
pub fn encrypt(plaintext: &[u8], cty: &str, to: &PublicKey) -> Result<String, JoseError> {
    let recipient = to.point()?;
    let ephemeral = EphemeralSecret::random(&mut OsRng);
    let shared = ephemeral.diffie_hellman(recipient);
    let header = ProtectedHeader {
        alg: "ECDH-ES".to_owned(),
        enc: "A256GCM".to_owned(),
        kid: to.kid().to_owned(),
        cty: Some(cty.to_owned()),
        epk: ec_jwk(&ephemeral.public_key()),
        apu: None,
        apv: None,
        crit: None,
        zip: None,
    };
    let header = serde_json::to_vec(&header).map_err(|_| JoseError::Payload)?;
    let header = URL_SAFE_NO_PAD.encode(header);
    let key = derive(shared.raw_secret_bytes(), "A256GCM", 32, &[], &[]);
    let mut nonce = [0u8; NONCE];
    OsRng.fill_bytes(&mut nonce);
    let encrypted = cipher(&key)?
        .encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad: header.as_bytes() })
        .map_err(|_| JoseError::Payload)?;
    let (ciphertext, tag) = encrypted.split_last_chunk::<TAG>().ok_or(JoseError::Payload)?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(format!("{header}..{}.{}.{}", encode(&nonce), encode(ciphertext), encode(tag)))
}

/// Decrypts with the key among `keys` that the header names.
///
/// # Errors
/// [`JoseError`]. A modified object and a wrong key give the same error.
pub fn decrypt<'k>(jwe: &str, keys: impl IntoIterator<Item = &'k PrivateKey>) -> Result<Vec<u8>, JoseError> {
    let parts: Vec<&str> = jwe.split('.').collect();
    let [header_text, "", nonce, ciphertext, tag] = parts[..] else {
        return Err(JoseError::Malformed);
    };
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Malformed);
    let header: ProtectedHeader =
        json::from_slice(&decode(header_text)?, HEADER_BYTES).map_err(|_| JoseError::Malformed)?;
    if header.alg != "ECDH-ES" || header.enc != "A256GCM" || header.crit.is_some() || header.zip.is_some() {
        return Err(JoseError::Header);
    }
    let key = keys.into_iter().find(|key| key.public().kid() == header.kid).ok_or(JoseError::UnknownKey)?;
    let epk = point(&header.epk)?;
    let shared = p256::ecdh::diffie_hellman(key.secret().to_nonzero_scalar(), epk.as_affine());
    let party = |info: Option<String>| info.map_or(Ok(Vec::new()), |text| decode(&text));
    let (apu, apv) = (party(header.apu)?, party(header.apv)?);
    let derived = derive(shared.raw_secret_bytes(), "A256GCM", 32, &apu, &apv);
    let nonce: [u8; NONCE] = decode(nonce)?.try_into().map_err(|_| JoseError::Malformed)?;
    let tag = decode(tag)?;
    if tag.len() != TAG {
        return Err(JoseError::Malformed);
    }
    let encrypted = [decode(ciphertext)?, tag].concat();
    cipher(&derived)?
        .decrypt(&Nonce::from(nonce), Payload { msg: &encrypted, aad: header_text.as_bytes() })
        .map_err(|_| JoseError::Forged)
}

fn cipher(key: &[u8]) -> Result<Aes256Gcm, JoseError> {
    let key: [u8; 32] = key.try_into().map_err(|_| JoseError::Key)?;
    Ok(Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)))
}

/// The Concat KDF of NIST SP 800-56A in the profile of RFC 7518 section 4.6.2, for keys of at most 32 bytes.
fn derive(shared: &[u8], algorithm: &str, bytes: usize, apu: &[u8], apv: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
    let bits = u32::try_from(bytes.saturating_mul(8)).unwrap_or(u32::MAX).to_be_bytes();
    let mut hash = Sha256::new();
    hash.update(1u32.to_be_bytes());
    hash.update(shared);
    for part in [algorithm.as_bytes(), apu, apv] {
        hash.update(length(part));
        hash.update(part);
    }
    hash.update(bits);
    hash.finalize().into_iter().take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::KeyUse;
    use super::*;

    /// RFC 7518 appendix C.
    #[test]
    fn rfc_7518_appendix_c_derives_the_published_key() {
        let alice = serde_json::json!({
            "kty": "EC", "crv": "P-256",
            "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        });
        let bob = serde_json::json!({
            "kty": "EC", "crv": "P-256",
            "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
        });
        let bob = PrivateKey::from_jwk(&bob).expect("the example's key");
        let epk = point(&alice).expect("the example's key");
        let shared = p256::ecdh::diffie_hellman(bob.secret().to_nonzero_scalar(), epk.as_affine());
        let key = derive(shared.raw_secret_bytes(), "A128GCM", 16, b"Alice", b"Bob");
        assert_eq!(URL_SAFE_NO_PAD.encode(key), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn a_header_names_the_one_algorithm_and_no_extension() {
        let key = PrivateKey::generate(KeyUse::Encryption).expect("a key");
        let jwe = encrypt(b"text", "JWS", key.public()).expect("encrypted");
        let (header, rest) = jwe.split_once('.').expect("five parts");
        let header = URL_SAFE_NO_PAD.decode(header).expect("base64");
        let with = |member: &str, value: Value| {
            let mut header: Value = serde_json::from_slice(&header).expect("JSON");
            header[member] = value;
            decrypt(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())), [&key])
        };
        for (member, value) in [
            ("alg", "ECDH-ES+A256KW".into()),
            ("enc", "A128GCM".into()),
            ("crit", Value::Array(vec![])),
            ("zip", "DEF".into()),
        ] {
            assert_eq!(with(member, value), Err(JoseError::Header), "{member}");
        }
        assert_eq!(with("cty", "text".into()), Err(JoseError::Forged), "the header is authenticated");
        let (rest, tag) = jwe.rsplit_once('.').expect("five parts");
        assert_eq!(decrypt(&format!("{rest}.{}", &tag[4..]), [&key]), Err(JoseError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn only_the_recipient_decrypts(plain in proptest::collection::vec(0u8.., 0..400), flip in 0usize..10_000) {
            let key = PrivateKey::generate(KeyUse::Encryption).expect("a key");
            let other = PrivateKey::generate(KeyUse::Encryption).expect("a key");
            let jwe = encrypt(&plain, "JWS", key.public()).expect("encrypted");
            proptest::prop_assert_eq!(decrypt(&jwe, [&other, &key]), Ok(plain));
            proptest::prop_assert_eq!(decrypt(&jwe, [&other]), Err(JoseError::UnknownKey));
            let mut changed = jwe.clone().into_bytes();
            let at = flip % changed.len();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ascii");
            proptest::prop_assert!(decrypt(&changed, [&key]).is_err());
        }
    }
}

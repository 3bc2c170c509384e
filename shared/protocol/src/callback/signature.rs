//! Signatures of callbacks after Standard Webhooks: HMAC-SHA256 (`v1`) and Ed25519 (`v1a`). Both sign
//! `<id>.<timestamp>.<body>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use thiserror::Error;

/// Why a signature or a secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not `whsec_` and base64 of 24 to 64 bytes.
    #[error("the text is not a webhook secret: `whsec_` and base64 of 24 to 64 bytes")]
    Secret,
    /// The timestamp is too far from now.
    #[error("the timestamp differs from now by more than five minutes")]
    Timestamp,
    /// Not `whpk_` and base64 of an Ed25519 key.
    #[error("the text is not a webhook public key: `whpk_` and base64 of an Ed25519 key")]
    PublicKey,
    /// None of the signatures verifies.
    #[error("none of the signatures verifies")]
    Forged,
}

/// Tolerance of a callback's timestamp, in seconds (Standard Webhooks: five minutes).
pub const TOLERANCE_SECONDS: i64 = 300;

/// A symmetric secret, `whsec_<base64>`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl Secret {
    /// A secret of 24 to 64 raw bytes.
    ///
    /// # Errors
    /// [`SignatureError::Secret`] for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Secret, SignatureError> {
        if (24..=64).contains(&bytes.len()) {
            Ok(Secret(bytes.to_vec()))
        } else {
            Err(SignatureError::Secret)
        }
    }

    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// [`SignatureError::Secret`] when the text has another form.
    pub fn parse(text: &str) -> Result<Secret, SignatureError> {
        let encoded = text.strip_prefix("whsec_").ok_or(SignatureError::Secret)?;
        Secret::from_bytes(&STANDARD.decode(encoded).map_err(|_| SignatureError::Secret)?)
    }

    /// Writes `whsec_<base64>`. The hub shows it once, on the answer that creates or rotates it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// The raw bytes. The caller encrypts them before it stores them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of `webhook-signature` for a body: `v1,<base64>`.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, seconds, body).finalize().into_bytes()))
    }

    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length, so this never fails")]
    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        mac
    }

    /// Verifies the three headers of a callback against its body.
    ///
    /// # Errors
    /// [`SignatureError`]. The header may hold several signatures; one must verify.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let seconds = fresh(timestamp, now)?;
        any_verifies(signatures, "v1,", |given| self.mac(id, seconds, body).verify_slice(given).is_ok())
    }
}

/// Whether one of the signatures with this prefix verifies.
fn any_verifies(
    signatures: &str,
    prefix: &str,
    verifies: impl Fn(&[u8]) -> bool,
) -> Result<(), SignatureError> {
    let mut given = signatures.split(' ').filter_map(|signature| signature.strip_prefix(prefix));
    let found = given.any(|encoded| STANDARD.decode(encoded).is_ok_and(|bytes| verifies(&bytes)));
    if found { Ok(()) } else { Err(SignatureError::Forged) }
}

/// Parses a timestamp and checks that it is within [`TOLERANCE_SECONDS`] of now.
fn fresh(timestamp: &str, now: Timestamp) -> Result<i64, SignatureError> {
    let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::Timestamp)?;
    let apart = now.as_second().checked_sub(seconds).ok_or(SignatureError::Timestamp)?;
    if apart.unsigned_abs() > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(SignatureError::Timestamp);
    }
    Ok(seconds)
}

/// The signed content: `<id>.<timestamp>.<body>`.
fn content(id: &str, seconds: i64, body: &[u8]) -> Vec<u8> {
    [format!("{id}.{seconds}.").as_bytes(), body].concat()
}

/// The public key that verifies a subscription's `v1a` signatures, `whpk_<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads `whpk_<base64>`.
    ///
    /// # Errors
    /// [`SignatureError::PublicKey`] when the text has another form.
    pub fn parse(text: &str) -> Result<PublicKey, SignatureError> {
        let encoded = text.strip_prefix("whpk_").ok_or(SignatureError::PublicKey)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SignatureError::PublicKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| SignatureError::PublicKey)?;
        VerifyingKey::from_bytes(&bytes).map(PublicKey).map_err(|_| SignatureError::PublicKey)
    }

    /// Writes `whpk_<base64>`.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.as_bytes()))
    }

    /// Verifies the three headers of a callback against its body, as [`Secret::verify`] does.
    ///
    /// # Errors
    /// [`SignatureError`]. The header may hold several signatures; one must verify.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let content = content(id, fresh(timestamp, now)?, body);
        any_verifies(signatures, "v1a,", |given| {
            Signature::from_slice(given).is_ok_and(|given| self.0.verify_strict(&content, &given).is_ok())
        })
    }
}

/// The two keys of a subscription: the secret shared with the tenant (`v1`) and the hub's signing key (`v1a`).
#[derive(Clone, Debug)]
pub struct EndpointKeys {
    secret: Secret,
    // A subscription created before `v1a` existed has no signing key until it rotates.
    signing: Option<SigningKey>,
}

impl EndpointKeys {
    /// Length of both keys together, in bytes.
    pub const BYTES: usize = 64;

    /// Reads both keys from [`EndpointKeys::BYTES`] random bytes, or the secret alone, as stored before `v1a` existed.
    ///
    /// # Errors
    /// [`SignatureError::Secret`] for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<EndpointKeys, SignatureError> {
        match bytes.split_first_chunk::<32>() {
            Some((secret, rest)) if bytes.len() == Self::BYTES => {
                let seed: [u8; 32] = rest.try_into().map_err(|_| SignatureError::Secret)?;
                let signing = Some(SigningKey::from_bytes(&seed));
                Ok(EndpointKeys { secret: Secret::from_bytes(secret)?, signing })
            }
            _ => Ok(EndpointKeys { secret: Secret::from_bytes(bytes)?, signing: None }),
        }
    }

    /// The secret of the `v1` signatures.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The public key of the `v1a` signatures; `None` when the subscription has no signing key.
    #[must_use]
    pub fn public(&self) -> Option<PublicKey> {
        self.signing.as_ref().map(|signing| PublicKey(signing.verifying_key()))
    }

    /// The value of `webhook-signature` for a body: `v1` and, when there is a signing key, `v1a`, separated by a space.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut signatures = self.secret.sign(id, seconds, body);
        if let Some(signing) = &self.signing {
            let signature = signing.sign(&content(id, seconds, body));
            signatures.push_str(" v1a,");
            signatures.push_str(&STANDARD.encode(signature.to_bytes()));
        }
        signatures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn the_reference_example_has_the_published_signature() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_modified_body_or_an_old_timestamp_is_refused() {
        let secret = Secret::from_bytes(&[7; 32]).expect("a secret");
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let signature = secret.sign("a:1", 1_700_000_000, b"{}");
        let both = format!("v1,AAAA {signature}");
        assert_eq!(secret.verify("a:1", "1700000000", &both, b"{}", now), Ok(()));
        assert_eq!(secret.verify("a:1", "1700000000", &both, b"{ }", now), Err(SignatureError::Forged));
        assert_eq!(secret.verify("a:2", "1700000000", &both, b"{}", now), Err(SignatureError::Forged));
        assert_eq!(secret.verify("a:1", "1699999000", &both, b"{}", now), Err(SignatureError::Timestamp));
    }

    #[test]
    fn a_timestamp_may_differ_by_five_minutes_in_either_direction() {
        let secret = Secret::from_bytes(&[7; 32]).expect("a secret");
        let sent = 1_700_000_000;
        let signature = secret.sign("a:1", sent, b"{}");
        for (apart, expected) in [
            (0, Ok(())),
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(SignatureError::Timestamp)),
            (-301, Err(SignatureError::Timestamp)),
        ] {
            let now = Timestamp::from_second(sent + apart).expect("a time");
            assert_eq!(secret.verify("a:1", "1700000000", &signature, b"{}", now), expected, "{apart}");
        }
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_is_read_as_it_was_written() {
        for (bytes, sound) in [(23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(Secret::from_bytes(&vec![7; bytes]).is_ok(), sound, "{bytes}");
        }
        let secret = Secret::from_bytes(&[7; 24]).expect("a secret");
        assert_eq!(secret.reveal(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH");
        assert_eq!(Secret::parse(&secret.reveal()).expect("a secret").as_bytes(), secret.as_bytes());
        assert_eq!(secret.as_bytes(), [7; 24]);
        assert_eq!(format!("{secret:?}"), "Secret([redacted])");
        let old = EndpointKeys::from_bytes(&[7; 40]).expect("a secret of another length");
        assert_eq!((old.secret().as_bytes().len(), old.public()), (40, None));
    }

    /// The public key is that of RFC 8032 section 7.1, test 1, for its seed.
    #[test]
    fn both_keys_sign_and_a_secret_alone_still_signs() {
        let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
        let seed = STANDARD.decode(seed).expect("a seed");
        let keys = EndpointKeys::from_bytes(&[&[7; 32], &seed[..]].concat()).expect("keys");
        let public = keys.public().expect("a public key");
        assert_eq!(public.reveal(), "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        assert_eq!(PublicKey::parse(&public.reveal()), Ok(public.clone()));
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let signatures = keys.sign("a:1", 1_700_000_000, b"{}");
        let verify = |id, body: &[u8]| public.verify(id, "1700000000", &signatures, body, now);
        assert_eq!(verify("a:1", b"{}"), Ok(()));
        assert_eq!(keys.secret().verify("a:1", "1700000000", &signatures, b"{}", now), Ok(()));
        assert_eq!(verify("a:2", b"{}"), Err(SignatureError::Forged));
        assert_eq!(verify("a:1", b"{ }"), Err(SignatureError::Forged));
        let old = EndpointKeys::from_bytes(&[7; 32]).expect("a secret alone");
        assert!(old.public().is_none());
        assert!(signatures.starts_with(&format!("{} v1a,", old.sign("a:1", 1_700_000_000, b"{}"))));
        assert!(EndpointKeys::from_bytes(&[7; 23]).is_err() && PublicKey::parse("whpk_AAAA").is_err());
    }
}

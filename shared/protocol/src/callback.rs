//! Callbacks to app backends after Standard Webhooks: thin, signed, and the same id however often they come.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{ApplicationId, TenantId};
use domain::stage::Stage;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

/// A callback that is due, as it lies in the webhook queue. Ids only: nothing personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum Due {
    /// The first form.
    #[serde(rename = "1")]
    V1(Callback),
}

/// What happened, to whom it matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The tenant to call.
    pub tenant: TenantId,
    /// The application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// `application.<event>`, for example `application.received`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was recorded.
    pub at: Timestamp,
    /// Stage after it.
    pub stage: Stage,
}

/// The body of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// `application.<event>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was recorded.
    pub timestamp: Timestamp,
    /// The ids to read more with.
    pub data: Data,
}

/// The ids of a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The application.
    pub application: ApplicationId,
    /// Version of the event.
    pub version: u32,
    /// Stage after it.
    pub stage: Stage,
}

impl Callback {
    /// `webhook-id`: the same for every attempt.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{}", self.application, self.version)
    }

    /// The body.
    #[must_use]
    pub fn payload(&self) -> Payload {
        Payload {
            kind: self.kind.clone(),
            timestamp: self.at,
            data: Data { application: self.application, version: self.version, stage: self.stage },
        }
    }
}

/// Why a signature or a secret is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not `whsec_` and base64 of 24 to 64 bytes.
    #[error("not a webhook secret")]
    Secret,
    /// The timestamp is too far from now.
    #[error("the timestamp is outside of the tolerance")]
    Timestamp,
    /// No signature fits.
    #[error("the signature does not verify")]
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
    /// Takes raw bytes, 24 to 64 of them.
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
    /// [`SignatureError::Secret`] where it is not one.
    pub fn parse(text: &str) -> Result<Secret, SignatureError> {
        let encoded = text.strip_prefix("whsec_").ok_or(SignatureError::Secret)?;
        Secret::from_bytes(&STANDARD.decode(encoded).map_err(|_| SignatureError::Secret)?)
    }

    /// Writes `whsec_<base64>`, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// The bytes, to be sealed at rest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of `webhook-signature` for a body: `v1,<base64>`.
    #[must_use]
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, seconds, body).finalize().into_bytes()))
    }

    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        mac
    }

    /// Verifies the three headers of a callback against its body.
    ///
    /// # Errors
    /// [`SignatureError`]; several signatures may be given, one must fit.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::Timestamp)?;
        if (now.as_second() - seconds).abs() > TOLERANCE_SECONDS {
            return Err(SignatureError::Timestamp);
        }
        let fits = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|encoded| STANDARD.decode(encoded).ok())
            .any(|given| self.mac(id, seconds, body).verify_slice(&given).is_ok());
        if fits { Ok(()) } else { Err(SignatureError::Forged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference libraries.
    #[test]
    fn the_reference_example_signs_the_same() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_changed_body_or_an_old_timestamp_is_refused() {
        let secret = Secret::from_bytes(&[7; 32]).expect("a secret");
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let signature = secret.sign("a:1", 1_700_000_000, b"{}");
        let both = format!("v1,AAAA {signature}");
        assert_eq!(secret.verify("a:1", "1700000000", &both, b"{}", now), Ok(()));
        assert_eq!(secret.verify("a:1", "1700000000", &both, b"{ }", now), Err(SignatureError::Forged));
        assert_eq!(secret.verify("a:2", "1700000000", &both, b"{}", now), Err(SignatureError::Forged));
        assert_eq!(secret.verify("a:1", "1699999000", &both, b"{}", now), Err(SignatureError::Timestamp));
    }
}

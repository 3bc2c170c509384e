//! Keys as JWKs (RFC 7517), named by their thumbprint (RFC 7638).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use p256::elliptic_curve::rand_core::OsRng;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::pkcs8::EncodePrivateKey as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::JoseError;
use crate::json;

/// Maximum size of a JWK set, in bytes.
const SET_BYTES: usize = 64 * 1024;

/// The use of a key (RFC 7517 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyUse {
    /// `sig`: the key signs or verifies.
    #[serde(rename = "sig")]
    Signing,
    /// `enc`: the key encrypts or decrypts.
    #[serde(rename = "enc")]
    Encryption,
}

/// A public key: P-256 or Ed25519.
#[derive(Clone, Debug)]
pub struct PublicKey {
    kid: String,
    jwk: Jwk,
    point: Option<p256::PublicKey>,
}

impl PublicKey {
    /// Reads a public JWK: P-256 or Ed25519. A JWK without `kid` is named by its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// [`JoseError::Key`] when the JWK is private, or is not such a key.
    pub fn from_jwk(value: &Value) -> Result<PublicKey, JoseError> {
        if value.get("d").is_some() {
            return Err(JoseError::Key);
        }
        let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|_| JoseError::Key)?;
        let kid = match &jwk.common.key_id {
            Some(kid) => kid.clone(),
            None => jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| JoseError::Key)?,
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let point = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => Some(point(value)?),
            (Some("OKP"), Some("Ed25519")) => None,
            _ => return Err(JoseError::Key),
        };
        Ok(PublicKey { kid, jwk, point })
    }

    /// The key id, by which messages name this key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Writes the public JWK.
    ///
    /// # Errors
    /// [`JoseError::Key`] when the JWK cannot be written as JSON.
    pub fn to_jwk(&self) -> Result<Value, JoseError> {
        serde_json::to_value(&self.jwk).map_err(|_| JoseError::Key)
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        if self.point.is_some() { Algorithm::ES256 } else { Algorithm::EdDSA }
    }

    pub(super) fn point(&self) -> Result<&p256::PublicKey, JoseError> {
        self.point.as_ref().ok_or(JoseError::Key)
    }
}

/// Keys of a published set, at most.
const SET_KEYS: usize = 16;

/// A JWK set (RFC 7517 section 5) of public keys that may be published.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// A set of these keys, the signing key in use first.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> KeySet {
        KeySet { keys }
    }

    /// Reads `{"keys": [...]}`, 1 to 16 keys. One private key among them refuses the whole set.
    ///
    /// # Errors
    /// [`JoseError::Malformed`] when the text is not a JWK set, [`JoseError::Key`] when a key cannot be used.
    pub fn parse(text: &str) -> Result<KeySet, JoseError> {
        let set = json::parse(text.as_bytes(), SET_BYTES).map_err(|_| JoseError::Malformed)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(JoseError::Malformed)?;
        if keys.is_empty() || keys.len() > SET_KEYS {
            return Err(JoseError::Malformed);
        }
        Ok(KeySet { keys: keys.iter().map(PublicKey::from_jwk).collect::<Result<_, _>>()? })
    }

    /// The keys in their order.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Writes the set as `{"keys": [...]}`.
    ///
    /// # Errors
    /// [`JoseError::Key`] when a key cannot be written as JSON.
    pub fn to_json(&self) -> Result<Value, JoseError> {
        let keys = self.keys.iter().map(PublicKey::to_jwk).collect::<Result<Vec<_>, _>>()?;
        Ok(serde_json::json!({ "keys": keys }))
    }
}

/// Reads the P-256 point of an EC JWK.
pub(super) fn point(jwk: &Value) -> Result<p256::PublicKey, JoseError> {
    let mut bytes = vec![4];
    for name in ["x", "y"] {
        let text = jwk.get(name).and_then(Value::as_str).ok_or(JoseError::Key)?;
        let part = URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Key)?;
        if part.len() != 32 {
            return Err(JoseError::Key);
        }
        bytes.extend(part);
    }
    p256::PublicKey::from_sec1_bytes(&bytes).map_err(|_| JoseError::Key)
}

/// Writes the public members of a P-256 JWK.
pub(super) fn ec_jwk(public: &p256::PublicKey) -> Value {
    let encoded = public.to_encoded_point(false);
    let coordinate =
        |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.map_or(&[][..], |b| &b[..]));
    serde_json::json!({ "kty": "EC", "crv": "P-256", "x": coordinate(encoded.x()), "y": coordinate(encoded.y()) })
}

/// A P-256 private key. `Debug` prints only the `kid`.
#[derive(Clone)]
pub struct PrivateKey {
    secret: p256::SecretKey,
    public: PublicKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.kid)
    }
}

impl PrivateKey {
    /// Generates a key from the randomness of the system.
    ///
    /// # Errors
    /// [`JoseError::Key`] when no thumbprint can be computed.
    pub fn generate(usage: KeyUse) -> Result<PrivateKey, JoseError> {
        PrivateKey::new(p256::SecretKey::random(&mut OsRng), usage)
    }

    fn new(secret: p256::SecretKey, usage: KeyUse) -> Result<PrivateKey, JoseError> {
        let mut value = ec_jwk(&secret.public_key());
        let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|_| JoseError::Key)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| JoseError::Key)?;
        let members = value.as_object_mut().ok_or(JoseError::Key)?;
        members.insert("kid".to_owned(), kid.into());
        members.insert("use".to_owned(), serde_json::to_value(usage).map_err(|_| JoseError::Key)?);
        Ok(PrivateKey { secret, public: PublicKey::from_jwk(&value)? })
    }

    /// Reads a private P-256 JWK.
    ///
    /// # Errors
    /// [`JoseError::Key`] when the JWK is not a private P-256 key, or `x` and `y` do not belong to `d`.
    pub fn from_jwk(value: &Value) -> Result<PrivateKey, JoseError> {
        let text = value.get("d").and_then(Value::as_str).ok_or(JoseError::Key)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Key)?;
        let secret = p256::SecretKey::from_slice(&bytes).map_err(|_| JoseError::Key)?;
        if point(value)? != secret.public_key() {
            return Err(JoseError::Key);
        }
        let mut public = value.clone();
        public.as_object_mut().map(|members| members.remove("d"));
        Ok(PrivateKey { secret, public: PublicKey::from_jwk(&public)? })
    }

    /// Writes the private JWK. The caller keeps it secret.
    ///
    /// # Errors
    /// [`JoseError::Key`] when the JWK cannot be written as JSON.
    pub fn to_jwk(&self) -> Result<Value, JoseError> {
        let mut value = self.public.to_jwk()?;
        let members = value.as_object_mut().ok_or(JoseError::Key)?;
        members.insert("d".to_owned(), URL_SAFE_NO_PAD.encode(self.secret.to_bytes()).into());
        Ok(value)
    }

    /// The public key of this private key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn secret(&self) -> &p256::SecretKey {
        &self.secret
    }

    pub(super) fn encoding_key(&self) -> Result<EncodingKey, JoseError> {
        let der = self.secret.to_pkcs8_der().map_err(|_| JoseError::Key)?;
        Ok(EncodingKey::from_ec_der(der.as_bytes()))
    }
}

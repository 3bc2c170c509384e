//! The id secret and the hub's signing key, as their stores hold them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::jose::PrivateKey;
use protocol::json;
use zeroize::Zeroizing;

/// Least length of an id secret, in bytes.
const ID_SECRET_BYTES: usize = 32;

/// A secret. `Debug` does not show it; its memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the secret's bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(Zeroizing::new(bytes))
    }

    /// The secret's bytes. They must not be logged.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

pub(crate) fn id_secret(text: &str) -> Result<Secret, &'static str> {
    match URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) {
        Ok(bytes) if bytes.len() >= ID_SECRET_BYTES => Ok(Secret::new(bytes)),
        Ok(_) => Err("shorter than 32 bytes"),
        Err(_) => Err("not base64url"),
    }
}

pub(crate) fn signing_key(text: &str) -> Result<PrivateKey, &'static str> {
    let jwk = json::parse(text.as_bytes(), text.len()).map_err(|_| "not JSON")?;
    PrivateKey::from_jwk(&jwk).map_err(|_| "not a private P-256 JWK")
}

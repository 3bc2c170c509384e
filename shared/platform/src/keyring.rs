//! The signing keys of all agencies by `kid`, to find the signer of a JWS.

use std::collections::HashMap;

use domain::agencies::Agencies;
use domain::ids::AgencyCode;
use protocol::jose::{JoseError, PublicKey, signer_kid, verify};
use serde::de::DeserializeOwned;

/// The agencies' signing keys. An unusable key is logged and left out.
#[derive(Clone, Debug, Default)]
pub struct Keyring(HashMap<String, (AgencyCode, PublicKey)>);

impl Keyring {
    /// The keys of all agencies. A suspended agency may still report on its open cases.
    #[must_use]
    pub fn of(agencies: &Agencies) -> Keyring {
        let mut keys = HashMap::new();
        for row in agencies.agencies() {
            for jwk in &row.signing_keys {
                match PublicKey::from_jwk(jwk) {
                    Ok(key) => {
                        keys.insert(key.kid().to_owned(), (row.code.clone(), key));
                    }
                    Err(error) => {
                        tracing::error!(agency = %row.code, %error, "a signing key of the agency cannot be used; reports signed with it are rejected")
                    }
                }
            }
        }
        Keyring(keys)
    }

    /// Verifies a compact JWS of type `typ`. Returns the agency that signed it and the payload.
    ///
    /// # Errors
    /// [`JoseError`]. The payload is parsed only after the signature is verified.
    pub fn verify<T: DeserializeOwned>(&self, typ: &str, jws: &str) -> Result<(AgencyCode, T), JoseError> {
        let kid = signer_kid(jws)?;
        let (agency, key) = self.0.get(&kid).ok_or(JoseError::UnknownKey)?;
        Ok((agency.clone(), verify(typ, jws, [key])?))
    }
}

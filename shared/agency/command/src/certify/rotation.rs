//! The check that registers a second encryption key at the hub, for the time of the check.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use protocol::jose::{PrivateKey, PublicKey};
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::error::CertifyError;
use super::operator::HubKey;
use super::outcome::NotPassed;
use super::session::Session;
use super::single_case;

/// Time until every function of the hub knows a changed key. Functions reload keys every 15 seconds.
const PROPAGATION: Duration = Duration::from_secs(16);

pub(super) async fn rotated_key(session: &Session<'_>) -> Result<(), NotPassed> {
    let known = session.needed_operator()?.keys(session.agency()).await?;
    let ended = match second_key(&session.config.keys.encryption, &known) {
        Some(SecondKey::Unknown(next)) => {
            let file = PublicFile::write(next)?;
            session.register_key(next.kid(), &file.path()).await?;
            let check = async {
                sleep(PROPAGATION).await;
                single_case::ordinary(session).await
            };
            let ended = check.await;
            session.remove_registered_key().await?;
            ended
        }
        Some(SecondKey::InUse) => single_case::ordinary(session).await,
        None => {
            return Err(NotPassed::Skipped(
                "encryption_keys holds no second key that the hub can use (it knows or has revoked each): create one with \
                 `tongban-agency keygen --name encryption-next`, add it to encryption_keys, and restart the consumer"
                    .to_owned(),
            ));
        }
    };
    match ended {
        Err(NotPassed::Failed(why)) => NotPassed::failed(format!(
            "a case encrypted to the second key was not decided: decrypt each message with the key of encryption_keys that \
             the message names (`kid`) ({why})"
        )),
        other => other,
    }
}

/// The key to which the hub encrypts during the check.
#[derive(Debug)]
enum SecondKey<'k> {
    /// The hub does not have the key. It gets the key for the time of the check, so the next run finds the same state.
    Unknown(&'k PublicKey),
    /// An operator has added the key already, and the hub encrypts to it: a rotation is in progress.
    InUse,
}

fn second_key<'k>(own: &'k [PrivateKey], known: &[HubKey]) -> Option<SecondKey<'k>> {
    let unknown = own.iter().map(PrivateKey::public).find(|key| known.iter().all(|one| one.kid != key.kid()));
    let in_use = |kid: &str| known.iter().any(|one| one.kid == kid && one.is_added_and_in_use());
    match unknown {
        Some(key) => Some(SecondKey::Unknown(key)),
        None if own.len() > 1 && own.iter().any(|key| in_use(key.public().kid())) => Some(SecondKey::InUse),
        None => None,
    }
}

/// A public key in a temporary file, deleted on drop.
struct PublicFile(PathBuf);

impl PublicFile {
    fn write(key: &PublicKey) -> Result<PublicFile, CertifyError> {
        let failed = |_| CertifyError::Answer("a file for the public key".to_owned());
        let mut jwk = key.to_jwk().map_err(|_| CertifyError::Answer("the second key".to_owned()))?;
        jwk["kid"] = Value::from(key.kid());
        jwk["use"] = "enc".into();
        let file = PublicFile(std::env::temp_dir().join(format!("certify-{}.jwk.json", Uuid::new_v4())));
        let mut options = std::fs::OpenOptions::new();
        let mut written = options.create_new(true).write(true).open(&file.0).map_err(failed)?;
        written.write_all(jwk.to_string().as_bytes()).map_err(failed)?;
        Ok(file)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for PublicFile {
    fn drop(&mut self) {
        // A failure does not matter: the file holds no secret, and the system clears this folder.
        let _gone = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::jose::KeyUse;
    use serde_json::json;

    #[test]
    fn a17_a_second_run_registers_the_key_that_the_first_one_removed() {
        let keys = [0, 1].map(|_| PrivateKey::generate(KeyUse::Encryption).expect("a key"));
        let kid = |number: usize| keys[number].public().kid();
        let chosen = |own: &[PrivateKey], known: Value| {
            let known: Vec<HubKey> = serde_json::from_value(known).expect("keys");
            match second_key(own, &known) {
                Some(SecondKey::Unknown(key)) => key.kid().to_owned(),
                Some(SecondKey::InUse) => "in use".to_owned(),
                None => "none".to_owned(),
            }
        };
        let row = json!({ "kid": kid(0), "role": "encryption", "state": "in_use", "origin": "row" });
        let former = json!({ "kid": kid(0), "role": "encryption", "state": "former", "origin": "row" });
        let added = json!({ "kid": kid(1), "role": "encryption", "state": "in_use", "origin": "operator" });
        let revoked = json!({ "kid": kid(1), "role": null, "state": "revoked", "origin": null });
        // After each run the hub has the keys that it had before.
        assert_eq!(chosen(&keys, json!([row])), kid(1));
        assert_eq!(
            chosen(&keys, json!([added, former])),
            "in use",
            "after a killed run, or during a rotation"
        );
        assert_eq!(chosen(&keys, json!([row, revoked])), "none");
        assert_eq!(chosen(&keys[..1], json!([row])), "none", "one key alone proves nothing");
    }
}

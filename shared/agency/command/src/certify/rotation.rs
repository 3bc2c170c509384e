//! The check that registers a second encryption key at the hub.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use protocol::jose::PublicKey;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::error::CertifyError;
use super::outcome::NotPassed;
use super::session::Session;
use super::single_case;

/// Time until every function of the hub knows a changed key. Functions reload keys every 15 seconds.
const PROPAGATION: Duration = Duration::from_secs(16);

pub(super) async fn rotated_key(session: &Session<'_>) -> Result<(), NotPassed> {
    let operator = session.needed_operator()?;
    let known = operator.keys(session.agency()).await?;
    let keys = &session.config.keys.encryption;
    let Some(next) =
        keys.iter().map(|key| key.public()).find(|key| !known.iter().any(|kid| kid == key.kid()))
    else {
        return Err(NotPassed::Skipped(
            "the hub knows every key in encryption_keys already, or has revoked it: create another with \
             `tongban-agency keygen`, add it to encryption_keys, and restart the consumer"
                .to_owned(),
        ));
    };
    let file = PublicFile::write(next)?;
    session.register_key(next.kid(), &file.path()).await?;
    let check = async {
        sleep(PROPAGATION).await;
        single_case::ordinary(session).await
    };
    let ended = check.await;
    session.revoke_registered_key().await?;
    match ended {
        Err(NotPassed::Failed(why)) => NotPassed::failed(format!(
            "a case encrypted to the second key was not decided: decrypt each message with the key of encryption_keys that \
             the message names (`kid`) ({why})"
        )),
        other => other,
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

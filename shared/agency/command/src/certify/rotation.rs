//! The check that gives the hub a second key to encrypt to.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use protocol::jose::PublicKey;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::error::CertifyError;
use super::outcome::Unmet;
use super::session::Session;
use super::turns;

/// After how long every function of the hub knows a changed key: they look every 15 seconds.
const KNOWN: Duration = Duration::from_secs(16);

pub(super) async fn rotated_key(session: &Session<'_>) -> Result<(), Unmet> {
    let operator = session.needed_operator()?;
    let known = operator.keys(session.agency()).await?;
    let keys = &session.config.keys.encryption;
    let Some(next) =
        keys.iter().map(|key| key.public()).find(|key| !known.iter().any(|kid| kid == key.kid()))
    else {
        return Err(Unmet::Skipped(
            "every key in encryption_keys is known to the hub already, or was revoked: make another \
             (`tongban-agency keygen`), list it too, and start the consumer again"
                .to_owned(),
        ));
    };
    let file = PublicFile::write(next)?;
    session.lend(next.kid(), &file.path()).await?;
    let played = async {
        sleep(KNOWN).await;
        turns::ordinary(session).await
    };
    let played = played.await;
    session.take_back().await?;
    match played {
        Err(Unmet::Failed(why)) => Unmet::failed(format!(
            "a case encrypted to the second key was not decided: open a message with the key it names (`kid`) among all \
             of encryption_keys ({why})"
        )),
        other => other,
    }
}

/// A public key in a file for the time of the check.
struct PublicFile(PathBuf);

impl PublicFile {
    fn write(key: &PublicKey) -> Result<PublicFile, CertifyError> {
        let trouble = |_| CertifyError::Answer("a file for the public key".to_owned());
        let mut jwk = key.to_jwk().map_err(|_| CertifyError::Answer("the second key".to_owned()))?;
        jwk["kid"] = Value::from(key.kid());
        jwk["use"] = "enc".into();
        let file = PublicFile(std::env::temp_dir().join(format!("certify-{}.jwk.json", Uuid::new_v4())));
        let mut options = std::fs::OpenOptions::new();
        let mut written = options.create_new(true).write(true).open(&file.0).map_err(trouble)?;
        written.write_all(jwk.to_string().as_bytes()).map_err(trouble)?;
        Ok(file)
    }

    fn path(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for PublicFile {
    fn drop(&mut self) {
        // Nobody is told: it holds nothing secret, and the system clears this folder.
        let _gone = std::fs::remove_file(&self.0);
    }
}

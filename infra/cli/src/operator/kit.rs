//! The integration kit of an agency: the settings of its process and, for a hub on this machine, its keys.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use domain::ids::AgencyCode;
use protocol::jose::{KeyUse, PrivateKey};
use serde_json::{Value, json};

use super::Operator;
use super::location::HubPlace;
use crate::aws::LOCAL_REGION;
use crate::endpoints::{account_of, endpoint_of, url_by_number};
use crate::secrets::Secrets;
use crate::workspace::write_new;

/// File with the settings.
const SETTINGS: &str = "agency.json";
/// Key that signs the agency's reports.
const SIGNING: &str = "signing.jwk.json";
/// Key that decrypts the agency's messages.
const ENCRYPTION: &str = "encryption.jwk.json";
/// Spare key that is unknown to the hub. A rotation begins when an operator adds its public part.
const NEXT: &str = "encryption-next.jwk.json";
/// Environment variables for access to AWS as the agency's account.
const ENVIRONMENT: &str = "agency.env";

impl Operator {
    /// Writes an agency's kit into a folder, which is created if missing, and returns the paths. Only the owner can
    /// read the files. For a hub in a real account the kit has the settings only: the agency generates its own keys.
    ///
    /// # Errors
    /// No agency has this code, a file exists already (nothing is written then), or the folder cannot be written.
    pub fn kit(&self, code: &AgencyCode, folder: &Path) -> Result<Vec<PathBuf>> {
        self.row(code)?;
        let files = match &self.place {
            HubPlace::Here { port } => self.local_kit(code, *port)?,
            HubPlace::Account { .. } => {
                let settings = self.settings(code, self.outputs.get("ApiUrl")?)?;
                vec![(SETTINGS, pretty(&settings)?)]
            }
        };
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be written", folder.display()))?;
        let taken: Vec<&str> =
            files.iter().map(|(name, _)| *name).filter(|name| folder.join(name).exists()).collect();
        if !taken.is_empty() {
            bail!("{} already contains {}; nothing was written", folder.display(), taken.join(", "));
        }
        files
            .into_iter()
            .map(|(name, text)| {
                let path = folder.join(name);
                write_new(&path, text.as_bytes())?;
                Ok(path)
            })
            .collect()
    }

    fn settings(&self, code: &AgencyCode, hub_url: &str) -> Result<Value> {
        Ok(json!({
            "agency": code,
            "queue_url": self.queue_url(code)?,
            "reports_queue_url": self.outputs.get("ReportsQueueUrl")?,
            "hub_url": hub_url,
        }))
    }

    fn local_kit(&self, code: &AgencyCode, port: u16) -> Result<Vec<(&'static str, String)>> {
        let secrets = Secrets::open(&self.workspace.state("keys.json"), [])?;
        let keys = secrets
            .agencies()
            .get(code)
            .context("keys.json does not contain the agency's keys; start the hub again")?;
        let spare = PrivateKey::generate(KeyUse::Encryption)?;
        // By IP address, because not every HTTP client resolves names below `.localhost`.
        let endpoint = endpoint_of(port);
        let hub_url = url_by_number(&endpoint, self.outputs.get("ApiId")?);
        let mut settings = self.settings(code, &hub_url)?;
        settings["signing_key"] = SIGNING.into();
        settings["encryption_keys"] = json!([ENCRYPTION, NEXT]);
        // Shorter than in production: a developer does not want to wait a minute for a redelivery.
        settings["visibility_seconds"] = 15.into();
        let environment = [
            ("AWS_REGION", LOCAL_REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", account_of(code)),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL", endpoint),
        ];
        let environment = environment.map(|(name, value)| format!("export {name}={value}\n")).concat();
        Ok(vec![
            (SETTINGS, pretty(&settings)?),
            (SIGNING, pretty(&keys.signing.to_jwk()?)?),
            (ENCRYPTION, pretty(&keys.encryption.to_jwk()?)?),
            (NEXT, pretty(&spare.to_jwk()?)?),
            (ENVIRONMENT, environment),
        ])
    }
}

fn pretty(value: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

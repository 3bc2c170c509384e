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
use crate::workspace::{write_new, write_whole};

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
/// The settings that change with the hub's address.
const ADDRESSES: [&str; 3] = ["queue_url", "reports_queue_url", "hub_url"];
/// Most bytes of a kit's settings.
const KIT_BYTES: usize = 1024 * 1024;

impl Operator {
    /// Writes an agency's kit into a folder, which is created if missing, and returns the paths. Only the owner can
    /// read the files. For a hub in a real account the kit has the settings only: the agency generates its own keys.
    ///
    /// # Errors
    /// No agency has this code, a file exists already (nothing is written then), or the folder cannot be written.
    pub fn kit(&self, code: &AgencyCode, folder: &Path) -> Result<Vec<PathBuf>> {
        self.row(code)?;
        let files = self.files(code)?;
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be written", folder.display()))?;
        let taken: Vec<&str> =
            files.iter().map(|(name, _)| *name).filter(|name| folder.join(name).exists()).collect();
        if !taken.is_empty() {
            bail!(
                "{} already contains {}; nothing was written. `--renew` writes the hub's addresses into an existing kit",
                folder.display(),
                taken.join(", ")
            );
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

    /// Writes the addresses of the hub into an existing kit and returns the paths of the changed files. Keys and all
    /// other settings stay.
    ///
    /// # Errors
    /// The folder holds no kit of this agency, or cannot be written.
    pub fn renew_kit(&self, code: &AgencyCode, folder: &Path) -> Result<Vec<PathBuf>> {
        self.row(code)?;
        let mut changed = Vec::new();
        for (name, text) in self.files(code)? {
            let path = folder.join(name);
            let renewed = match name {
                SETTINGS => renewed_settings(&read(&path)?, &text)
                    .with_context(|| format!("{} is not a kit of agency {code}", path.display()))?,
                ENVIRONMENT if path.exists() => renewed_environment(&read(&path)?, &text),
                _ => continue,
            };
            if renewed != read(&path)? {
                write_whole(&path, renewed.as_bytes(), true)?;
                changed.push(path);
            }
        }
        Ok(changed)
    }

    fn files(&self, code: &AgencyCode) -> Result<Vec<(&'static str, String)>> {
        match &self.place {
            HubPlace::Here { port } => self.local_kit(code, *port),
            HubPlace::Account { .. } => {
                let settings = self.settings(code, self.outputs.get("ApiUrl")?)?;
                Ok(vec![(SETTINGS, pretty(&settings)?)])
            }
        }
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

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The settings of a kit with the addresses of another. `None` when they are of different agencies.
fn renewed_settings(given: &str, fresh: &str) -> Option<String> {
    let mut given: Value = protocol::json::parse(given.as_bytes(), KIT_BYTES).ok()?;
    let fresh: Value = serde_json::from_str(fresh).ok()?;
    if given.get("agency")? != fresh.get("agency")? {
        return None;
    }
    for name in ADDRESSES {
        given[name] = fresh.get(name)?.clone();
    }
    pretty(&given).ok()
}

/// The variables of a kit with the endpoint of another.
fn renewed_environment(given: &str, fresh: &str) -> String {
    let is_endpoint = |line: &&str| line.starts_with("export AWS_ENDPOINT_URL=");
    let endpoint = fresh.lines().find(is_endpoint);
    let kept = given.lines().filter(|line| !is_endpoint(line));
    kept.chain(endpoint).map(|line| format!("{line}\n")).collect()
}

fn pretty(value: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a23_a_renewed_kit_has_new_addresses_and_keeps_the_rest() {
        let given = json!({ "agency": "42", "hub_url": "http://127.0.0.1:1/old", "queue_url": "q", "concurrency": 3 });
        let fresh = json!({ "agency": "42", "hub_url": "h", "queue_url": "new", "reports_queue_url": "r", "signing_key": "k" });
        let renewed = renewed_settings(&given.to_string(), &fresh.to_string()).expect("a kit");
        let renewed: Value = serde_json::from_str(&renewed).expect("JSON");
        let expected = json!({ "agency": "42", "hub_url": "h", "queue_url": "new", "reports_queue_url": "r", "concurrency": 3 });
        assert_eq!(renewed, expected);
        let other = json!({ "agency": "11", "hub_url": "h", "queue_url": "q", "reports_queue_url": "r" });
        assert_eq!(renewed_settings(&given.to_string(), &other.to_string()), None);
        assert_eq!(renewed_settings("{\"agency\":\"42\",\"agency\":\"42\"}", &fresh.to_string()), None);

        let given = "export AWS_REGION=r\nexport AWS_ENDPOINT_URL=http://127.0.0.1:1\nexport HTTPS_PROXY=p\n";
        let renewed =
            renewed_environment(given, "export AWS_REGION=x\nexport AWS_ENDPOINT_URL=http://127.0.0.1:2\n");
        assert_eq!(
            renewed,
            "export AWS_REGION=r\nexport HTTPS_PROXY=p\nexport AWS_ENDPOINT_URL=http://127.0.0.1:2\n"
        );
    }
}

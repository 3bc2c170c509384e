//! What a function is told by its environment, read once and all at once.
//!
//! A function names the variables it needs. Everything that is missing or wrong is said in one message, by
//! name; no value is ever shown, because some are secrets and the others are in the template. Nothing falls
//! back in silence to something that only looks like working.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::partners::{AgencyRow, Partners};
use protocol::jose::{KeySet, PrivateKey};
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::aws::Access;
use crate::queues::QueueUrls;
use crate::telemetry::Level;
use crate::token::Issuers;

/// Bytes of the shortest namespace secret.
const ID_SECRET_BYTES: usize = 32;

/// A variable that some functions have and others do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `TABLE`: name of the applications table.
    Table,
    /// `SETTINGS_TABLE`: name of the settings table.
    SettingsTable,
    /// `DELIVERIES_TABLE`: name of the table of deliveries.
    DeliveriesTable,
    /// `PARTNERS_TABLE`: name of the table of amendments of agencies.
    PartnersTable,
    /// `BUCKET`: name of the documents bucket.
    Bucket,
    /// `KEY_ID`: ARN of the KMS key that encrypts documents and personal data.
    KeyId,
    /// `WEBHOOK_QUEUE_URL`: queue of callbacks.
    WebhookQueueUrl,
    /// `DRAIN_QUEUE_URL`: queue of endpoints whose held callbacks may be due.
    DrainQueueUrl,
    /// `QUEUE_URL_PREFIX`: an agency's queue is this, its code and `.fifo`.
    QueueUrlPrefix,
    /// `PARKED_QUEUE_URL`: queue of what the router sets aside.
    ParkedQueueUrl,
    /// `ID_SECRET`: secret of the namespace that application ids are derived in, base64url, from 32 bytes.
    /// Never rotated.
    IdSecret,
    /// `TOKEN_ISSUERS`: whose access tokens are taken (see [`Issuers::parse`]).
    TokenIssuers,
    /// `HUB_SIGNING_KEY`: private P-256 JWK that signs cases and callbacks.
    HubSigningKey,
    /// `HUB_KEYS`: public JWK set of the keys that verify cases, the one in use first.
    HubKeys,
    /// `LAMBDA_TASK_ROOT`: where `partners.json` lies.
    Partners,
}

impl Variable {
    /// Its name in the environment.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variable::Table => "TABLE",
            Variable::SettingsTable => "SETTINGS_TABLE",
            Variable::DeliveriesTable => "DELIVERIES_TABLE",
            Variable::PartnersTable => "PARTNERS_TABLE",
            Variable::Bucket => "BUCKET",
            Variable::KeyId => "KEY_ID",
            Variable::WebhookQueueUrl => "WEBHOOK_QUEUE_URL",
            Variable::DrainQueueUrl => "DRAIN_QUEUE_URL",
            Variable::QueueUrlPrefix => "QUEUE_URL_PREFIX",
            Variable::ParkedQueueUrl => "PARKED_QUEUE_URL",
            Variable::IdSecret => "ID_SECRET",
            Variable::TokenIssuers => "TOKEN_ISSUERS",
            Variable::HubSigningKey => "HUB_SIGNING_KEY",
            Variable::HubKeys => "HUB_KEYS",
            Variable::Partners => "LAMBDA_TASK_ROOT",
        }
    }
}

/// Where the hub runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For citizens. The default, because it permits less.
    #[default]
    Live,
    /// On a developer's machine: callbacks may go to `http://127.0.0.1`.
    Local,
}

/// Names of the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Applications.
    pub applications: Option<String>,
    /// Settings.
    pub settings: Option<String>,
    /// Deliveries of callbacks.
    pub deliveries: Option<String>,
    /// Amendments of agencies.
    pub partners: Option<String>,
}

/// A secret. `Debug` does not show it; it is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the secret's bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(Zeroizing::new(bytes))
    }

    /// The secret itself.
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

/// The configuration of a function. What it named as needed is there; the rest is there if it was given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where AWS is, and as whom to call it.
    pub access: Access,
    /// Where the hub runs.
    pub mode: Mode,
    /// What is logged.
    pub log_level: Level,
    /// The stack's name, for metrics.
    pub stack: Option<String>,
    /// The tables.
    pub tables: Tables,
    /// The documents bucket.
    pub bucket: Option<String>,
    /// ARN of the KMS key.
    pub key_id: Option<String>,
    /// The queues.
    pub queues: QueueUrls,
    /// The namespace of application ids.
    pub id_secret: Option<Secret>,
    /// Whose access tokens are taken.
    pub issuers: Option<Issuers>,
    /// The hub's signing key.
    pub signing_key: Option<PrivateKey>,
    /// The keys that verify the hub's messages, as they are published.
    pub hub_keys: Option<KeySet>,
    /// The agencies, from `partners.json`.
    pub partners: Option<Partners>,
}

/// Everything that is wrong with an environment, by name of the variable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .problems.iter().map(|(name, problem)| format!("{name} {problem}")).collect::<Vec<_>>().join("; "))]
pub struct ConfigError {
    problems: BTreeMap<&'static str, String>,
}

impl ConfigError {
    /// The names of the variables concerned.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.problems.keys().copied()
    }
}

/// Reads variables and collects what is wrong with them.
struct Reader<'a> {
    given: BTreeMap<String, String>,
    needed: &'a [Variable],
    problems: BTreeMap<&'static str, String>,
}

impl Reader<'_> {
    fn text(&mut self, variable: Variable) -> Option<String> {
        self.parsed(variable, |text| Ok::<_, &str>(text.to_owned()))
    }

    fn parsed<T, E: fmt::Display>(
        &mut self,
        variable: Variable,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.given.get(variable.name()).filter(|text| !text.is_empty()) {
            Some(text) => match parse(text) {
                Ok(value) => return Some(value),
                Err(problem) => self.problems.insert(variable.name(), format!("is not usable: {problem}")),
            },
            None if self.needed.contains(&variable) => {
                self.problems.insert(variable.name(), "is missing".to_owned())
            }
            None => None,
        };
        None
    }

    /// One of a few words; absent means the default.
    fn choice<T: Copy + Default>(&mut self, name: &'static str, words: &[(&str, T)]) -> T {
        let Some(text) = self.given.get(name).filter(|text| !text.is_empty()) else { return T::default() };
        match words.iter().find(|(word, _)| word == text) {
            Some((_, value)) => *value,
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.problems.insert(name, format!("is none of {}", known.join(", ")));
                T::default()
            }
        }
    }
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names everything that is missing or wrong.
    pub fn from_env(needed: &[Variable]) -> Result<Config, ConfigError> {
        // `vars` panics, with the text, where one is not Unicode.
        let given = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Config::read(needed, given)
    }

    /// Reads variables. Only `partners.json` is read from elsewhere, where it is needed.
    ///
    /// # Errors
    /// [`ConfigError`] names everything that is missing or wrong.
    pub fn read(
        needed: &[Variable],
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut reader = Reader { given: given.into_iter().collect(), needed, problems: BTreeMap::new() };
        let access = Access::from_variables(|name| reader.given.get(name).cloned());
        if let Err(missing) = &access {
            reader.problems.extend(missing.iter().map(|name| (*name, "is missing".to_owned())));
        }
        let mode = reader.choice("MODE", &[("live", Mode::Live), ("local", Mode::Local)]);
        let log_level = reader.choice("LOG_LEVEL", &Level::NAMED);
        let tables = Tables {
            applications: reader.text(Variable::Table),
            settings: reader.text(Variable::SettingsTable),
            deliveries: reader.text(Variable::DeliveriesTable),
            partners: reader.text(Variable::PartnersTable),
        };
        let bucket = reader.text(Variable::Bucket);
        let key_id = reader.text(Variable::KeyId);
        let queues = QueueUrls {
            webhooks: reader.parsed(Variable::WebhookQueueUrl, url),
            drains: reader.parsed(Variable::DrainQueueUrl, url),
            agency_prefix: reader.parsed(Variable::QueueUrlPrefix, url),
            parked: reader.parsed(Variable::ParkedQueueUrl, url),
        };
        let id_secret = reader.parsed(Variable::IdSecret, secret);
        let issuers = reader.parsed(Variable::TokenIssuers, |text| Issuers::parse(text, mode));
        let signing_key = reader.parsed(Variable::HubSigningKey, signing_key);
        let hub_keys = reader.parsed(Variable::HubKeys, KeySet::parse);
        let partners = if needed.contains(&Variable::Partners) {
            reader.parsed(Variable::Partners, partners)
        } else {
            None
        };
        let stack = reader.given.get("STACK").cloned();
        match access {
            Ok(access) if reader.problems.is_empty() => Ok(Config {
                access,
                mode,
                log_level,
                stack,
                tables,
                bucket,
                key_id,
                queues,
                id_secret,
                issuers,
                signing_key,
                hub_keys,
                partners,
            }),
            _ => Err(ConfigError { problems: reader.problems }),
        }
    }
}

fn url(text: &str) -> Result<String, &'static str> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.to_owned())
    } else {
        Err("not a url")
    }
}

fn secret(text: &str) -> Result<Secret, &'static str> {
    match URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')) {
        Ok(bytes) if bytes.len() >= ID_SECRET_BYTES => Ok(Secret::new(bytes)),
        Ok(_) => Err("shorter than 32 bytes"),
        Err(_) => Err("not base64url"),
    }
}

fn signing_key(text: &str) -> Result<PrivateKey, &'static str> {
    let jwk = serde_json::from_str(text).map_err(|_| "not JSON")?;
    PrivateKey::from_jwk(&jwk).map_err(|_| "not a private P-256 JWK")
}

fn partners(folder: &str) -> Result<Partners, String> {
    let path = PathBuf::from(folder).join("partners.json");
    let bytes = std::fs::read(path).map_err(|error| format!("partners.json: {}", error.kind()))?;
    let rows: Rows =
        serde_json::from_slice(&bytes).map_err(|error| format!("partners.json: line {}", error.line()))?;
    Partners::new(rows.agencies).map_err(|error| format!("partners.json: {error}"))
}

/// The file's shape.
#[derive(Deserialize)]
struct Rows {
    agencies: Vec<AgencyRow>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use protocol::jose::KeyUse;

    use super::*;

    fn given<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const AWS: [(&str, &str); 3] = [
        ("AWS_REGION", "cn-north-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "canary-aws"),
    ];

    #[test]
    fn everything_wrong_is_said_at_once_and_no_value_is() {
        let needed = [Variable::Table, Variable::Bucket, Variable::IdSecret, Variable::HubSigningKey];
        let error = Config::read(
            &needed,
            given(&[
                ("AWS_REGION", "cn-north-1"),
                ("BUCKET", ""),
                ("ID_SECRET", "canary"),
                ("HUB_SIGNING_KEY", "{\"d\":\"canary\"}"),
                ("TOKEN_ISSUERS", "canary"),
                ("MODE", "canary"),
                ("LOG_LEVEL", "canary"),
                ("WEBHOOK_QUEUE_URL", "canary"),
            ]),
        )
        .unwrap_err();
        let named: Vec<_> = error.variables().collect();
        assert_eq!(
            named,
            [
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "BUCKET",
                "HUB_SIGNING_KEY",
                "ID_SECRET",
                "LOG_LEVEL",
                "MODE",
                "TABLE",
                "TOKEN_ISSUERS",
                "WEBHOOK_QUEUE_URL",
            ]
        );
        let said = format!("{error} {error:?}");
        assert!(said.contains("TABLE is missing; ") && !said.contains("canary"), "{said}");
    }

    #[test]
    fn what_is_not_needed_may_be_absent() {
        let config =
            Config::read(&[Variable::Table], given(&[&AWS[..], &[("TABLE", "t")]].concat())).unwrap();
        assert_eq!(config.tables.applications.as_deref(), Some("t"));
        assert_eq!((config.mode, config.log_level), (Mode::Live, Level::Info));
        assert!(config.bucket.is_none() && config.issuers.is_none() && config.partners.is_none());
    }

    #[test]
    fn no_secret_is_shown() {
        let key = PrivateKey::generate(KeyUse::Signing).unwrap().to_jwk().unwrap();
        let secret = URL_SAFE_NO_PAD.encode([7; 32]);
        let jwk = key.to_string();
        let pairs =
            [&AWS[..], &[("ID_SECRET", &secret), ("HUB_SIGNING_KEY", &jwk), ("MODE", "local")]].concat();
        let config = Config::read(&[Variable::IdSecret, Variable::HubSigningKey], given(&pairs)).unwrap();
        assert_eq!(config.mode, Mode::Local);
        assert_eq!(config.id_secret.as_ref().unwrap().expose(), [7; 32]);
        let shown = format!("{config:?}");
        for hidden in [key["d"].as_str().unwrap(), "7, 7", "canary-aws"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn the_agencies_lie_beside_the_function() {
        let folder = std::env::temp_dir().join(format!("tongban-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let root = [&AWS[..], &[("LAMBDA_TASK_ROOT", folder.to_str().unwrap())]].concat();
        let read = || Config::read(&[Variable::Partners], given(&root));
        assert_eq!(read().unwrap_err().variables().collect::<Vec<_>>(), ["LAMBDA_TASK_ROOT"]);
        let rows = r#"{"agencies":[{"code":"11","zh":"北京市公安局","en":"Beijing","state":"active"}]}"#;
        std::fs::write(folder.join("partners.json"), rows).unwrap();
        assert!(read().unwrap().partners.is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

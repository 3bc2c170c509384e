//! The configuration of a function, read once from its environment variables and the files beside its binary.
//!
//! A function names the settings it needs. One error lists every missing or invalid setting by name, and never shows a
//! value. An invalid value never falls back to a default. Secrets are stored elsewhere: see [`crate::startup`].

mod agencies;
mod reader;
mod secret;
mod variable;

use std::collections::BTreeMap;

use domain::agencies::Agencies;
use protocol::jose::KeySet;

pub use reader::{ConfigError, Reader};
pub use secret::Secret;
pub(crate) use secret::{id_secret, signing_key};
pub use variable::Variable;

use crate::aws::Access;
use crate::queues::QueueUrls;
use crate::telemetry::Level;

/// Where the hub runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For citizens. The default, because it permits less.
    #[default]
    Live,
    /// On a developer's machine: callbacks to `http://127.0.0.1` are allowed.
    Local,
}

/// Names of the tables; `None` when the function does not use the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub applications: Option<String>,
    /// Subscriptions, with stored responses and counters of rate limits.
    pub subscriptions: Option<String>,
    /// Deliveries of callbacks.
    pub deliveries: Option<String>,
    /// Overrides of agencies.
    pub agencies: Option<String>,
}

/// The configuration of a function. Every needed variable has a value; another one has a value if the environment sets
/// it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The AWS region, credentials and endpoint.
    pub access: Access,
    /// Where the hub runs.
    pub mode: Mode,
    /// Log level of the hub's own crates.
    pub log_level: Level,
    /// The stack's name, for metrics.
    pub stack: Option<String>,
    pub tables: Tables,
    /// The documents bucket.
    pub bucket: Option<String>,
    /// ARN of the KMS key.
    pub key_id: Option<String>,
    pub queues: QueueUrls,
    /// ARN of the secret from which application ids are derived.
    pub id_secret_arn: Option<String>,
    /// ARN of the secret that holds the key of the person index.
    pub person_index_key_arn: Option<String>,
    /// ARN of the secret that holds the hub's signing key.
    pub signing_key_arn: Option<String>,
    /// The published public keys that verify the hub's messages.
    pub hub_keys: Option<KeySet>,
    /// The agencies.
    pub agencies: Option<Agencies>,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names every missing or invalid variable.
    pub fn from_env(needed: &[Variable]) -> Result<Config, ConfigError> {
        Config::from_env_with(needed, |_, _| ()).map(|(config, ())| config)
    }

    /// Reads the process's environment; `more` reads the variables of another crate.
    ///
    /// # Errors
    /// [`ConfigError`] names every missing or invalid variable of both.
    pub fn from_env_with<T>(
        needed: &[Variable],
        more: impl FnOnce(&mut Reader<'_>, Mode) -> T,
    ) -> Result<(Config, T), ConfigError> {
        // `vars` panics, and shows the value, when a value is not Unicode.
        let given = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Config::read_with(needed, given, more)
    }

    /// Reads these variables, and the needed files of the package.
    ///
    /// # Errors
    /// [`ConfigError`] names every missing or invalid variable.
    pub fn read(
        needed: &[Variable],
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        Config::read_with(needed, given, |_, _| ()).map(|(config, ())| config)
    }

    /// Reads these variables; `more` reads the variables of another crate.
    ///
    /// # Errors
    /// [`ConfigError`] names every missing or invalid variable of both.
    pub fn read_with<T>(
        needed: &[Variable],
        given: impl IntoIterator<Item = (String, String)>,
        more: impl FnOnce(&mut Reader<'_>, Mode) -> T,
    ) -> Result<(Config, T), ConfigError> {
        let mut reader = Reader { given: given.into_iter().collect(), needed, problems: BTreeMap::new() };
        let access = Access::from_variables(|name| reader.given.get(name).cloned());
        if let Err(missing) = &access {
            reader.problems.extend(missing.iter().map(|name| (*name, "is missing".to_owned())));
        }
        let mode = reader.choice("MODE", &[("live", Mode::Live), ("local", Mode::Local)]);
        let log_level = reader.choice("LOG_LEVEL", &Level::NAMED);
        let tables = Tables {
            applications: reader.text(Variable::Table),
            subscriptions: reader.text(Variable::SubscriptionsTable),
            deliveries: reader.text(Variable::DeliveriesTable),
            agencies: reader.text(Variable::AgenciesTable),
        };
        let bucket = reader.text(Variable::Bucket);
        let key_id = reader.text(Variable::KeyId);
        let queues = QueueUrls {
            callbacks: reader.parsed(Variable::CallbackQueueUrl, url),
            drains: reader.parsed(Variable::DrainQueueUrl, url),
            agency_prefix: reader.parsed(Variable::QueueUrlPrefix, url),
            quarantine: reader.parsed(Variable::QuarantineQueueUrl, url),
            reports: reader.parsed(Variable::ReportsQueueUrl, url),
        };
        let id_secret_arn = reader.parsed(Variable::IdSecret, arn);
        let person_index_key_arn = reader.parsed(Variable::PersonIndexKey, arn);
        let signing_key_arn = reader.parsed(Variable::HubSigningKey, arn);
        let hub_keys = reader.parsed(Variable::HubKeys, KeySet::parse);
        let agencies = reader.parsed(Variable::Agencies, agencies::parse);
        let stack = reader.given.get("STACK").cloned();
        let more = more(&mut reader, mode);
        match access {
            Ok(access) if reader.problems.is_empty() => {
                let config = Config {
                    access,
                    mode,
                    log_level,
                    stack,
                    tables,
                    bucket,
                    key_id,
                    queues,
                    id_secret_arn,
                    person_index_key_arn,
                    signing_key_arn,
                    hub_keys,
                    agencies,
                };
                Ok((config, more))
            }
            _ => Err(ConfigError { problems: reader.problems }),
        }
    }
}

/// A secret itself is refused, so that none can be put into the environment by mistake.
fn arn(text: &str) -> Result<String, &'static str> {
    if text.starts_with("arn:") { Ok(text.to_owned()) } else { Err("not an ARN") }
}

fn url(text: &str) -> Result<String, &'static str> {
    if text.starts_with("https://") || text.starts_with("http://") {
        Ok(text.to_owned())
    } else {
        Err("not a url")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use protocol::jose::{KeyUse, PrivateKey};

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
    fn one_error_names_every_invalid_variable_and_no_value() {
        let needed = [Variable::Table, Variable::Bucket, Variable::IdSecret, Variable::HubSigningKey];
        let error = Config::read(
            &needed,
            given(&[
                ("AWS_REGION", "cn-north-1"),
                ("BUCKET", ""),
                ("ID_SECRET_ARN", "canary"),
                ("HUB_SIGNING_KEY_ARN", "{\"d\":\"canary\"}"),
                ("MODE", "canary"),
                ("LOG_LEVEL", "canary"),
                ("CALLBACK_QUEUE_URL", "canary"),
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
                "CALLBACK_QUEUE_URL",
                "HUB_SIGNING_KEY_ARN",
                "ID_SECRET_ARN",
                "LOG_LEVEL",
                "MODE",
                "TABLE",
            ]
        );
        let message = format!("{error} {error:?}");
        assert!(message.contains("BUCKET is missing; ") && !message.contains("canary"), "{message}");
    }

    #[test]
    fn a_variable_that_is_not_needed_may_be_absent() {
        let config =
            Config::read(&[Variable::Table], given(&[&AWS[..], &[("TABLE", "t")]].concat())).unwrap();
        assert_eq!(config.tables.applications.as_deref(), Some("t"));
        assert_eq!((config.mode, config.log_level), (Mode::Live, Level::Info));
        assert!(config.bucket.is_none() && config.agencies.is_none());
    }

    #[test]
    fn agencies_are_read_from_the_function_package() {
        let folder = Package::new("agencies");
        let read = || Config::read(&[Variable::Agencies], folder.given());
        assert_eq!(read().unwrap_err().variables().collect::<Vec<_>>(), ["agencies.json"]);
        let rows = r#"{"agencies":[{"code":"11","zh":"北京市公安局","en":"Beijing","state":"active"}]}"#;
        folder.write("agencies.json", rows);
        assert!(read().unwrap().agencies.is_some());
        let refusal = Config::read(&[Variable::Agencies], given(&AWS)).unwrap_err().to_string();
        assert_eq!(refusal, "agencies.json cannot be found: LAMBDA_TASK_ROOT is missing");
    }

    /// No number of rotations reaches the 4 KB of the environment.
    #[test]
    fn o4_published_keys_are_read_from_the_package_and_not_from_the_environment() {
        let folder = Package::new("hub-keys");
        let keys: Vec<_> = (0..16)
            .map(|_| PrivateKey::generate(KeyUse::Signing).unwrap().public().to_jwk().unwrap())
            .collect();
        let text = serde_json::json!({ "keys": keys }).to_string();
        let pairs = || [folder.given(), given(&[("HUB_KEYS", &text)])].concat();
        assert!(Config::read(&[Variable::HubKeys], pairs()).is_err());
        folder.write("hub-keys.json", &text);
        let config = Config::read(&[Variable::HubKeys], pairs()).unwrap();
        assert_eq!(config.hub_keys.unwrap().keys().len(), 16);
    }

    /// A folder like a function's package, removed on drop.
    struct Package(std::path::PathBuf);

    impl Package {
        fn new(name: &str) -> Package {
            let folder = std::env::temp_dir().join(format!("tongban-config-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Package(folder)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }

        fn given(&self) -> Vec<(String, String)> {
            given(&[&AWS[..], &[("LAMBDA_TASK_ROOT", self.0.to_str().unwrap())]].concat())
        }
    }

    impl Drop for Package {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

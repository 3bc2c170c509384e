//! The configuration of a function, read once from its environment variables.
//!
//! A function names the variables it needs. One error lists every missing or invalid variable by name, and never shows
//! a value, because some values are secrets. An invalid value never falls back to a default.

mod agencies;
mod reader;
mod secret;
mod variable;

use std::collections::BTreeMap;

use domain::agencies::Agencies;
use protocol::jose::{KeySet, PrivateKey};

pub use reader::{ConfigError, Reader};
pub use secret::Secret;
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
    /// Applications.
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
    /// The tables.
    pub tables: Tables,
    /// The documents bucket.
    pub bucket: Option<String>,
    /// ARN of the KMS key.
    pub key_id: Option<String>,
    /// The queues.
    pub queues: QueueUrls,
    /// The secret from which application ids are derived.
    pub id_secret: Option<Secret>,
    /// The hub's signing key.
    pub signing_key: Option<PrivateKey>,
    /// The published public keys that verify the hub's messages.
    pub hub_keys: Option<KeySet>,
    /// The agencies, from `agencies.json`.
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

    /// Reads these variables, and `agencies.json` when it is needed.
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
        let id_secret = reader.parsed(Variable::IdSecret, secret::id_secret);
        let signing_key = reader.parsed(Variable::HubSigningKey, secret::signing_key);
        let hub_keys = reader.parsed(Variable::HubKeys, KeySet::parse);
        let agencies = if needed.contains(&Variable::Agencies) {
            reader.parsed(Variable::Agencies, agencies::read)
        } else {
            None
        };
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
                    id_secret,
                    signing_key,
                    hub_keys,
                    agencies,
                };
                Ok((config, more))
            }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    fn one_error_names_every_invalid_variable_and_no_value() {
        let needed = [Variable::Table, Variable::Bucket, Variable::IdSecret, Variable::HubSigningKey];
        let error = Config::read(
            &needed,
            given(&[
                ("AWS_REGION", "cn-north-1"),
                ("BUCKET", ""),
                ("ID_SECRET", "canary"),
                ("HUB_SIGNING_KEY", "{\"d\":\"canary\"}"),
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
                "HUB_SIGNING_KEY",
                "ID_SECRET",
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
    fn debug_shows_no_secret() {
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
    fn agencies_are_read_from_the_function_package() {
        let folder = std::env::temp_dir().join(format!("tongban-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let root = [&AWS[..], &[("LAMBDA_TASK_ROOT", folder.to_str().unwrap())]].concat();
        let read = || Config::read(&[Variable::Agencies], given(&root));
        assert_eq!(read().unwrap_err().variables().collect::<Vec<_>>(), ["LAMBDA_TASK_ROOT"]);
        let rows = r#"{"agencies":[{"code":"11","zh":"北京市公安局","en":"Beijing","state":"active"}]}"#;
        std::fs::write(folder.join("agencies.json"), rows).unwrap();
        assert!(read().unwrap().agencies.is_some());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

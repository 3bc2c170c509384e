//! What an agency's process needs to know, from a file, from the environment, or from both.

mod source;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::ids::AgencyCode;
use protocol::jose::{PrivateKey, PublicKey};
use reqwest::Url;
use thiserror::Error;

use crate::hub_client::is_loopback;
use source::Source;

/// The names of all settings, as a file gives them. The environment gives each as `TONGBAN_<NAME>` in capitals
/// and goes before the file.
pub const SETTINGS: [&str; 11] = [
    "agency",
    "queue_url",
    "reports_queue_url",
    "hub_url",
    "hub_keys",
    "signing_key",
    "encryption_keys",
    "inbox",
    "wait_seconds",
    "visibility_seconds",
    "concurrency",
];

/// The file of the inbox where none is named.
const INBOX: &str = "inbox.sqlite";

/// One agency's settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The agency, for example `11`.
    pub agency: AgencyCode,
    /// Its queue.
    pub queue_url: String,
    /// The hub's reports queue, for an agency that reports by it.
    pub reports_queue_url: Option<String>,
    /// The hub; `https`, or `http` to this machine. Ends with a slash.
    pub hub_url: Url,
    /// The keys.
    pub keys: Keys,
    /// The file of the inbox: `inbox.sqlite` beside the configuration, or in the current folder, unless said
    /// otherwise.
    pub inbox: PathBuf,
    /// The pace.
    pub pace: Pace,
}

/// Whose keys open, sign and verify.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Signs reports.
    pub signing: PrivateKey,
    /// Open messages; several while one replaces the other.
    pub encryption: Vec<PrivateKey>,
    /// The hub's, verify messages. None are given: they are fetched from the hub (see [`crate::HubKeys`]).
    pub hub: Vec<PublicKey>,
}

/// How fast an agency takes cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a receive waits for a message; 0 to 20 seconds (limit of SQS).
    pub wait: Duration,
    /// How long a message is hidden; prolonged while work lasts. 5 seconds to 12 hours.
    pub visibility: Duration,
    /// Cases worked on at once; 1 to 1,000.
    pub concurrency: NonZeroUsize,
    /// How long work under way may go on once the end was asked for.
    pub grace: Duration,
}

impl Default for Pace {
    /// 20 seconds, a minute, 8 cases, 20 seconds.
    fn default() -> Self {
        Pace {
            wait: Duration::from_secs(20),
            visibility: Duration::from_secs(60),
            concurrency: const { NonZeroUsize::new(8).expect("not zero") },
            grace: Duration::from_secs(20),
        }
    }
}

/// One thing that is wrong with the settings. Never holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The setting or the file.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// Everything that is wrong with the settings, at once.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ConfigError(pub Vec<Wrong>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong:")?;
        self.0.iter().try_for_each(|wrong| write!(f, "\n  {}: {}", wrong.name, wrong.problem))
    }
}

impl Config {
    /// Reads a file (JSON where its name ends in `.json`, else TOML), with the environment before it. Keys are
    /// given as paths, relative to the file, or inline; a key file holds a JWK, a list of JWKs or a JWK set.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem.
    pub fn load(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        let mut source = Source::read(file, variable);
        let agency = source.parsed::<AgencyCode>("agency");
        let queue_url = source.required("queue_url");
        let reports_queue_url = source.text("reports_queue_url");
        let hub_url = source.required("hub_url");
        let hub_url = hub_url.and_then(|text| hub(&mut source, &text));
        let hub = source.optional_keys("hub_keys", PublicKey::from_jwk);
        let mut signing = source.keys("signing_key", PrivateKey::from_jwk);
        let encryption = source.keys("encryption_keys", PrivateKey::from_jwk);
        if signing.len() > 1 {
            source.wrong("signing_key", "one key signs");
        }
        let inbox = source.path("inbox", INBOX);
        let defaults = Pace::default();
        let mut number = |name, least, most, default: Duration| {
            let given = source.number(name, least, most);
            given.map_or(default, Duration::from_secs)
        };
        let wait = number("wait_seconds", 0, 20, defaults.wait);
        let visibility = number("visibility_seconds", 5, 43_200, defaults.visibility);
        let concurrency = source
            .number("concurrency", 1, 1_000)
            .and_then(|given| usize::try_from(given).ok())
            .and_then(NonZeroUsize::new);
        let pace = Pace {
            wait,
            visibility,
            concurrency: concurrency.unwrap_or(defaults.concurrency),
            grace: defaults.grace,
        };
        let wrong = source.finish();
        match (agency, queue_url, hub_url, signing.pop()) {
            (Some(agency), Some(queue_url), Some(hub_url), Some(signing)) if wrong.is_empty() => Ok(Config {
                agency,
                queue_url,
                reports_queue_url,
                hub_url,
                keys: Keys { signing, encryption, hub },
                inbox,
                pace,
            }),
            _ => Err(ConfigError(wrong)),
        }
    }
}

/// The hub's address: with a slash at its end, so that paths are joined below it.
fn hub(source: &mut Source, text: &str) -> Option<Url> {
    match Url::parse(&format!("{}/", text.trim_end_matches('/'))) {
        Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => Some(url),
        Ok(_) => {
            source.wrong("hub_url", "https, or http to this machine");
            None
        }
        Err(_) => {
            source.wrong("hub_url", "not an address");
            None
        }
    }
}

#[cfg(test)]
mod tests;

//! The configuration of an agency's process, from a file, from the environment, or from both.

mod key_fault;
mod setting;
mod source;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use domain::ids::AgencyCode;
use protocol::jose::{PrivateKey, PublicKey};
use protocol::web_address::{self, Loopback, WebAddressError};
use reqwest::Url;
use thiserror::Error;

use crate::network::Network;
use key_fault::KeyRole;
use source::ConfigSource;

pub use setting::{ConfigProblem, SETTINGS};

/// The inbox file's default name.
const INBOX: &str = "inbox.sqlite";

/// The configuration of one agency.
#[derive(Clone, Debug)]
pub struct AgencyConfig {
    /// The agency, for example `11`.
    pub agency: AgencyCode,
    /// URL of the agency's queue.
    pub queue_url: String,
    /// URL of the hub's reports queue.
    pub reports_queue_url: Option<String>,
    /// The way of the reports. Default: HTTP.
    pub reports_by: ReportsBy,
    /// The hub's address: `https`, or `http` to this machine. Ends with a slash.
    pub hub_url: Url,
    /// The agency's private keys and the hub's public keys.
    pub keys: ConfiguredKeys,
    /// The inbox file. Default: `inbox.sqlite` beside the configuration file, or in the current folder.
    pub inbox: PathBuf,
    /// Polling and concurrency.
    pub consumer: ConsumerSettings,
    /// The way to hub, queue and links: `ca_bundle`, and the proxy variables of the environment.
    pub network: Network,
}

/// The keys that sign, decrypt and verify.
#[derive(Clone, Debug)]
pub struct ConfiguredKeys {
    /// Signs reports and requests.
    pub signing: PrivateKey,
    /// Decrypt messages. Several keys during a key rotation.
    pub encryption: Vec<PrivateKey>,
    /// The hub's keys, which verify messages. When empty, they are fetched from the hub (see [`crate::HubKeys`]).
    pub hub: Vec<PublicKey>,
}

/// The way of an agency's reports to the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportsBy {
    /// `POST /v1/reports`: the hub answers each report.
    #[default]
    Http,
    /// The reports queue: no report gets an answer.
    Queue,
}

impl FromStr for ReportsBy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "http" => Ok(ReportsBy::Http),
            "queue" => Ok(ReportsBy::Queue),
            _ => Err("the value must be \"http\" or \"queue\""),
        }
    }
}

/// How a consumer polls its queue, and how much it works on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// Long-poll time of one receive; 0 to 20 seconds (limit of SQS).
    pub wait: Duration,
    /// Visibility timeout of a received message, extended while the work lasts. 5 seconds to 12 hours.
    pub visibility: Duration,
    /// Cases handled concurrently; 1 to 1,000.
    pub concurrency: NonZeroUsize,
    /// Grace period for unfinished work after a stop request. `docker stop` kills a process after ten seconds.
    pub grace: Duration,
}

impl Default for ConsumerSettings {
    /// 20 seconds of long polling, a visibility timeout of 60 seconds, 8 cases, 8 seconds of grace.
    fn default() -> Self {
        ConsumerSettings {
            wait: Duration::from_secs(20),
            visibility: Duration::from_secs(60),
            concurrency: const { NonZeroUsize::new(8).expect("not zero") },
            grace: Duration::from_secs(8),
        }
    }
}

/// All problems of a configuration at once.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct AgencyConfigError(pub Vec<ConfigProblem>);

impl fmt::Display for AgencyConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.name, problem.problem))
    }
}

impl AgencyConfig {
    /// Reads a file, JSON when its name ends in `.json` and TOML otherwise, and overrides it with the environment. Keys
    /// are given inline or as paths relative to the file; a key file holds a JWK, a list of JWKs or a JWK set.
    ///
    /// # Errors
    /// [`AgencyConfigError`] with every problem.
    pub fn load(
        file: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<AgencyConfig, AgencyConfigError> {
        let network = Network::from_variables(&variable);
        let mut source = ConfigSource::read(file, &variable);
        let agency = source.parsed::<AgencyCode>("agency");
        let queue_url =
            source.required("queue_url").filter(|text| is_address(&mut source, "queue_url", text));
        let reports_queue_url = source
            .text("reports_queue_url")
            .filter(|text| is_address(&mut source, "reports_queue_url", text));
        let reports_by = source.optional::<ReportsBy>("reports_by").unwrap_or_default();
        if reports_by == ReportsBy::Queue && reports_queue_url.is_none() {
            source.reject("reports_by", "\"queue\" needs reports_queue_url");
        }
        let hub_url = source.required("hub_url");
        let hub_url = hub_url.and_then(|text| parse_hub_url(&mut source, &text));
        let hub = source.optional_keys("hub_keys", KeyRole::HubSigning, PublicKey::from_jwk);
        let mut signing = source.keys("signing_key", KeyRole::Signing, PrivateKey::from_jwk);
        let encryption = source.keys("encryption_keys", KeyRole::Encryption, PrivateKey::from_jwk);
        if signing.len() > 1 {
            source.reject("signing_key", "exactly one signing key is allowed");
        }
        let inbox = source.path("inbox", INBOX);
        let defaults = ConsumerSettings::default();
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
        let consumer = ConsumerSettings {
            wait,
            visibility,
            concurrency: concurrency.unwrap_or(defaults.concurrency),
            grace: defaults.grace,
        };
        let network = network.unwrap_or_else(|wrong| {
            for name in wrong {
                source.reject(name, "this is not the address of an HTTP proxy (http://HOST:PORT)");
            }
            Network::default()
        });
        let network = match source.file("ca_bundle") {
            Some(pem) => {
                network.with_authorities(pem).map_err(|problem| source.reject("ca_bundle", problem)).ok()
            }
            None => Some(network),
        };
        let problems = source.finish();
        match (agency, queue_url, hub_url, signing.pop(), network) {
            (Some(agency), Some(queue_url), Some(hub_url), Some(signing), Some(network))
                if problems.is_empty() =>
            {
                Ok(AgencyConfig {
                    agency,
                    queue_url,
                    reports_queue_url,
                    reports_by,
                    hub_url,
                    keys: ConfiguredKeys { signing, encryption, hub },
                    inbox,
                    consumer,
                    network,
                })
            }
            _ => Err(AgencyConfigError(problems)),
        }
    }
}

/// Parses the hub's address and ends it with a slash, so that joined paths stay below it.
fn parse_hub_url(source: &mut ConfigSource, text: &str) -> Option<Url> {
    if !is_address(source, "hub_url", text) {
        return None;
    }
    let url = Url::parse(&format!("{}/", text.trim_end_matches('/')));
    url.map_err(|_| source.reject("hub_url", "this is not a URL")).ok()
}

/// Whether a setting is the address of a service: https, or http to this machine. Otherwise every reason is recorded.
fn is_address(source: &mut ConfigSource, name: &str, text: &str) -> bool {
    let reasons = web_address::check(text, web_address::Purpose::Service, Loopback::ByName).err();
    for reason in reasons.iter().flatten() {
        let hint = if *reason == WebAddressError::Scheme { ", or with http:// to this machine" } else { "" };
        source.reject(name, &format!("{reason}{hint}"));
    }
    reasons.is_none()
}

#[cfg(test)]
mod tests;

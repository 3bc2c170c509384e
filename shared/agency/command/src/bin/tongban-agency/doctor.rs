//! Checks everything that an agency needs, and tells how to mend what is wrong.

use std::process::ExitCode;

use agency::hub_keys::published;
use agency::{Config, HubClient, HubClientError, Inbox as _, SqliteInbox};
use anyhow::Result;
use console::style;
use jiff::{SignedDuration, Timestamp};
use protocol::jose::{KeyUse, PublicKey, decrypt, encrypt, sign, verify};
use serde::Serialize;
use serde_json::json;

use crate::arguments::OneAgency;
use crate::screen::{advice, print, spinner};
use crate::setting::{self, variable};

/// A clock that is off by more than this is to be set, long before signatures are refused (15 minutes).
const CLOCK: SignedDuration = SignedDuration::from_secs(60);

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

fn ok(name: &'static str, found: impl Into<String>) -> Check {
    Check { name, ok: true, found: found.into(), mend: None }
}

fn failed(name: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { name, ok: false, found: found.into(), mend: Some(mend.into()) }
}

/// Runs every check that can be run.
pub(crate) async fn doctor(given: &OneAgency) -> Result<ExitCode> {
    let looking = spinner("looking");
    let mut checks = Vec::new();
    match Config::load(given.config.as_deref(), variable) {
        Ok(config) => {
            checks.push(ok("configuration", format!("agency {}", config.agency)));
            checks.extend(keys(&config));
            checks.push(inbox(&config).await);
            checks.push(queue(&config, given).await);
            checks.extend(hub(&config).await);
            checks.push(accepted(&config).await);
        }
        Err(agency::config::ConfigError(wrong)) => checks.extend(wrong.into_iter().map(|wrong| {
            let mend = "set it in the configuration, or as TONGBAN_<NAME> in the environment";
            failed("configuration", format!("{}: {}", wrong.name, wrong.problem), mend)
        })),
    }
    looking.finish_and_clear();
    let well = checks.iter().all(|check| check.ok);
    if given.json {
        print(&json!({ "ok": well, "checks": checks }).to_string())?;
    } else {
        checks.iter().try_for_each(show)?;
    }
    Ok(ExitCode::from(if well { 0 } else { 6 }))
}

fn show(check: &Check) -> Result<()> {
    let mark = if check.ok { style("ok    ").green() } else { style("failed").red() };
    print(&format!("{mark}  {:<17}{}", check.name, check.found))?;
    check.mend.iter().try_for_each(|mend| print(&format!("{:25}mend: {mend}", "")))
}

fn keys(config: &Config) -> Vec<Check> {
    let made_for = |key: &PublicKey, usage: KeyUse| {
        let jwk = key.to_jwk().unwrap_or_default();
        jwk.get("use").is_none_or(|named| Some(named) == serde_json::to_value(usage).ok().as_ref())
    };
    let signing = &config.keys.signing;
    let signs = sign("check", &json!({}), signing)
        .and_then(|jws| verify::<serde_json::Value>("check", &jws, [signing.public()]));
    let signing = match signs {
        Ok(_) if made_for(signing.public(), KeyUse::Signing) => ok("signing key", signing.public().kid()),
        _ => failed("signing key", "cannot sign", "give the JWK whose use is sig; `keygen` makes one"),
    };
    let opens = |key: &protocol::jose::PrivateKey| {
        let sealed = encrypt(b"check", "JWS", key.public()).and_then(|jwe| decrypt(&jwe, [key]));
        sealed.is_ok() && made_for(key.public(), KeyUse::Encryption)
    };
    let kids: Vec<_> = config.keys.encryption.iter().map(|key| key.public().kid()).collect();
    let encryption = if config.keys.encryption.iter().all(opens) {
        ok("encryption keys", kids.join(", "))
    } else {
        failed("encryption keys", "one cannot decrypt", "give JWKs whose use is enc; `keygen` makes one")
    };
    vec![signing, encryption]
}

async fn inbox(config: &Config) -> Check {
    let inbox = SqliteInbox::at(&config.inbox);
    let path = config.inbox.display();
    match inbox.prepare().await {
        Ok(()) => ok("inbox", path.to_string()),
        Err(error) => failed(
            "inbox",
            format!("{path}: {}", error.0),
            "name a file in a folder that this user may write to with `inbox`",
        ),
    }
}

async fn queue(config: &Config, given: &OneAgency) -> Check {
    let queue = match setting::queue(config, given.config.as_deref(), true) {
        Ok(queue) => queue,
        Err(error) => {
            return failed("queue", error.to_string(), "set them: they are of the agency's account");
        }
    };
    match queue.depth().await {
        Ok(depth) => ok("queue", format!("{} waiting, {} in hand", depth.waiting, depth.in_hand)),
        Err(error @ agency::queue::QueueError::Refused { .. }) => failed(
            "queue",
            error.to_string(),
            "compare queue_url and AWS_REGION with the operator's, and the account of the credentials with the one \
             that the hub's operator registered",
        ),
        Err(error) => {
            failed("queue", error.to_string(), "see whether this machine reaches SQS, by proxy or firewall")
        }
    }
}

/// The hub, its clock and its keys.
async fn hub(config: &Config) -> Vec<Check> {
    let found = match published(config).await {
        Ok(found) => found,
        Err(error) => {
            let mend = "compare hub_url with the operator's, and see whether this machine reaches it";
            return vec![failed("hub", format!("{}: {error}", config.hub_url), mend)];
        }
    };
    let clock = match found.date {
        None => failed("clock", "the hub tells no time", "compare hub_url with the operator's"),
        Some(date) => {
            let off = date.duration_until(Timestamp::now());
            let shown = format!("{} s from the hub's", off.as_secs());
            if off.abs() <= CLOCK {
                ok("clock", shown)
            } else {
                failed("clock", shown, "set it by NTP: signatures are refused from 900 s on")
            }
        }
    };
    let known = |key: &PublicKey| found.keys.iter().any(|published| published.kid() == key.kid());
    let strange = config.keys.hub.iter().find(|key| !known(key));
    let keys = match strange {
        Some(key) => failed(
            "hub keys",
            format!("{} is configured and not published", key.kid()),
            "take hub_keys out of the configuration, so that they are fetched, or get the new ones",
        ),
        None => ok("hub keys", format!("{} published", found.keys.len())),
    };
    vec![ok("hub", config.hub_url.to_string()), clock, keys]
}

/// Whether the hub takes what this agency signs.
async fn accepted(config: &Config) -> Check {
    let name = "known to hub";
    let asked = match HubClient::new(config) {
        Ok(client) => client.cases(None, Some(1)).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(page) if page.cases.is_empty() => ok(name, "no case is open"),
        Ok(_) => ok(name, "cases are open"),
        Err(error) => {
            let mend = error.problem().and_then(|problem| advice(problem.code())).unwrap_or(match error {
                HubClientError::Unauthorized(_) => "hand the signing key's public part to the hub's operator",
                _ => "mend what is above first, then ask the hub's operator",
            });
            failed(name, error.to_string(), mend)
        }
    }
}

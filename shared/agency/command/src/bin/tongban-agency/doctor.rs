//! `doctor`: checks everything that an agency's process needs, and prints how to fix each fault.

use std::process::ExitCode;

use agency::hub_keys::fetch_published;
use agency::network::is_loopback;
use agency::queue::QueueError;
use agency::{AgencyConfig, HubClient, HubClientError, Inbox as _, SqliteInbox, SqsQueue};
use anyhow::Result;
use console::style;
use jiff::{SignedDuration, Timestamp};
use protocol::backlog::OpenCase;
use protocol::jose::{KeyUse, PublicKey, decrypt, encrypt, sign, verify};
use reqwest::Url;
use serde::Serialize;
use serde_json::json;

use crate::absent::{REMEDY, look};
use crate::arguments::OneAgency;
use crate::failure::advice;
use crate::route::{at_this_machine, by, remedy};
use crate::screen::{print, spinner};
use crate::setting;

/// Clock skew that fails the check, well below the 15 minutes from which the hub refuses signatures.
const CLOCK: SignedDuration = SignedDuration::from_secs(60);

/// Open cases that are compared with the inbox and the queue, the oldest first.
const LOOKED_AT: usize = 1000;
/// The document of a case whose link shows the host of links.
const FIRST_DOCUMENT: &str = "d1";
/// Missing cases that are named.
const NAMED: usize = 5;

/// One check of the doctor.
#[derive(Debug, Serialize)]
struct DoctorCheck {
    name: &'static str,
    ok: bool,
    found: String,
    #[serde(rename = "fix", skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

fn ok(name: &'static str, found: impl Into<String>) -> DoctorCheck {
    DoctorCheck { name, ok: true, found: found.into(), fix: None }
}

fn failed(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> DoctorCheck {
    DoctorCheck { name, ok: false, found: found.into(), fix: Some(fix.into()) }
}

/// Runs every check that can be run.
pub(crate) async fn doctor(given: &OneAgency) -> Result<ExitCode> {
    let looking = spinner("checking");
    let mut checks = Vec::new();
    let variables = setting::Variables::read(given.config.as_deref(), true)?;
    match AgencyConfig::load(given.config.as_deref(), |name| variables.get(name)) {
        Ok(config) => {
            checks.push(ok("configuration", format!("agency {}", config.agency)));
            checks.extend(keys(&config));
            checks.push(inbox(&config).await);
            checks.push(queue(&config, given).await);
            let hub = hub(&config).await;
            let answers = hub.iter().all(|check| check.name != "hub" || check.ok);
            checks.extend(hub);
            if answers {
                checks.extend(accepted(&config, given).await);
            }
        }
        Err(agency::config::AgencyConfigError(problems)) => {
            checks.extend(problems.into_iter().map(|problem| {
                let fix = "correct it in the configuration, or set TONGBAN_<NAME> in the environment";
                failed("configuration", format!("{}: {}", problem.name, problem.problem), fix)
            }))
        }
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

fn show(check: &DoctorCheck) -> Result<()> {
    let mark = if check.ok { style("ok    ").green() } else { style("failed").red() };
    print(&format!("{mark}  {:<17}{}", check.name, check.found))?;
    check.fix.iter().try_for_each(|fix| print(&format!("{:25}fix: {fix}", "")))
}

fn keys(config: &AgencyConfig) -> Vec<DoctorCheck> {
    let made_for = |key: &PublicKey, usage: KeyUse| {
        let jwk = key.to_jwk().unwrap_or_default();
        jwk.get("use").is_none_or(|named| Some(named) == serde_json::to_value(usage).ok().as_ref())
    };
    let signing = &config.keys.signing;
    let signs = sign("check", &json!({}), signing)
        .and_then(|jws| verify::<serde_json::Value>("check", &jws, [signing.public()]));
    let signing = match signs {
        Ok(_) if made_for(signing.public(), KeyUse::Signing) => ok("signing key", signing.public().kid()),
        _ => {
            failed("signing key", "the key cannot sign", "give a JWK whose use is sig; `keygen` creates one")
        }
    };
    let opens = |key: &protocol::jose::PrivateKey| {
        let encrypted = encrypt(b"check", "JWS", key.public()).and_then(|jwe| decrypt(&jwe, [key]));
        encrypted.is_ok() && made_for(key.public(), KeyUse::Encryption)
    };
    let kids: Vec<_> = config.keys.encryption.iter().map(|key| key.public().kid()).collect();
    let encryption = if config.keys.encryption.iter().all(opens) {
        ok("encryption keys", kids.join(", "))
    } else {
        failed("encryption keys", "a key cannot decrypt", "give JWKs whose use is enc; `keygen` creates one")
    };
    vec![signing, encryption]
}

async fn inbox(config: &AgencyConfig) -> DoctorCheck {
    let inbox = SqliteInbox::at(&config.inbox);
    let path = config.inbox.display();
    match inbox.prepare().await {
        Ok(()) => ok("inbox", path.to_string()),
        Err(error) => failed(
            "inbox",
            format!("{path}: {}", error.0),
            "set `inbox` to a file in a folder that this user may write to",
        ),
    }
}

async fn queue(config: &AgencyConfig, given: &OneAgency) -> DoctorCheck {
    let access = match setting::access(given.config.as_deref(), true) {
        Ok(access) => access,
        Err(error) => {
            return failed("queue", error.to_string(), "set the variables of the agency's AWS account");
        }
    };
    let Some(address) = access.sqs_address() else {
        return failed("queue", "AWS_ENDPOINT_URL is not a URL", "correct or remove AWS_ENDPOINT_URL");
    };
    let by = by(config, &address);
    let queue = SqsQueue::new(access.sqs(&config.network), &config.queue_url);
    match queue.depth().await {
        Ok(depth) => ok("queue", format!("{} visible, {} in flight{by}", depth.visible, depth.in_flight)),
        Err(error @ QueueError::Unreachable(obstacle)) => {
            let found = format!("{}{by}: {error}", plain(&address));
            failed("queue", found, remedy(config, &address, obstacle))
        }
        Err(error @ QueueError::Refused { .. }) => failed(
            "queue",
            error.to_string(),
            "compare queue_url and AWS_REGION with the operator's, and the account of the credentials with the one \
             that the hub's operator registered",
        ),
        Err(error) => failed(
            "queue",
            error.to_string(),
            "run this again; then look at the status of SQS in this region",
        ),
    }
}

/// The hub, its clock and its keys.
async fn hub(config: &AgencyConfig) -> Vec<DoctorCheck> {
    let found = match fetch_published(config).await {
        Ok(found) => found,
        Err(error) => {
            return vec![unreached(config, &error)];
        }
    };
    let clock = match found.date {
        None => failed("clock", "the hub's response has no date", "compare hub_url with the operator's"),
        Some(date) => {
            let off = date.duration_until(Timestamp::now());
            let shown = format!("{} s from the hub's", off.as_secs());
            if off.abs() <= CLOCK {
                ok("clock", shown)
            } else {
                failed(
                    "clock",
                    shown,
                    "set the clock by NTP: the hub refuses requests from 60 s on, and reports from 900 s on",
                )
            }
        }
    };
    let known = |key: &PublicKey| found.keys.iter().any(|published| published.kid() == key.kid());
    let strange = config.keys.hub.iter().find(|key| !known(key));
    let keys = match strange {
        Some(key) => failed(
            "hub keys",
            format!("{} is configured but the hub does not publish it", key.kid()),
            "remove hub_keys from the configuration, so that the keys are fetched, or configure the new keys",
        ),
        None => ok("hub keys", format!("{} published", found.keys.len())),
    };
    vec![ok("hub", format!("{}{}", config.hub_url, by(config, &config.hub_url))), clock, keys]
}

fn unreached(config: &AgencyConfig, error: &HubClientError) -> DoctorCheck {
    let url = &config.hub_url;
    let place = format!("{url}{}", by(config, url));
    match (error, error.problem()) {
        (HubClientError::Unreachable(obstacle), _) => {
            failed("hub", format!("{place}: {obstacle}"), remedy(config, url, *obstacle))
        }
        (_, Some(problem)) if !problem.is_hubs() => {
            let fix = if is_loopback(url) {
                at_this_machine(config, url.port_or_known_default().unwrap_or_default())
            } else {
                "compare hub_url with the operator's; a proxy, a firewall or a gateway may answer in the hub's place".to_owned()
            };
            failed("hub", format!("{place}: answered {}, and it is not the hub", problem.status), fix)
        }
        _ => {
            let fix = "compare hub_url with the operator's, and check that this machine reaches the hub";
            failed("hub", format!("{place}: {error}"), fix)
        }
    }
}

/// Whether this machine reaches the host that the hub's links lead to.
async fn links(config: &AgencyConfig, client: &HubClient, case: &OpenCase) -> DoctorCheck {
    let name = "links";
    let Ok(document) = FIRST_DOCUMENT.parse() else { return ok(name, "not looked at") };
    let host = match client.link_host(case.application, document).await {
        Ok(host) => host,
        Err(HubClientError::NotFound(_) | HubClientError::Conflict(_)) => {
            return ok(name, "not looked at: the oldest open case has no document");
        }
        Err(error) => return refused(name, &error),
    };
    let place = format!("{}{}", plain(&host), by(config, &host));
    match client.reach(&host).await {
        Ok(()) => ok(name, place),
        Err(obstacle) => failed(name, format!("{place}: {obstacle}"), remedy(config, &host, obstacle)),
    }
}

/// A URL without a slash at its end.
fn plain(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Whether the hub accepts this agency's signature, and whether the open cases reach the agency.
async fn accepted(config: &AgencyConfig, given: &OneAgency) -> Vec<DoctorCheck> {
    let name = "known to hub";
    let client = match HubClient::new(config) {
        Ok(client) => client,
        Err(error) => return vec![refused(name, &error)],
    };
    let open = match client.cases(None, Some(1)).await {
        Ok(page) if page.cases.is_empty() => return vec![ok(name, "no case is open")],
        Ok(page) => page,
        Err(error) => return vec![refused(name, &error)],
    };
    let links = match open.cases.first() {
        Some(case) => links(config, &client, case).await,
        None => ok("links", "not looked at"),
    };
    let open = ok(name, "cases are open");
    let name = "open cases";
    let arrive = match look(config, given.config.as_deref(), &client, (None, LOOKED_AT)).await {
        Ok((listed, Ok(found))) => match found.sentence() {
            None => ok(name, format!("{} read, none is missing", listed.cases.len())),
            Some(sentence) => {
                let named: Vec<String> = found.named().iter().take(NAMED).map(ToString::to_string).collect();
                let named = if named.is_empty() { named } else { vec![format!(": {}", named.join(", "))] };
                failed(name, format!("{sentence}{}", named.concat()), REMEDY)
            }
        },
        Ok((_, Err(error))) => {
            failed(name, format!("{error:#}"), "fix the faults above first, then run this again")
        }
        Err(error) => failed(name, error.to_string(), "run this again; then ask the hub's operator"),
    };
    vec![open, links, arrive]
}

fn refused(name: &'static str, error: &HubClientError) -> DoctorCheck {
    let fix = error.problem().and_then(|problem| advice(problem.code())).unwrap_or(match error {
        HubClientError::Unauthorized(_) => "give the signing key's public part to the hub's operator",
        _ => "fix the faults above first, then ask the hub's operator",
    });
    failed(name, error.to_string(), fix)
}

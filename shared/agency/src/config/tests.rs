#![allow(clippy::unwrap_used, reason = "tests")]

use protocol::jose::KeyUse;
use serde_json::{Value, json};

use super::*;
use crate::testing::TestFolder;

fn jwk(usage: KeyUse) -> (Value, Value) {
    let key = PrivateKey::generate(usage).unwrap();
    (key.to_jwk().unwrap(), key.public().to_jwk().unwrap())
}

fn names(error: Result<AgencyConfig, AgencyConfigError>) -> Vec<String> {
    let AgencyConfigError(wrong) = error.unwrap_err();
    wrong.into_iter().map(|wrong| wrong.name).collect()
}

#[test]
fn a_toml_file_with_key_files_beside_it() {
    let folder = TestFolder::new();
    let (hub, signing) = (jwk(KeyUse::Signing), jwk(KeyUse::Signing));
    let encryption = [jwk(KeyUse::Encryption).0, jwk(KeyUse::Encryption).0];
    folder.write("hub.jwks.json", json!({ "keys": [hub.1] }));
    folder.write("signing.jwk.json", &signing.0);
    for (index, key) in encryption.iter().enumerate() {
        folder.write(&format!("e{index}.json"), key);
    }
    let file = folder.write(
        "agency.toml",
        r#"agency = "11"
queue_url = "https://sqs.example/1/tongban-agency-11.fifo"
hub_url = "https://hub.example/stage"
hub_keys = "hub.jwks.json"
signing_key = "signing.jwk.json"
encryption_keys = ["e0.json", "e1.json"]
wait_seconds = 1
concurrency = 2"#,
    );
    let config =
        AgencyConfig::load(Some(&file), |name| (name == "TONGBAN_WAIT_SECONDS").then(|| "3".to_owned()))
            .unwrap();
    assert_eq!((config.agency.to_string().as_str(), config.keys.encryption.len()), ("11", 2));
    assert_eq!(config.hub_url.as_str(), "https://hub.example/stage/");
    assert_eq!((config.consumer.wait.as_secs(), config.consumer.concurrency.get()), (3, 2));
    assert_eq!(config.consumer.visibility, ConsumerSettings::default().visibility);
    assert_eq!(config.inbox, folder.path("inbox.sqlite"), "beside the file");
    let shown = format!("{config:?}");
    assert!(!shown.contains(signing.0["d"].as_str().unwrap()), "{shown}");
}

#[test]
fn a_json_file_with_keys_inline() {
    let folder = TestFolder::new();
    let file = folder.write(
        "agency.json",
        json!({
            "agency": "1504", "queue_url": "http://127.0.0.1:1/q.fifo", "hub_url": "http://a.localhost:1",
            "hub_keys": { "keys": [jwk(KeyUse::Signing).1] }, "signing_key": jwk(KeyUse::Signing).0,
            "encryption_keys": [jwk(KeyUse::Encryption).0], "reports_queue_url": "http://127.0.0.1:1/r",
            "inbox": "kept/cases.sqlite",
        }),
    );
    let config = AgencyConfig::load(Some(&file), |_| None).unwrap();
    assert_eq!(config.reports_queue_url.as_deref(), Some("http://127.0.0.1:1/r"));
    assert_eq!(
        config.reports_by,
        ReportsBy::Http,
        "the kit names the queue, whether the agency uses it or not"
    );
    assert_eq!(config.inbox, folder.path("kept/cases.sqlite"));
    let by_queue = |name: &str| (name == "TONGBAN_REPORTS_BY").then(|| "queue".to_owned());
    let config = AgencyConfig::load(Some(&file), by_queue).unwrap();
    assert_eq!(config.reports_by, ReportsBy::Queue);
}

#[test]
fn the_way_of_the_reports_needs_its_queue() {
    let reason = |given: &'static str| {
        let problems =
            AgencyConfig::load(None, |name| (name == "TONGBAN_REPORTS_BY").then(|| given.to_owned()));
        let problems = problems.unwrap_err().0.into_iter();
        problems
            .filter(|problem| problem.name == "reports_by")
            .map(|problem| problem.problem)
            .collect::<Vec<_>>()
    };
    assert_eq!(reason("queue"), ["\"queue\" needs reports_queue_url"]);
    assert_eq!(reason("mail"), ["the value must be \"http\" or \"queue\""]);
    assert!(reason("http").is_empty());
}

#[test]
fn missing_hub_keys_are_fetched_and_invalid_ones_are_refused() {
    let folder = TestFolder::new();
    let mut given = json!({
        "agency": "1504", "queue_url": "http://127.0.0.1:1/q.fifo", "hub_url": "http://a.localhost:1",
        "signing_key": jwk(KeyUse::Signing).0, "encryption_keys": jwk(KeyUse::Encryption).0,
    });
    let load = |given: &Value| AgencyConfig::load(Some(&folder.write("agency.json", given)), |_| None);
    assert!(load(&given).unwrap().keys.hub.is_empty());
    given["hub_keys"] = json!([]);
    assert_eq!(names(load(&given)), ["hub_keys"], "an empty list trusts nobody, and is a mistake");
    given["hub_keys"] = Value::Null;
    assert!(load(&given).unwrap().keys.hub.is_empty());
}

#[test]
fn every_problem_is_named_at_once_and_no_key_is_shown() {
    assert_eq!(
        names(AgencyConfig::load(None, |_| None)),
        ["agency", "queue_url", "hub_url", "signing_key", "encryption_keys"]
    );
    let folder = TestFolder::new();
    let private = jwk(KeyUse::Signing).0;
    let secret = private["d"].as_str().unwrap().to_owned();
    folder.write("broken.json", format!("{{\"d\":\"{secret}\""));
    let file = folder.write(
        "agency.json",
        json!({
            "agency": "150", "queue_url": 1, "hub_url": "http://hub.example", "hub_keys": [private],
            "signing_key": "broken.json", "encryption_keys": ["none.json"], "concurrency": 0,
            "wait_seconds": "21", "queue": "",
        }),
    );
    let error = AgencyConfig::load(Some(&file), |_| None);
    let shown = error.as_ref().unwrap_err().to_string();
    assert!(!shown.contains(&secret), "{shown}");
    assert_eq!(
        names(error),
        [
            "queue",
            "agency",
            "queue_url",
            "hub_url",
            "hub_keys",
            "signing_key",
            "encryption_keys",
            "wait_seconds",
            "concurrency"
        ]
    );
    let broken = folder.write("agency.toml", format!("signing_key = {{ d = \"{secret}\" "));
    let shown = AgencyConfig::load(Some(&broken), |_| None).unwrap_err().to_string();
    assert!(shown.contains("not TOML at line 1") && !shown.contains(&secret), "{shown}");
}

#[test]
fn i12_every_address_of_the_configuration_is_checked_and_each_reason_named() {
    let folder = TestFolder::new();
    let file = folder.write(
        "agency.json",
        json!({
            "agency": "1504", "queue_url": "sqs.example/q.fifo", "reports_queue_url": "http://sqs.example/r",
            "hub_url": "https://user@hub.example:65536/",
        }),
    );
    let shown = AgencyConfig::load(Some(&file), |_| None).unwrap_err().to_string();
    for line in [
        "queue_url: this is not a URL with a host",
        "reports_queue_url: the address must begin with https://, or with http:// to this machine",
        "hub_url: the port is not accepted",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn a26_a_file_that_cannot_be_read_is_one_line_without_the_settings_that_it_may_hold() {
    let folder = TestFolder::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    std::fs::create_dir(folder.path("folder.json")).unwrap();
    for (path, reason) in [
        (write("mark.json", b"\xEF\xBB\xBF{\"agency\":\"11\"}"), "byte order mark"),
        (write("mark.toml", b"\xEF\xBB\xBFagency = \"11\""), "byte order mark"),
        (write("gbk.json", b"{\"agency\":\"\xB1\xB1\"}"), "byte 11 is not UTF-8"),
        (write("gbk.toml", b"agency = \"\xB1\xB1\""), "byte 10 of the file is not UTF-8"),
        (write("utf16.json", b"\xFF\xFE{\0}\0"), "byte 0 is not UTF-8"),
        (
            write("twice.json", br#"{"agency":"11","agency":"12","hub_url":"","hub_\u0075rl":""}"#),
            "members are repeated: /agency, /hub_url",
        ),
        (write("twice.toml", b"agency = \"11\"\nagency = \"12\""), "not TOML at line"),
        (write("list.json", b"[]"), "not a JSON object"),
        (write("empty.json", b""), "line 1"),
        (folder.path("none.json"), "no such file exists"),
        (folder.path("folder.json"), "directory"),
    ] {
        let AgencyConfigError(problems) = AgencyConfig::load(Some(&path), |_| None).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].problem.contains(reason), "{problems:?}");
        assert!(problems[0].name.ends_with(path.file_name().unwrap().to_str().unwrap()), "{problems:?}");
    }
}

#[test]
fn a26_every_fault_of_a_setting_or_a_key_file_is_named() {
    let folder = TestFolder::new();
    let (signing, public) = jwk(KeyUse::Signing);
    folder.write("public.json", &public);
    folder.write("rsa.json", json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB" }));
    folder.write("numbers.json", json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA" }));
    folder.write("text.json", json!("signing"));
    folder.write("empty.jwks.json", json!({ "keys": [] }));
    std::fs::write(folder.path("mark.json"), b"\xEF\xBB\xBF{}").unwrap();
    folder.write("ca.pem", "no certificate");
    let file = folder.write(
        "agency.json",
        json!({
            "agency": 11, "queue_url": "https://sqs.example/q.fifo ", "reports_queue_url": "\thttps://sqs.example/r",
            "hub_url": ["https://hub.example"], "hub_keys": [signing], "signing_key": "public.json",
            "encryption_keys": ["rsa.json", "numbers.json", "text.json", "empty.jwks.json", "mark.json", "none.json", signing],
            "inbox": 1, "wait_seconds": "5", "visibility_seconds": 4.5, "concurrency": true, "ca_bundle": "ca.pem",
            "ca_bundel": "ca.pem",
        }),
    );
    let shown =
        AgencyConfig::load(Some(&file), |name| (name == "HTTPS_PROXY").then(|| "socks5://p:1".to_owned()))
            .unwrap_err()
            .to_string();
    let lines = [
        "ca_bundel: no such setting exists",
        "agency: the value must be a text",
        "queue_url: the value begins or ends with a space",
        "reports_queue_url: the value begins or ends with a space",
        "hub_url: the value must be a text",
        "hub_keys: a key given inline: this is a private key",
        "signing_key: public.json: this is a public key; the private one is needed",
        "encryption_keys: rsa.json: the key is not on the curve P-256",
        "encryption_keys: numbers.json: the numbers of the key",
        "encryption_keys: text.json: a key is a JSON object",
        "encryption_keys: empty.jwks.json: the file holds no key",
        "encryption_keys: mark.json: the file cannot be read: the text begins with a byte order mark",
        "encryption_keys: none.json: no such file exists",
        "encryption_keys: a key given inline: this key is for signatures (use sig)",
        "inbox: the value must be a text",
        "wait_seconds: the value must be a whole number from 0 to 20",
        "visibility_seconds: the value must be a whole number from 5",
        "concurrency: the value must be a whole number from 1",
        "HTTPS_PROXY: this is not the address of an HTTP proxy",
        "ca_bundle: the file holds no certificate",
    ];
    for line in lines {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(shown.lines().count(), lines.len() + 1, "one line a fault: {shown}");
    assert!(!shown.contains(signing["d"].as_str().unwrap()), "{shown}");
}

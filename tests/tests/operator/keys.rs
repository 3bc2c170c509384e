//! Added keys are accepted and revoked keys are refused, within a minute and without a deploy.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::command::ReportedResult;
use domain::ids::{ApplicationId, ReportId};
use jiff::Timestamp;
use protocol::case::Envelope;
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::{REPORT_TYP, Report};
use serde_json::Value;
use tokio::time::Instant;
use tongban::operator::Operator;
use tongban_tests::until::until;
use uuid::Uuid;

use crate::app::App;
use crate::command::agency_command;
use crate::test_hub::TestHub;

/// Deadline for a change to reach every function.
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn signing_keys_are_added_and_revoked(test_hub: Arc<TestHub>) {
    let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let file = written(&test_hub, "hebei-next", &key.public().to_jwk().expect("a public key"));
    let file = file.to_str().expect("a path");
    assert_eq!(answer(&test_hub, "13", &key).await, "unknown_key");
    agency_command(&test_hub, &["keys", "13", "add", file, "--reason", "a rotation"]).await.success();
    let known = async || (answer(&test_hub, "13", &key).await == "not_found").then_some(());
    until("the new key verifies", MINUTE, known).await;
    let old = test_hub.stack().agency(&"13".parse().expect("a code")).expect("an agency").keys.signing;
    assert_eq!(answer(&test_hub, "13", &old).await, "not_found", "the former key still verifies");

    let kid = old.public().kid();
    agency_command(&test_hub, &["keys", "13", "revoke", kid, "--reason", "it leaked"]).await.success();
    let refused = async || (answer(&test_hub, "13", &old).await == "unknown_key").then_some(());
    until("the revoked key verifies nothing", MINUTE, refused).await;
    assert_eq!(answer(&test_hub, "13", &key).await, "not_found");
    let listed: Vec<Value> = agency_command(&test_hub, &["keys", "13", "--json"]).await.json();
    let state = |kid: &str| listed.iter().find(|key| key["kid"] == kid).map(|key| key["state"].clone());
    assert_eq!(state(key.public().kid()), Some("in_use".into()));
    assert_eq!(state(kid), Some("revoked".into()));
    assert!(agency_command(&test_hub, &["keys", "13"]).await.success().contains("REVOKED"));
    let twice =
        agency_command(&test_hub, &["keys", "13", "revoke", kid, "--reason", "it leaked"]).await.failure(1);
    assert!(twice.contains("nothing was changed"), "{twice}");
}

pub(crate) async fn later_messages_are_encrypted_to_a_new_key(test_hub: Arc<TestHub>) {
    let key = PrivateKey::generate(KeyUse::Encryption).expect("a key");
    let file = written(&test_hub, "wuhai-next", &key.public().to_jwk().expect("a public key"));
    let words = ["keys", "1503", "add", file.to_str().expect("a path"), "--reason", "a rotation"];
    agency_command(&test_hub, &words).await.success();
    let begun = Instant::now();
    let knows = async || (begun.elapsed() > Operator::known_after()).then_some(());
    until("every function to know the key", MINUTE, knows).await;
    let app = App::open(&test_hub, "keys");
    app.file("150302", true).await.expect("a case for Wuhai");
    let agency = test_hub.stack().agency(&"1503".parse().expect("a code")).expect("an agency");
    let sqs = aws_sdk_sqs::Client::new(&agency.aws);
    let receive = async || {
        let batch = sqs.receive_message().queue_url(&agency.queue_url).send().await.expect("an answer");
        batch.messages.unwrap_or_default().pop()
    };
    let message = until("the case", MINUTE, receive).await;
    let envelope: Envelope = serde_json::from_str(message.body().expect("a body")).expect("an envelope");
    let hub = test_hub.stack().hub_key();
    assert!(
        envelope.open([&agency.keys.encryption], [hub]).is_err(),
        "a message before the change is encrypted to the former key"
    );
    let case = envelope.open([&key], [hub]).expect("the new key decrypts a later message");
    assert_eq!(case.agency, agency.code);
    // Case A17: the key may be removed and added again.
    let kid = key.public().kid();
    let remove = ["keys", "1503", "remove", kid, "--reason", "the rehearsal is over"];
    agency_command(&test_hub, &remove).await.success();
    let listed: Vec<Value> = agency_command(&test_hub, &["keys", "1503", "--json"]).await.json();
    assert!(listed.iter().all(|key| key["kid"] != kid), "not even as a revoked key: {listed:?}");
    let error = agency_command(&test_hub, &remove).await.failure(1);
    assert!(error.contains("no operator added an encryption key"), "{error}");
    agency_command(&test_hub, &words).await.success();
}

pub(crate) async fn invalid_commands_are_refused(test_hub: Arc<TestHub>) {
    let key = PrivateKey::generate(KeyUse::Encryption).expect("a key");
    let private = written(&test_hub, "private", &key.to_jwk().expect("a key"));
    let words = ["keys", "14", "add", private.to_str().expect("a path"), "--reason", "by mistake"];
    let error = agency_command(&test_hub, &words).await.failure(1);
    assert!(error.contains("PRIVATE"), "{error}");
    let listed: Vec<Value> = agency_command(&test_hub, &["keys", "14", "list", "--json"]).await.json();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let error =
        agency_command(&test_hub, &["keys", "14", "revoke", "nobody", "--reason", "x"]).await.failure(1);
    assert!(error.contains("has no key nobody"), "{error}");
    agency_command(&test_hub, &["suspend", "14"]).await.failure(2);
    agency_command(&test_hub, &["suspend", "14", "--reason", " "]).await.failure(2);
    agency_command(&test_hub, &["suspend", "14", "--reason", &"长".repeat(201)]).await.failure(2);
    let error = agency_command(&test_hub, &["suspend", "999", "--reason", "x"]).await.failure(2);
    assert!(error.contains("two, four or six digits"), "{error}");
    let error = agency_command(&test_hub, &["suspend", "320102", "--reason", "x"]).await.failure(1);
    assert!(error.contains("there is no agency 320102"), "{error}");
    let error = agency_command(&test_hub, &["list", "--port", "1"]).await.failure(1);
    // What follows depends on the other hubs of this machine.
    assert!(error.contains("no hub answers on port 1 of this machine"), "{error}");
    let error = agency_command(&test_hub, &["list", "--stack", "nothing"]).await.failure(1);
    assert!(error.contains("no stack nothing"), "{error}");
}

/// The hub's answer to a report on an unknown case: `not_found` when the hub accepts the key.
pub(crate) async fn answer(test_hub: &TestHub, agency: &str, key: &PrivateKey) -> String {
    let report = Report {
        report_id: ReportId::from_uuid(Uuid::new_v4()).expect("an id"),
        application: ApplicationId::from_bytes16(*Uuid::new_v4().as_bytes()),
        agency: agency.parse().expect("a code"),
        seen: 1,
        iat: Timestamp::now().as_second(),
        result: ReportedResult::Received,
    };
    let jws = sign(REPORT_TYP, &report, key).expect("a signature");
    let url = format!("{}/v1/reports", test_hub.stack().api_url().expect("an address"));
    let request = test_hub.stack().http().post(url).header("content-type", "application/jose").body(jws);
    let text = request.send().await.expect("an answer").text().await.expect("a body");
    let problem: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let kind = problem["type"].as_str().unwrap_or_else(|| panic!("no problem: {problem}"));
    kind.rsplit('/').next().expect("a code").to_owned()
}

fn written(test_hub: &TestHub, name: &str, jwk: &Value) -> PathBuf {
    let path = test_hub.folder().join(format!("{name}.jwk.json"));
    fs::write(&path, jwk.to_string()).expect("a written file");
    path
}

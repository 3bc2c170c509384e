//! The integrator's kit works, and probe messages reach the agency's queue.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use aws_sdk_sqs::types::QueueAttributeName;
use protocol::case::Envelope;
use protocol::jose::{JoseError, PrivateKey};
use serde_json::Value;
use tongban::aws::local;
use tongban_tests::agency::program;
use tongban_tests::until::until;

use crate::app::SOON;
use crate::command::agency_command;
use crate::test_hub::TestHub;

/// Liaoning.
const AGENCY: &str = "21";

pub(crate) async fn a_kit_works_as_handed_out(test_hub: Arc<TestHub>) {
    let folder = test_hub.folder().join("kit");
    let out = folder.to_str().expect("a path");
    let written = agency_command(&test_hub, &["kit", AGENCY, "--out", out]).await.success();
    assert_eq!(written.lines().count(), 5, "{written}");
    for path in written.lines() {
        assert_eq!(fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o600, "{path}");
    }
    let error = agency_command(&test_hub, &["kit", AGENCY, "--out", out]).await.failure(1);
    assert!(error.contains("nothing was written"), "{error}");
    is_renewed(&test_hub, &folder, out).await;

    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file of the kit");
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).expect("JSON");
    let settings = json("agency.json");
    let key = |name: &Value| PrivateKey::from_jwk(&json(name.as_str().expect("a name"))).expect("a key");
    let registered: Vec<Value> = agency_command(&test_hub, &["keys", AGENCY, "--json"]).await.json();
    let known = |key: &PrivateKey| registered.iter().any(|listed| listed["kid"] == key.public().kid());
    assert!(known(&key(&settings["signing_key"])));
    assert!(known(&key(&settings["encryption_keys"][0])));
    assert!(!known(&key(&settings["encryption_keys"][1])), "the spare key is registered already");

    // The variables as a shell sets them: the agency's account can read only its own queue.
    let environment = read("agency.env");
    let value = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
        line.unwrap_or_else(|| panic!("no {name}: {environment}")).to_owned()
    };
    let aws = local(&value("AWS_ENDPOINT_URL"), &value("AWS_ACCESS_KEY_ID"));
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let depth = async |queue: &str| {
        let request = sqs.get_queue_attributes().queue_url(queue);
        request.attribute_names(QueueAttributeName::ApproximateNumberOfMessages).send().await.is_ok()
    };
    let queue = settings["queue_url"].as_str().expect("an address");
    assert!(depth(queue).await);
    assert!(!depth(&queue.replace("agency-21", "agency-22")).await, "another agency's queue");

    // The integrator's first command. Exit code 4: the queue is empty.
    let program = program();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", ". ./agency.env && \"$0\" pull --config agency.json"])
        .arg(program)
        .current_dir(&folder);
    let pulled = shell.env_clear().stdin(Stdio::null()).output().expect("a shell");
    assert_eq!(pulled.status.code(), Some(4), "{pulled:?}");

    let hub = settings["hub_url"].as_str().expect("an address");
    let keys = test_hub.stack().http().get(format!("{hub}/.well-known/jwks.json")).send().await;
    let text = keys.expect("an answer").text().await.expect("a body");
    assert!(text.contains(test_hub.stack().hub_key().kid()), "{text}");
}

/// Case A23 of `tests/FIELD_CASES.md`: the hub has moved to another port since the kit was written. `doctor` says what
/// to do, and the command that it names makes the kit right.
async fn is_renewed(test_hub: &TestHub, folder: &Path, out: &str) {
    let port = test_hub.port();
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
    for name in ["agency.json", "agency.env"] {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).expect("a file of the kit");
        fs::write(&path, text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{closed}")))
            .expect("a file");
    }
    let doctor = || {
        let mut doctor = Command::new(program());
        doctor
            .args(["doctor", "--config", "agency.json"])
            .current_dir(folder)
            .env_clear()
            .stdin(Stdio::null());
        doctor.output().expect("doctor")
    };
    let stale = doctor();
    let told = String::from_utf8_lossy(&stale.stdout).into_owned();
    assert_eq!(stale.status.code(), Some(6), "{told}");
    let remedy = format!("agency kit {AGENCY} --out FOLDER --renew --port PORT");
    assert_eq!(told.matches(&remedy).count(), 2, "for the queue and for the hub: {told}");
    let renewed = agency_command(test_hub, &["kit", AGENCY, "--out", out, "--renew"]).await.success();
    assert_eq!(renewed.lines().count(), 2, "{renewed}");
    let well = doctor();
    assert_eq!(well.status.code(), Some(0), "{well:?}");
    let again = agency_command(test_hub, &["kit", AGENCY, "--out", out, "--renew"]).await.success();
    assert!(again.contains("already"), "{again}");
}

pub(crate) async fn a_probe_arrives_in_the_queue(test_hub: Arc<TestHub>) {
    let agency = test_hub.stack().agency(&"22".parse().expect("a code")).expect("an agency");
    let sqs = aws_sdk_sqs::Client::new(&agency.aws);
    for (kind, expected) in [("unreadable", JoseError::UnknownKey), ("forged", JoseError::UnknownKey)] {
        let sent: Value = agency_command(&test_hub, &["probe", "22", "--kind", kind]).await.json();
        let receive = async || {
            let batch = sqs.receive_message().queue_url(&agency.queue_url).send().await.expect("an answer");
            batch.messages.unwrap_or_default().pop()
        };
        let message = until("the probe", SOON, receive).await;
        assert_eq!(sent["message_id"], message.message_id().unwrap_or_default());
        let envelope: Envelope = serde_json::from_str(message.body().expect("a body")).expect("an envelope");
        let opens = protocol::jose::decrypt(&envelope.data, [&agency.keys.encryption]).is_ok();
        assert_eq!(opens, kind == "forged", "{kind}");
        let hub = test_hub.stack().hub_key();
        assert_eq!(envelope.open([&agency.keys.encryption], [hub]), Err(expected), "{kind}");
        let receipt = message.receipt_handle().expect("a receipt");
        let gone = sqs.delete_message().queue_url(&agency.queue_url).receipt_handle(receipt).send().await;
        gone.expect("a deleted message");
    }
}

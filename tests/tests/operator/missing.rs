//! What is missing is named, and does not hide the rest: an agency's queue, and a case that is no longer in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tongban_tests::agency::program;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::command::agency_command;
use crate::test_hub::TestHub;

pub(crate) async fn o9_a_missing_queue_hides_nothing_else(test_hub: Arc<TestHub>) {
    let agency = test_hub.stack().agency(&"64".parse().expect("a code")).expect("an agency");
    let sqs = aws_sdk_sqs::Client::new(test_hub.stack().aws());
    sqs.delete_queue().queue_url(&agency.queue_url).send().await.expect("a deleted queue");

    let shown = agency_command(&test_hub, &["show", "64"]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    for part in
        ["MISSING", "? waiting", "0 dead letters", "0 open", "infra/agencies.toml", "No operator has changed"]
    {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    assert!(shown.err.contains("queue: "), "{}", shown.err);

    let shown = agency_command(&test_hub, &["show", "64", "--json"]).await;
    let overview: Value = serde_json::from_str(&shown.out).expect("JSON");
    assert_eq!(overview["missing"][0]["part"], "queue", "{overview}");
    assert!(overview["queue"]["waiting"].is_null() && overview["queue"]["dead"] == 0, "{overview}");
    assert_eq!((&overview["cases"]["open"], overview["keys"].as_array().map(Vec::len)), (&0.into(), Some(2)));
    let all: Vec<Value> = agency_command(&test_hub, &["list", "--json"]).await.json();
    assert!(all.iter().any(|row| row["agency"] == "64"));
}

/// A case is received ten times and not deleted, as by a consumer that fails. The agency cannot read its dead-letter
/// queue.
pub(crate) async fn a18_a_case_in_the_dead_letter_queue_is_named(test_hub: Arc<TestHub>) {
    let folder = test_hub.folder().join("dead-letter");
    let out = folder.to_str().expect("a path");
    agency_command(&test_hub, &["kit", "1504", "--out", out]).await.success();
    let id = App::open(&test_hub, "dead-letter").file("150402", true).await.expect("a case").to_string();
    let agency = test_hub.stack().agency(&"1504".parse().expect("a code")).expect("an agency");
    let sqs = aws_sdk_sqs::Client::new(&agency.aws);
    let receive = async || {
        let batch = sqs.receive_message().queue_url(&agency.queue_url).visibility_timeout(0).send().await;
        batch.expect("an answer").messages.unwrap_or_default().pop()
    };
    until("the case in the queue", SOON, receive).await;
    let well = agency_program(&folder, &["doctor"]);
    assert_eq!(well.status.code(), Some(0), "{well:?}");

    let gone = async || receive().await.is_none().then_some(());
    until("the case in the dead-letter queue", SOON, gone).await;
    let told = agency_program(&folder, &["doctor", "--json"]);
    assert_eq!(told.status.code(), Some(6), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let wrong: Vec<&Value> =
        told["checks"].as_array().expect("checks").iter().filter(|check| check["ok"] == false).collect();
    assert_eq!((wrong.len(), &wrong[0]["name"]), (1, &"open cases".into()), "{told}");
    assert!(wrong[0]["found"].as_str().is_some_and(|found| found.contains(&id)), "{told}");
    assert!(wrong[0]["fix"].as_str().is_some_and(|mend| mend.contains("dead-letter queue")), "{told}");

    let listed = agency_program(&folder, &["cases"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("NOT IN THE QUEUE") && listed.contains("! 1 open cases"), "{listed}");
    let listed: Value =
        serde_json::from_slice(&agency_program(&folder, &["cases", "--json"]).stdout).expect("JSON");
    assert_eq!(listed["absent"]["applications"], serde_json::json!([id]), "{listed}");

    // The remedy: the case is in the queue again.
    assert_eq!(agency_program(&folder, &["resend", "--all"]).status.code(), Some(0));
    until("the case in the queue again", SOON, receive).await;
    assert_eq!(agency_program(&folder, &["doctor"]).status.code(), Some(0));
    // Without access to the queue the list is shown all the same.
    fs::remove_file(folder.join("agency.env")).expect("the variables");
    let listed = agency_program(&folder, &["cases"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && text.contains(&id) && text.contains("is not known"), "{text}");
}

fn agency_program(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(words).args(["--config", "agency.json"]).current_dir(folder);
    command.env_clear().stdin(Stdio::null()).output().expect("the agency's program")
}

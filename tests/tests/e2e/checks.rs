//! The checks at the end of every scenario, and at the end of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::application::Application;
use domain::ids::ApplicationId;
use domain::ledger::Ledger;
use protocol::app::ApplicationView;
use serde_json::{Value, json};
use tongban::aws::{LOCAL_ACCOUNT, LOCAL_REGION};
use tongban_tests::people;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::test_hub::TestHub;

/// Deadline for the queues to be empty after the last message.
const DRAINED: Duration = Duration::from_secs(60);

/// Checks a finished scenario: exactly these callbacks arrived in this order, the record's chain verifies, and the app
/// reads the recorded events and state. Returns the state.
pub(crate) async fn close(app: &App, id: ApplicationId, called_back: &[&str]) -> Application {
    let own = || app.receiver.calls().into_iter().filter(|call| call.payload.data.application == id);
    let expected = called_back.len();
    until(&format!("{expected} callbacks of {id}"), SOON, async || (own().count() >= expected).then_some(()))
        .await;
    let calls: Vec<_> = own().collect();
    let names: Vec<String> = calls.iter().map(|call| call.payload.kind.replace("application.", "")).collect();
    assert_eq!(names, called_back, "callbacks of {id}");
    let versions: Vec<u32> = calls.iter().map(|call| call.payload.data.version).collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "callbacks of {id} out of order: {versions:?}");

    let ledger = record(app.test_hub(), id).await;
    let (events, hash) = app.feed(id).await;
    assert_eq!(hash, ledger.hash(), "the feed's hash");
    let recorded: Vec<(u32, String)> = ledger
        .entries()
        .iter()
        .map(|line| (line.entry.version, format!("application.{}", line.entry.event.name())))
        .collect();
    let fed: Vec<(u32, String)> = events.iter().map(|event| (event.version, event.kind.clone())).collect();
    assert_eq!(fed, recorded, "the feed");
    for call in &calls {
        let data = &call.payload.data;
        let state_then = ledger.at(data.version).expect("a version of the record");
        assert_eq!((data.stage, data.application), (state_then.stage, id), "callback {}", call.id);
        assert_eq!(people::trace_in(&call.body), None, "callback {}", call.id);
    }
    assert_eq!(app.view(id).await, ApplicationView::from(ledger.state()), "the view");
    for line in ledger.entries() {
        let traces = people::trace_in(&String::from_utf8_lossy(&line.bytes));
        assert_eq!(traces, None, "entry {} of {id}", line.entry.version);
    }
    ledger.state().clone()
}

/// Reads an application's raw item and verifies its chain.
pub(crate) async fn record(test_hub: &TestHub, id: ApplicationId) -> Ledger {
    let item = test_hub
        .dynamodb()
        .get_item()
        .table_name(test_hub.output("TableName"))
        .key("id", AttributeValue::S(id.to_string()))
        .consistent_read(true)
        .send()
        .await
        .expect("an answer of the table")
        .item
        .expect("the item");
    let entries = item["ev"].as_l().expect("a list of entries");
    let entries = entries.iter().map(|entry| entry.as_b().expect("bytes").as_ref().to_vec());
    let ledger = Ledger::read(id, entries).expect("a chain that verifies");
    assert_eq!(item["v"].as_n().expect("a version"), &ledger.state().version.to_string());
    let encrypted = item["se"].as_b().expect("the encrypted part").as_ref();
    assert_eq!(people::trace_in(&String::from_utf8_lossy(encrypted)), None, "the encrypted part of {id}");
    ledger
}

/// No message is left in any queue or dead-letter queue.
pub(crate) async fn queues_are_empty(test_hub: &TestHub) {
    let left = async || -> BTreeMap<String, String> {
        let depths = test_hub.stack().depths().await.expect("the depths of the queues");
        assert!(depths.len() > 80, "a queue and a dead-letter queue for each agency: {}", depths.len());
        let dead_letters: Vec<_> =
            depths.iter().filter(|depth| depth.is_dead_letters() && !depth.is_empty()).collect();
        assert!(dead_letters.is_empty(), "dead letters: {dead_letters:?}");
        let held = depths.iter().filter(|depth| !depth.is_empty());
        held.map(|depth| (depth.queue.clone(), format!("{depth:?}"))).collect()
    };
    until("every queue empty", DRAINED, async || left().await.is_empty().then_some(())).await;
}

/// No log of the hub, its functions and the agencies contains personal data, and no function has logged an error.
/// Row 48 of `tests/FAULTS.md`.
pub(crate) async fn logs_contain_no_personal_data(test_hub: &TestHub, all_trials_ran: bool) {
    assert!(people::canaries() > 0 || !all_trials_ran, "no canary was recorded");
    for log in test_hub.logs() {
        let bytes = std::fs::read(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let trace = people::trace_in(&String::from_utf8_lossy(&bytes));
        assert_eq!(trace, None, "{}", log.display());
    }
    let mut requests = 0;
    for group in log_groups(test_hub).await {
        for line in log_lines(test_hub, &group).await {
            requests += usize::from(line.contains("\"message\":\"request answered\""));
            assert_eq!(people::trace_in(&line), None, "{group}");
            assert!(!line.contains("\"level\":\"ERROR\""), "{group}: {line}");
        }
    }
    assert!(requests > 0 || !all_trials_ran, "no request was logged");
}

/// Calls the logs API of the local AWS. Two operations do not justify a client library.
async fn logs(test_hub: &TestHub, operation: &str, body: &Value) -> Value {
    let request = test_hub.http().post(test_hub.stack().endpoint()).body(body.to_string());
    let request = request.header("content-type", "application/x-amz-json-1.1");
    let request = request.header("x-amz-target", format!("Logs_20140328.{operation}"));
    // The local AWS reads the account from this header and does not verify the signature.
    let scope = format!("{LOCAL_ACCOUNT}/20260101/{LOCAL_REGION}/logs/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let answer =
        request.header("authorization", signed).header("x-amz-date", "20260101T000000Z").send().await;
    let text = answer.expect("an answer of the logs").text().await.expect("a body that can be read");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{operation}: {error}: {text}"))
}

async fn log_groups(test_hub: &TestHub) -> Vec<String> {
    let found = logs(test_hub, "DescribeLogGroups", &json!({ "limit": 50 })).await;
    let groups = found["logGroups"].as_array().unwrap_or_else(|| panic!("no log groups: {found}"));
    groups.iter().filter_map(|group| group["logGroupName"].as_str().map(str::to_owned)).collect()
}

async fn log_lines(test_hub: &TestHub, group: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut page = json!({ "logGroupName": group, "limit": 10_000 });
    loop {
        let found = logs(test_hub, "FilterLogEvents", &page).await;
        let events = found["events"].as_array().unwrap_or_else(|| panic!("no events of {group}: {found}"));
        lines.extend(events.iter().filter_map(|event| event["message"].as_str().map(str::to_owned)));
        let Some(next) = found.get("nextToken").filter(|next| next.is_string()) else { return lines };
        page["nextToken"] = next.clone();
    }
}

//! The operator can list reports with a valid signature that the hub refused.

use std::sync::Arc;
use std::time::Duration;

use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::REPORT_TYP;
use serde_json::{Value, json};
use tongban::operator::RefusedReport;
use tongban_tests::until::until;

use crate::command::agency_command;
use crate::keys::answer;
use crate::test_hub::TestHub;

/// Heilongjiang.
const AGENCY: &str = "23";

pub(crate) async fn refused_reports_are_listed(test_hub: Arc<TestHub>) {
    assert_eq!(agency_command(&test_hub, &["refused", AGENCY]).await.success(), "No report was refused.");
    let key = test_hub.stack().agency(&AGENCY.parse().expect("a code")).expect("an agency").keys.signing;
    for _ in 0..3 {
        assert_eq!(answer(&test_hub, AGENCY, &key).await, "not_found");
    }
    let listed: Vec<RefusedReport> = agency_command(&test_hub, &["refused", AGENCY, "--json"]).await.json();
    assert_eq!(listed.len(), 3);
    assert!(listed.is_sorted_by_key(|one| one.at), "the list is not in order of time");
    assert!(listed.iter().all(|one| one.agency == AGENCY && one.outcome == "unknown_case"), "{listed:?}");
    let table = agency_command(&test_hub, &["refused", AGENCY]).await.success();
    assert_eq!(table.lines().count(), 4, "{table}");
    let since = listed[2].at.to_string();
    let last: Vec<RefusedReport> =
        agency_command(&test_hub, &["refused", AGENCY, "--since", &since, "--json"]).await.json();
    assert_eq!(last, [listed[2].clone()]);
    agency_command(&test_hub, &["refused", AGENCY, "--since", "yesterday"]).await.failure(2);
}

/// A report that no registered key signed ends in the dead-letter queue of all agencies. `show` counts it for its
/// agency.
pub(crate) async fn a27_dead_reports_are_shown(test_hub: Arc<TestHub>) {
    let key = PrivateKey::generate(KeyUse::Signing).expect("a key");
    let report = sign(REPORT_TYP, &json!({ "agency": "62" }), &key).expect("a signature");
    let outputs = test_hub.stack().outputs();
    let queue = outputs.get("ReportsDeadQueueUrl").expect("a queue");
    let sqs = aws_sdk_sqs::Client::new(test_hub.stack().aws());
    sqs.send_message().queue_url(queue).message_body(report).send().await.expect("a dead letter");
    // Another trial's command may read the message at this moment.
    let dead_reports = async |code| {
        until("the dead reports", Duration::from_secs(60), async || {
            let shown: Value = agency_command(&test_hub, &["show", code, "--json"]).await.json();
            (shown["dead_reports"]["unread"] == 0).then(|| shown["dead_reports"].clone())
        })
        .await
    };
    let shown = dead_reports("62").await;
    assert_eq!(shown["of_agency"], 1, "{shown}");
    assert!(shown["of_all"].as_u64().is_some_and(|all| all >= 1), "{shown}");
    until("a table of all dead reports", Duration::from_secs(60), async || {
        let text = agency_command(&test_hub, &["show", "62"]).await.success();
        assert!(text.contains(" dead letters name this agency"), "{text}");
        text.contains("1 dead letters name this agency").then_some(())
    })
    .await;
    assert_eq!(dead_reports("63").await["of_agency"], 0);
}

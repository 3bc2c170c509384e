//! An agency is suspended and resumed, and its held cases are sent without the sweeper.

use std::sync::Arc;

use domain::stage::Stage;
use serde_json::Value;
use tokio::time::Instant;
use tongban::operator::Operator;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::command::agency_command;
use crate::test_hub::TestHub;

/// Tianjin; nobody reads its queue.
const AGENCY: &str = "12";
const PLACE: &str = "120101";

pub(crate) async fn a_suspension_holds_cases_and_a_resume_releases_them(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "suspension");
    assert!(app.covers(PLACE).await);
    let drafts = [app.file(PLACE, false).await, app.file(PLACE, false).await].map(|id| id.expect("open"));
    agency_command(&test_hub, &["suspend", AGENCY, "--reason", "a flood"]).await.success();
    assert!(!app.covers(PLACE).await, "the place is still covered");
    let shown: Value = agency_command(&test_hub, &["show", AGENCY, "--json"]).await.json();
    assert_eq!((&shown["state"], &shown["suspended_by"]), (&"suspended".into(), &"operator".into()));
    // Functions notice the change when their cached overrides expire.
    let refused = async || app.file(PLACE, false).await.err();
    let refused = until("a new case refused", SOON, refused).await;
    assert_eq!(refused["status"], 422, "{refused}");
    let begun = Instant::now();
    let knows = async || (begun.elapsed() > Operator::known_after()).then_some(());
    until("every function to know the suspension", SOON, knows).await;
    for draft in drafts {
        app.submit(draft).await;
    }
    let held = async || {
        let shown: Value = agency_command(&test_hub, &["show", AGENCY, "--json"]).await.json();
        (shown["cases"]["held"] == 2).then_some(shown)
    };
    let shown = until("two cases held", SOON, held).await;
    assert_eq!(shown["queue"]["waiting"], 0, "a message was sent to a suspended agency: {shown}");
    assert!(agency_command(&test_hub, &["show", AGENCY]).await.success().contains("2 open, 2 of them held"));
    for draft in drafts {
        assert_eq!(app.view(draft).await.stage, Stage::Submitted);
    }

    let said =
        agency_command(&test_hub, &["resume", AGENCY, "--reason", "the water is gone"]).await.success();
    assert!(said.contains("Released 2 cases"), "{said}");
    for draft in drafts {
        app.reaches(draft, Stage::Dispatched).await;
    }
    assert!(app.covers(PLACE).await);
    let shown: Value = agency_command(&test_hub, &["show", AGENCY, "--json"]).await.json();
    assert_eq!(shown["queue"]["waiting"], 2, "{shown}");
    assert_eq!((&shown["cases"]["open"], &shown["cases"]["held"]), (&2.into(), &0.into()));
    assert_eq!((&shown["state"], &shown["records_broken"]), (&"active".into(), &Value::Null));
    let records: Vec<_> = shown["records"].as_array().expect("records").iter().collect();
    let recorded: Vec<_> = records.iter().map(|one| (&one["change"], &one["reason"], &one["by"])).collect();
    let by = &Value::from("local:tester");
    let expected =
        [("suspend", "a flood"), ("resume", "the water is gone")].map(|(a, b)| (a.into(), b.into()));
    assert_eq!(recorded, expected.iter().map(|(change, why)| (change, why, by)).collect::<Vec<_>>());
    let again = agency_command(&test_hub, &["resume", AGENCY, "--reason", "once more"]).await.failure(1);
    assert!(again.contains("nothing was changed"), "{again}");
}

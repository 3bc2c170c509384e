//! An agency is added, and later removed, by one row and a deploy, without a change to any other agency's resources.

use std::collections::BTreeSet;

use domain::stage::Stage;
use tongban::plan::{Action, Change, Plan};
use tongban_tests::repository::text;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::test_hub::TestHub;

/// Chaoyang, Beijing. Its longer code takes precedence over Beijing's.
const ROW: &str = r#"
[[agency]]
code = "110105"
zh = "北京市朝阳区"
en = "Chaoyang, Beijing"
state = "active"
offers = { first_identity_card = "2026-01-01" }
"#;
/// Suffixes of an agency's resources in the template.
const PARTS: [&str; 5] = ["", "Dead", "Policy", "Age", "DeadDepth"];

pub(crate) async fn an_agency_is_added_and_removed(mut test_hub: TestHub) {
    let before = text("infra/agencies.toml");
    let case = {
        let app = App::open(&test_hub, "growth");
        let case = app.file("150202", true).await.expect("a case for Baotou");
        app.reaches(case, Stage::Dispatched).await;
        case
    };
    assert_eq!(waiting(&test_hub, "1502").await, 1);
    let own: BTreeSet<String> = PARTS.map(|part| format!("Agency110105{part}")).into();

    let plan = test_hub.deploy(&format!("{before}{ROW}")).await;
    assert_eq!(ids(&plan, Action::Add), own, "{plan}");
    assert_eq!(ids(&plan, Action::Remove), BTreeSet::new(), "{plan}");
    nothing_is_replaced(&plan);
    assert_eq!(waiting(&test_hub, "1502").await, 1, "the message of another agency is still in its queue");
    {
        let app = App::open(&test_hub, "growth");
        assert_eq!(app.view(case).await.stage, Stage::Dispatched);
        let new = app.file("110105", true).await.expect("a case for the new agency");
        let view = app.reaches(new, Stage::Dispatched).await;
        assert_eq!(view.leg.map(|leg| leg.agency.to_string()).as_deref(), Some("110105"));
        until("the new agency's case", SOON, async || {
            (waiting(&test_hub, "110105").await == 1).then_some(())
        })
        .await;
    }

    let plan = test_hub.deploy(&before).await;
    assert_eq!(ids(&plan, Action::Remove), own, "{plan}");
    assert_eq!(ids(&plan, Action::Add), BTreeSet::new(), "{plan}");
    nothing_is_replaced(&plan);
    assert_eq!(waiting(&test_hub, "1502").await, 1);
    let gone = test_hub.stack().agency(&"110105".parse().expect("a code"));
    assert!(gone.is_err(), "the removed agency is still known");
    assert!(App::open(&test_hub, "growth").covers("110105").await, "the place is covered by Beijing again");
}

fn ids(plan: &Plan, action: Action) -> BTreeSet<String> {
    plan.changes().iter().filter(|change| change.action == action).map(|change| change.id.clone()).collect()
}

/// No existing queue or table is replaced.
fn nothing_is_replaced(plan: &Plan) {
    let keeps =
        |change: &&Change| ["AWS::SQS::Queue", "AWS::DynamoDB::Table"].contains(&change.kind.as_str());
    let changed = plan.changes().iter().filter(keeps).filter(|change| change.action == Action::Modify);
    let replaced: Vec<_> = changed.filter(|change| change.replacement.as_deref() != Some("False")).collect();
    assert!(replaced.is_empty(), "replaced: {replaced:?}");
    assert_eq!(plan.losses().filter(|change| change.action == Action::Modify).count(), 0, "{plan}");
}

async fn waiting(test_hub: &TestHub, code: &str) -> u64 {
    let prefix = test_hub.stack().outputs().get("AgencyQueueUrlPrefix").expect("a prefix");
    test_hub.stack().depth(&format!("{prefix}{code}.fifo")).await.expect("a depth").waiting
}

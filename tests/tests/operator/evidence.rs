//! The operator can list reports with a valid signature that the hub refused.

use std::sync::Arc;

use tongban::operator::RefusedReport;

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

//! One log has the lines of all functions.

use std::collections::BTreeSet;
use std::sync::Arc;

use tongban::function_logs::FunctionLogs;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::test_hub::TestHub;

/// Case K6 of `tests/FIELD_CASES.md`: an application passes four functions, and each line is read once.
pub(crate) async fn k6_one_log_has_the_lines_of_all_functions(test_hub: Arc<TestHub>) {
    App::open(&test_hub, "logs").file("460105", true).await.expect("a case");
    let port = test_hub.port().parse().expect("a port");
    let mut logs = FunctionLogs::new(port, test_hub.name()).expect("the logs");
    let (mut seen, mut functions) = (Vec::new(), BTreeSet::new());
    let wanted = BTreeSet::from(["intake", "documents", "router"]);
    until("the lines of the functions", SOON, async || {
        let lines = logs.next().await.expect("lines");
        functions.extend(lines.iter().map(|line| line.function));
        seen.extend(lines);
        functions.is_superset(&wanted).then_some(())
    })
    .await;
    assert!(!seen.iter().any(|line| line.text.starts_with("START ")), "Lambda's own lines");
    let traced = |text: &str| text.contains("\"trace\"");
    assert!(seen.iter().any(|line| line.function == "intake" && traced(&line.text)), "{seen:?}");
}

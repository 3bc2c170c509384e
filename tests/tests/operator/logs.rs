//! One log has the lines of all functions.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Mutex;
use tongban::function_logs::FunctionLogs;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::test_hub::TestHub;

/// Case K6 of `tests/FIELD_CASES.md`: an application passes four functions, and each line is read once.
pub(crate) async fn k6_one_log_has_the_lines_of_all_functions(test_hub: Arc<TestHub>) {
    App::open(&test_hub, "logs").file("110101", true).await.expect("a case");
    let port = test_hub.port().parse().expect("a port");
    let logs = FunctionLogs::new(port, test_hub.name()).expect("the logs");
    let wanted = BTreeSet::from(["intake", "documents", "router"]);
    let read = Mutex::new((logs, Vec::new()));
    until("the lines of the functions", SOON, async || {
        let (logs, seen) = &mut *read.lock().await;
        seen.extend(logs.next().await.expect("lines"));
        let functions: BTreeSet<&str> = seen.iter().map(|line| line.function).collect();
        functions.is_superset(&wanted).then_some(())
    })
    .await;
    let (_, seen) = read.into_inner();
    assert!(!seen.iter().any(|line| line.text.starts_with("START ")), "Lambda's own lines");
    let traced = |text: &str| text.contains("\"trace\"");
    assert!(seen.iter().any(|line| line.function == "intake" && traced(&line.text)), "{seen:?}");
}

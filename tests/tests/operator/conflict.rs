//! Concurrent operators, and a tampered record.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use tokio::task::JoinSet;
use tongban::operator::{HubLocation, HubPlace, Operator};

use crate::command::agency_command;
use crate::test_hub::TestHub;

/// Agencies that no other trial uses.
const AGENCIES: [&str; 20] = [
    "31", "32", "33", "34", "35", "36", "37", "41", "42", "43", "44", "45", "46", "50", "51", "52", "53",
    "54", "61", "62",
];
const REASON: &str = "an exercise";

pub(crate) async fn twenty_operators_at_once(test_hub: Arc<TestHub>) {
    let mut all = JoinSet::new();
    for agency in AGENCIES {
        let test_hub = test_hub.clone();
        all.spawn(async move {
            agency_command(&test_hub, &["suspend", agency, "--reason", REASON]).await.success()
        });
    }
    assert_eq!(all.join_all().await.len(), AGENCIES.len());
    let operator = connect(&test_hub).await;
    let in_force = operator.overrides().read().await.expect("the overrides");
    let chain = operator.overrides().chain(&in_force).await.expect("the records");
    assert_eq!(chain.broken(), None);
    let recorded = chain.records().iter().filter(|record| record.reason == REASON);
    let recorded: BTreeSet<String> = recorded.map(|record| record.agency.to_string()).collect();
    assert_eq!(recorded, AGENCIES.map(str::to_owned).into());
    let listed: Vec<Value> = agency_command(&test_hub, &["list", "--json"]).await.json();
    for agency in AGENCIES {
        let row = listed.iter().find(|row| row["agency"] == agency).expect("a row");
        assert_eq!(row["state"], "suspended", "{row}");
    }
}

/// A record is overwritten with another reason: every `show` reports it and exits with 1.
pub(crate) async fn a_tampered_record_is_reported(test_hub: &TestHub) {
    agency_command(test_hub, &["suspend", "63", "--reason", "the first reason"]).await.success();
    agency_command(test_hub, &["show", "63"]).await.success();
    let operator = connect(test_hub).await;
    let version = operator.overrides().read().await.expect("the overrides").version;
    let table = test_hub.stack().outputs().get("AgenciesTableName").expect("a table");
    let dynamodb = aws_sdk_dynamodb::Client::new(test_hub.stack().aws());
    let key = |name: &str| AttributeValue::S(name.to_owned());
    let record = format!("record#{version:010}");
    let read = dynamodb.get_item().table_name(table).key("pk", key("overrides")).key("sk", key(&record));
    let item = read.send().await.expect("an answer").item.expect("the record");
    let changed = item["bo"].as_s().expect("text").replace("the first reason", "another one");
    let put = dynamodb.put_item().table_name(table).set_item(Some(item)).item("bo", key(&changed));
    put.send().await.expect("a changed record");
    let said = agency_command(test_hub, &["show", "63"]).await;
    assert!(said.out.contains("another one"), "{said:?}");
    let error = said.failure(1);
    assert!(
        error.contains("THE HASH CHAIN OF THE CHANGE RECORDS IS BROKEN")
            && error.contains(&format!("record {version} or the state in force was changed")),
        "{error}"
    );
}

async fn connect(test_hub: &TestHub) -> Operator {
    let port = test_hub.port().parse().expect("a port");
    let at = HubLocation { stack: test_hub.name().to_owned(), place: HubPlace::Here { port } };
    Operator::reach(&at).await.expect("the hub")
}

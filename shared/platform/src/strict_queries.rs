//! The queries of the tables against a DynamoDB that is as strict as AWS: it refuses a filter that names an attribute of a
//! key of the queried table or index, and a key condition that names another attribute. The local AWS accepts both.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};

use domain::stage::Stage;
use serde_json::Value;

use crate::contract::sample;
use crate::deliveries::{AwsDeliveries, Deliveries as _, Which};
use crate::store::{AwsStore, Cursor, ListFilter, Store as _};
use crate::stub_aws::{StubAws, StubRequest};
use crate::subscriptions::{AwsSubscriptions, Subscriptions as _};
use crate::tenant_rows::AwsTenantRows;

/// Key attributes by index; those of the table itself under an empty name.
type Keys = BTreeMap<String, BTreeSet<String>>;

/// The keys of a table in the template.
fn keys(table: &str) -> Keys {
    let template = include_str!("../../../infra/template.yaml");
    let (_, rest) = template.split_once(&format!("\"${{AWS::StackName}}-{table}\"")).unwrap();
    let (table, _) = rest.split_once("TimeToLiveSpecification").unwrap();
    let (mut keys, mut index) = (Keys::new(), String::new());
    for line in table.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- IndexName: ") {
            name.clone_into(&mut index);
        } else if line.contains("KeyType: ") {
            let (_, rest) = line.split_once("AttributeName: ").unwrap();
            keys.entry(index.clone()).or_default().insert(rest.split(',').next().unwrap().to_owned());
        }
    }
    keys
}

/// The attributes that an expression names.
fn named(query: &Value, expression: &str) -> BTreeSet<String> {
    let text = query[expression].as_str().unwrap_or_default();
    let words = text.split(|sign: char| !(sign.is_alphanumeric() || "#:_".contains(sign)));
    let functions = ["AND", "OR", "NOT", "IN", "BETWEEN", "begins_with", "contains", "size"];
    words
        .filter(|word| !word.is_empty() && !word.starts_with(':') && !functions.contains(word))
        .map(|word| query["ExpressionAttributeNames"][word].as_str().unwrap_or(word).to_owned())
        .collect()
}

/// Why DynamoDB refuses a query.
fn refusal(query: &Value) -> Option<String> {
    let table = query["TableName"].as_str().unwrap();
    let index = query["IndexName"].as_str().unwrap_or_default();
    let keys = keys(table).remove(index)?;
    let (filter, condition) = (named(query, "FilterExpression"), named(query, "KeyConditionExpression"));
    if let Some(name) = filter.intersection(&keys).next() {
        return Some(format!("Filter Expression can only contain non-primary key attributes: {name}"));
    }
    condition.difference(&keys).next().map(|name| format!("Query key condition not supported: {name}"))
}

/// Answers queries with nothing, or refuses them as AWS does.
fn strict_dynamodb() -> StubAws {
    StubAws::start(|request| match refusal(&query(request)) {
        None => (200, r#"{"Items":[],"Count":0}"#.to_owned()),
        Some(why) => {
            (400, serde_json::json!({ "__type": "ValidationException", "message": why }).to_string())
        }
    })
}

fn query(request: &StubRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

#[tokio::test]
async fn every_query_is_one_that_dynamodb_takes() {
    let dynamodb = strict_dynamodb();
    let aws = dynamodb.aws();
    let (tenant, agency) = (sample::tenant("east-app"), "11".parse().unwrap());
    let state = sample::stored("east-app", 1);
    let store = AwsStore::new(aws.dynamodb(), "applications");
    let service = Some(state.ledger.state().opened.service);
    let mut lists: Vec<ListFilter> =
        Stage::ALL.iter().map(|stage| ListFilter { stage: Some(*stage), ..ListFilter::default() }).collect();
    lists.push(ListFilter::default());
    lists.push(ListFilter { overdue: Some(true), ..ListFilter::default() });
    lists.push(ListFilter { overdue: Some(false), service, ..ListFilter::default() });
    lists.push(ListFilter { agency: Some("11".parse().unwrap()), ..ListFilter::default() });
    for after in [None, Some(Cursor::behind(&state))] {
        for filter in &lists {
            store.list_by(&tenant, filter, 10, after.clone()).await.unwrap();
        }
        store.before_agency(&agency, 10, after).await.unwrap();
    }
    store.due(0, sample::start(), 10).await.unwrap();
    store.of_person(&state.person, None, 10).await.unwrap();
    let subscriptions = AwsSubscriptions::new(AwsTenantRows::new(aws.dynamodb(), "subscriptions"));
    subscriptions.of(&tenant).await.unwrap();
    subscriptions.due(sample::start(), 10).await.unwrap();
    let deliveries = AwsDeliveries::new(aws.dynamodb(), "deliveries");
    let subscription = "7f0e8a44-1111-4222-8333-944455556666".parse().unwrap();
    for which in [Which::All, Which::Failed] {
        deliveries.attempts(subscription, which, None, 10).await.unwrap();
    }
    deliveries.notices(&tenant, None, 10).await.unwrap();
    deliveries.count_stored_callbacks(subscription).await.unwrap();
    deliveries.has_stored_callbacks(subscription, state.id()).await.unwrap();
    let requests = dynamodb.requests();
    let queries = requests.iter().map(query);
    let indexes: BTreeSet<_> =
        queries.map(|query| format!("{}{}", query["TableName"], query["IndexName"])).collect();
    let of_the_template = keys("applications").len() - 1 + keys("subscriptions").len() + 1;
    assert_eq!(indexes.len(), of_the_template, "every index is queried: {indexes:?}");
}

/// The stand-in refuses what AWS refuses.
#[test]
fn a_filter_on_a_key_of_the_index_is_refused() {
    let query = |filter: &str| {
        serde_json::json!({
            "TableName": "applications", "IndexName": "phase", "KeyConditionExpression": "#sh = :sh AND #cr < :cr",
            "ExpressionAttributeNames": { "#sh": "pe", "#cr": "cr" }, "FilterExpression": filter,
        })
    };
    assert_eq!(refusal(&query("")), None);
    assert_eq!(refusal(&query("v > :v")), None, "an attribute that is no key of the index");
    for filter in ["#cr > :a", "begins_with(cr, :a)", "v > :v AND NOT pe = :b"] {
        assert!(refusal(&query(filter)).is_some_and(|why| why.starts_with("Filter")), "{filter}");
    }
    let mut other = query("");
    other["IndexName"] = "overdue".into();
    assert!(refusal(&other).is_some_and(|why| why.starts_with("Query key condition")));
}

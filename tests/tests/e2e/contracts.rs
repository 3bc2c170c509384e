//! The contract suites of the platform's tables against the local AWS. They use a separate account, so that their
//! writes trigger no function. The tables have the keys and indexes of the template.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType,
};
use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;
use jiff::Timestamp;
use platform::agency_registry::AwsAgencyRegistry;
use platform::aws::{Access, Aws};
use platform::contract::sample::agencies;
use platform::contract::{
    Operator, agency_registry_contract, deliveries_contract, store_contract, tenant_rows_contract,
};
use platform::deliveries::AwsDeliveries;
use platform::store::AwsStore;
use platform::tenant_rows::AwsTenantRows;
use serde_yaml_ng::Value;
use tokio::sync::Mutex;
use tongban::aws::LOCAL_REGION;
use tongban_tests::repository::text;

use crate::test_hub::TestHub;

/// An account for this module alone.
const ACCOUNT: &str = "990000000000";

pub(crate) async fn store(test_hub: Arc<TestHub>) {
    let dynamodb = account(&test_hub, ACCOUNT).dynamodb();
    make_table(&dynamodb, "Applications").await;
    store_contract(|| async { AwsStore::new(dynamodb.clone(), "Applications") }).await;
}

pub(crate) async fn tenant_rows(test_hub: Arc<TestHub>) {
    let dynamodb = account(&test_hub, ACCOUNT).dynamodb();
    make_table(&dynamodb, "SubscriptionsTable").await;
    tenant_rows_contract(|| async { AwsTenantRows::new(dynamodb.clone(), "SubscriptionsTable") }).await;
}

pub(crate) async fn deliveries(test_hub: Arc<TestHub>) {
    let dynamodb = account(&test_hub, ACCOUNT).dynamodb();
    make_table(&dynamodb, "Deliveries").await;
    deliveries_contract(&AwsDeliveries::new(dynamodb, "Deliveries")).await;
}

pub(crate) async fn agency_registry(test_hub: Arc<TestHub>) {
    let client = account(&test_hub, ACCOUNT).dynamodb();
    make_table(&client, "AgenciesTable").await;
    let operator = OverrideWriter { client: client.clone(), overrides: Mutex::default() };
    agency_registry_contract(&AwsAgencyRegistry::new(client, "AgenciesTable"), &operator).await;
}

/// Writes the overrides item as the operator's command does.
struct OverrideWriter {
    client: Client,
    overrides: Mutex<AgencyOverrides>,
}

impl Operator for OverrideWriter {
    async fn override_agency(&self, agency: &AgencyCode, change: AgencyOverride) {
        let mut overrides = self.overrides.lock().await;
        let by = ("an operator", "a test");
        let overridden = overrides.apply(&agencies(), agency, change, by, Timestamp::now());
        *overrides = overridden.expect("a valid override").0;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        self.client
            .put_item()
            .table_name("AgenciesTable")
            .item("pk", text("overrides"))
            .item("sk", text("state"))
            .item("v", AttributeValue::N(overrides.version.to_string()))
            .item("bo", text(&serde_json::to_string(&*overrides).expect("JSON")))
            .send()
            .await
            .expect("the item");
    }
}

/// Clients of the local AWS for an account of 12 digits.
pub(crate) fn account(test_hub: &TestHub, account: &str) -> Aws {
    let endpoint = test_hub.stack().endpoint();
    let access = Access::from_variables(|name| {
        let value = match name {
            "AWS_REGION" => LOCAL_REGION,
            "AWS_ACCESS_KEY_ID" => account,
            "AWS_SECRET_ACCESS_KEY" => "test",
            "AWS_ENDPOINT_URL" => &endpoint,
            _ => return None,
        };
        Some(value.to_owned())
    });
    Aws::new(access.expect("all variables"))
}

/// Creates a table with the keys and indexes of this resource in the template.
async fn make_table(dynamodb: &Client, resource: &str) {
    let template: Value = serde_yaml_ng::from_str(&text("infra/template.yaml")).expect("the template");
    let properties = &template["Resources"][resource]["Properties"];
    let rows = |value: &Value| value.as_sequence().cloned().unwrap_or_default();
    let attributes = rows(&properties["AttributeDefinitions"]).iter().map(attribute).collect();
    let indexes: Vec<_> = rows(&properties["GlobalSecondaryIndexes"]).iter().map(index).collect();
    dynamodb
        .create_table()
        .table_name(resource)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes))
        .set_key_schema(Some(keys(&properties["KeySchema"])))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .send()
        .await
        .expect("a table");
}

fn field<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row:?}"))
}

fn attribute(row: &Value) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(field(row, "AttributeName"))
        .attribute_type(ScalarAttributeType::from(field(row, "AttributeType")))
        .build()
        .expect("an attribute")
}

fn keys(rows: &Value) -> Vec<KeySchemaElement> {
    let rows = rows.as_sequence().expect("keys");
    rows.iter()
        .map(|row| {
            KeySchemaElement::builder()
                .attribute_name(field(row, "AttributeName"))
                .key_type(KeyType::from(field(row, "KeyType")))
                .build()
                .expect("a key")
        })
        .collect()
}

fn index(row: &Value) -> GlobalSecondaryIndex {
    let kind = ProjectionType::from(field(&row["Projection"], "ProjectionType"));
    GlobalSecondaryIndex::builder()
        .index_name(field(row, "IndexName"))
        .set_key_schema(Some(keys(&row["KeySchema"])))
        .projection(Projection::builder().projection_type(kind).build())
        .build()
        .expect("an index")
}

//! The deployment of a live stack, which fails on purpose, and again without the fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb as dynamodb;
use tongban::aws::LOCAL_ACCOUNT;
use tongban::functions::Package;
use tongban::roll_out::roll_out;
use tongban::stack::{Cloud, Deployment, Parameter};
use tongban::template::render;
use tongban::terminal::Terminal;
use tongban_tests::repository::text;

use crate::test_hub::TestHub;

const STACK: &str = "tongban-first";
const TABLES: [&str; 4] = ["applications", "subscriptions", "deliveries", "agencies"];
/// Waits a second for a signal that nobody sends, when the resources are there that a rollback used to leave behind.
const FAULT: &str = r#"
  FaultyHandle:
    Type: AWS::CloudFormation::WaitConditionHandle
  Faulty:
    Type: AWS::CloudFormation::WaitCondition
    DependsOn: [Applications, SubscriptionsTable, Deliveries, AgenciesTable, Bucket, KeyAlias, HubSigningKeyStore]
    Properties: { Handle: !Ref FaultyHandle, Timeout: "1", Count: 1 }

Outputs:"#;
/// A table that a later version of the template adds.
const ANOTHER_TABLE: &str = r#"
  Another:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: !If [Live, RetainExceptOnCreate, Delete]
    Properties:
      TableName: !Sub "${AWS::StackName}-another"
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: !If [Protected, true, false]
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]

Outputs:"#;

/// The account of the hub, as a deployment finds it.
struct Account {
    cloud: Cloud,
    dynamodb: dynamodb::Client,
    bucket: String,
    package: Package,
    sound: String,
}

impl Account {
    async fn of(test_hub: &TestHub) -> Account {
        let aws = test_hub.stack().aws();
        let cloud = Cloud::new(aws);
        let mut running = cloud.parameters(test_hub.name()).await.expect("the parameters of the hub");
        let mut parameter = |name: &str| running.remove(name).expect("the parameter");
        let accounts = BTreeMap::from([("11".parse().expect("a code"), LOCAL_ACCOUNT.to_owned())]);
        Account {
            bucket: parameter("ArtifactsBucket"),
            package: Package { prefix: parameter("ArtifactsPrefix"), zips: BTreeMap::new() },
            sound: render(&text("infra/template.yaml"), &accounts).expect("a template"),
            dynamodb: dynamodb::Client::new(aws),
            cloud,
        }
    }

    /// Deploys the template with this text before its outputs, as `tongban deploy` does.
    async fn deploy(&self, end: &str) -> anyhow::Result<()> {
        let value = |text: &str| Parameter::Value(text.to_owned());
        let mut deployment = Deployment {
            stack: STACK,
            bucket: &self.bucket,
            template: &self.sound.replacen("\nOutputs:", end, 1),
            package: &self.package,
            parameters: BTreeMap::from([
                ("AgencyCodes", value("11")),
                ("IdSecret", value(&"s".repeat(43))),
                ("PersonIndexKey", value(&"p".repeat(43))),
                ("HubSigningKey", value("{}")),
                ("Mode", value("live")),
                ("WakeRate", value("rate(1 day)")),
            ]),
        };
        roll_out(&self.cloud, &mut deployment, false, &Terminal::silent()).await.map(|_| ())
    }

    /// The stack's tables, each with its deletion protection.
    async fn tables(&self) -> BTreeMap<String, bool> {
        let mut tables = BTreeMap::new();
        let listed = self.dynamodb.list_tables().send().await.expect("the tables");
        let own = |name: &&String| name.starts_with(&format!("{STACK}-"));
        for name in listed.table_names().iter().filter(own) {
            let read = self.dynamodb.describe_table().table_name(name).send().await.expect("a table");
            let protected = read.table().and_then(|table| table.deletion_protection_enabled());
            tables.insert(name.trim_start_matches(&format!("{STACK}-")).to_owned(), protected == Some(true));
        }
        tables
    }
}

/// Case O3 of `tests/FIELD_CASES.md`. The local AWS removes protected tables in a rollback, which real AWS refuses. So
/// the trial also reads whether the tables of the failed deployment were created without protection.
pub(crate) async fn o3_a_first_deployment_that_fails_leaves_nothing_in_the_way(test_hub: Arc<TestHub>) {
    let account = Account::of(&test_hub).await;
    let refusal = account.deploy(FAULT).await.expect_err("the fault").to_string();
    assert!(refusal.contains("Faulty"), "{refusal}");
    assert_eq!(account.tables().await, BTreeMap::new(), "tables stay behind");
    let failed = account.cloud.parameters(STACK).await.expect("the stack that was rolled back");
    assert_eq!(failed.get("ProtectTables").map(String::as_str), Some("false"), "{failed:?}");

    // A bucket that stays behind is refused here: its name is taken.
    account.deploy("\nOutputs:").await.expect("the deployment without the fault");
    let protected = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), true)).collect();
    assert_eq!(account.tables().await, protected(&TABLES));

    // A later version adds a table, and its deployment fails too.
    account
        .deploy(&format!("{}{FAULT}", ANOTHER_TABLE.trim_end_matches("\n\nOutputs:")))
        .await
        .expect_err("the fault");
    let left: BTreeSet<String> = account.tables().await.into_keys().collect();
    assert_eq!(left, TABLES.map(str::to_owned).into());
    account.deploy(ANOTHER_TABLE).await.expect("the deployment without the fault");
    assert_eq!(account.tables().await, protected(&[&TABLES[..], &["another"]].concat()));
}

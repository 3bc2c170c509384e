//! The table of overrides: what is in force, and a record of each change, written together or not at all.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_smithy_types::timeout::TimeoutConfig;
use domain::agencies::Agencies;
use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;
use jiff::Timestamp;
use platform::store::AwsStore;

use super::change_records::{ChangeRecords, MOST};
use crate::aws::told;

/// How often a change is tried while others change something at the same time. Each time somebody else's change has
/// got through, so this many operators may press enter at once.
const TRIES: u32 = 24;
/// The longest pause between two tries is this for each try so far, up to ten times.
const PAUSE: Duration = Duration::from_millis(40);
/// How long one call may take, and all tries of one.
const CALL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));
/// Partition of everything here.
const PK: &str = "overrides";
/// Sort key of what is in force.
const STATE: &str = "state";

type Item = HashMap<String, AttributeValue>;

/// The two tables that an operator changes: the overrides, and the cases as far as asking for one again changes it.
#[derive(Clone, Debug)]
pub struct OverrideTable {
    pub(super) cases: AwsStore,
    client: Client,
    table: String,
}

/// What became of a write.
enum Written {
    Done,
    /// Somebody else was faster, or the write did not arrive.
    Again,
}

impl OverrideTable {
    pub(super) fn new(config: &SdkConfig, table: &str, cases: &str) -> OverrideTable {
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(CALL.0).operation_timeout(CALL.1).build();
        let config = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(timeouts).build();
        let client = Client::from_conf(config);
        OverrideTable { cases: AwsStore::new(client.clone(), cases), client, table: table.to_owned() }
    }

    /// What is in force now.
    ///
    /// # Errors
    /// AWS does not answer, or the item cannot be read.
    pub async fn read(&self) -> Result<AgencyOverrides> {
        let Some(item) = self.item(STATE).await? else { return Ok(AgencyOverrides::default()) };
        serde_json::from_str(text(&item, "bo")?).context("the overrides in force cannot be read")
    }

    /// The records up to what is in force, the oldest first, and whether their chain holds. Of more than ten thousand
    /// the newest.
    ///
    /// # Errors
    /// AWS does not answer, or an item cannot be read.
    pub async fn chain(&self, in_force: &AgencyOverrides) -> Result<ChangeRecords> {
        let mut lines = Vec::new();
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(PK.to_owned()))
            .expression_attribute_values(":first", AttributeValue::S(record_key(0)))
            .expression_attribute_values(":last", AttributeValue::S(record_key(in_force.version)))
            .into_paginator()
            .items()
            .send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| told("reading the records", error))?;
            lines.push(text(&item, "bo")?.to_owned());
            if lines.len() >= MOST {
                break;
            }
        }
        lines.reverse();
        Ok(ChangeRecords::of(lines, in_force))
    }

    /// Makes one override over what is in force at that moment.
    pub(super) async fn override_agency(
        &self,
        rows: &Agencies,
        agency: &AgencyCode,
        change: &AgencyOverride,
        why: (&str, &str),
    ) -> Result<AgencyOverrides> {
        for tried in 0..TRIES {
            let before = self.read().await?;
            let (after, record) = before.apply(rows, agency, change.clone(), why, Timestamp::now())?;
            let record = String::from_utf8(record).context("the record is no text")?;
            match self.write(&before, &after, &record).await? {
                Written::Done => return Ok(after),
                Written::Again => pause(tried + 1).await?,
            }
        }
        bail!(
            "other operators are changing agencies at the same time. Nothing was changed. Run the command again"
        )
    }

    /// Writes what is in force and its record together.
    async fn write(
        &self,
        before: &AgencyOverrides,
        after: &AgencyOverrides,
        record: &str,
    ) -> Result<Written> {
        let state = self.put(STATE).item("bo", AttributeValue::S(serde_json::to_string(after)?));
        let state = state.item("v", AttributeValue::N(after.version.to_string()));
        let state = if before.version == 0 {
            state.condition_expression("attribute_not_exists(pk)")
        } else {
            let seen = AttributeValue::N(before.version.to_string());
            state.condition_expression("v = :seen").expression_attribute_values(":seen", seen)
        };
        let line = self.put(&record_key(after.version)).item("bo", AttributeValue::S(record.to_owned()));
        let line = line.condition_expression("attribute_not_exists(pk)");
        let puts = [state.build()?, line.build()?].map(|put| TransactWriteItem::builder().put(put).build());
        match self.client.transact_write_items().set_transact_items(Some(puts.into())).send().await {
            Ok(_) => Ok(Written::Done),
            // Neither answer says for sure that it was not written: a try whose answer was lost makes the next one a
            // conflict with itself. The record does say.
            Err(error) if is_open(&error) => {
                let stored = self.item(&record_key(after.version)).await?;
                let stored = stored.as_ref().map(|item| text(item, "bo")).transpose()?;
                Ok(if stored == Some(record) { Written::Done } else { Written::Again })
            }
            Err(error) => Err(told("recording the change", error)),
        }
    }

    fn put(&self, sk: &str) -> aws_sdk_dynamodb::types::builders::PutBuilder {
        Put::builder()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(PK.to_owned()))
            .item("sk", AttributeValue::S(sk.to_owned()))
    }

    async fn item(&self, sk: &str) -> Result<Option<Item>> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(PK.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .consistent_read(true)
            .send()
            .await;
        Ok(read.map_err(|error| told("reading the overrides", error))?.item)
    }
}

/// Whether a failed write may have been written, or may succeed on another try.
fn is_open(error: &SdkError<TransactWriteItemsError>) -> bool {
    match error {
        SdkError::ServiceError(said) => {
            let answer = said.err();
            let conflict =
                answer.is_transaction_canceled_exception() || answer.is_transaction_in_progress_exception();
            conflict || answer.is_internal_server_error() || said.raw().status().as_u16() >= 500
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failed) => failed.is_timeout() || failed.is_io(),
        _ => false,
    }
}

/// Waits for a random while, so that two operators do not meet again.
async fn pause(tried: u32) -> Result<()> {
    let mut byte = [0];
    getrandom::fill(&mut byte).context("the system gives no random bytes")?;
    tokio::time::sleep(PAUSE * tried.min(10) * u32::from(byte[0]) / 255).await;
    Ok(())
}

fn record_key(version: u32) -> String {
    format!("record#{version:010}")
}

fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str).with_context(|| format!("the attribute {name} of the overrides cannot be read"))
}

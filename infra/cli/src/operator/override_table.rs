//! The table of overrides: the state in force and a record of each change, written in one transaction.

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

use super::change_records::{ChangeRecords, MAX_RECORDS};
use crate::aws::call_error;

/// Attempts of a change under conflicts. Each conflict means that another operator's change succeeded, so this many
/// operators may run the command at once.
const MAX_ATTEMPTS: u32 = 24;
/// Backoff: the longest pause before a retry is this times the number of attempts, at most times ten.
const BACKOFF: Duration = Duration::from_millis(40);
/// Timeouts of one attempt of a call, and of a call with all its attempts.
const CALL_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));
/// The only partition key.
const PK: &str = "overrides";
/// Sort key of the state in force.
const STATE: &str = "state";

type Item = HashMap<String, AttributeValue>;

/// The two tables that an operator changes: the overrides, and the applications, in which a release sets resend marks.
#[derive(Clone, Debug)]
pub struct OverrideTable {
    pub(super) cases: AwsStore,
    client: Client,
    table: String,
}

/// Result of a transaction.
enum WriteOutcome {
    Written,
    /// Another operator's change came first, or the transaction was not executed.
    Conflict,
}

impl OverrideTable {
    pub(super) fn new(config: &SdkConfig, table: &str, cases: &str) -> OverrideTable {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(CALL_TIMEOUTS.0)
            .operation_timeout(CALL_TIMEOUTS.1)
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(timeouts).build();
        let client = Client::from_conf(config);
        OverrideTable { cases: AwsStore::new(client.clone(), cases), client, table: table.to_owned() }
    }

    /// The overrides in force.
    ///
    /// # Errors
    /// AWS does not answer, or the item cannot be read.
    pub async fn read(&self) -> Result<AgencyOverrides> {
        let Some(item) = self.item(STATE).await? else { return Ok(AgencyOverrides::default()) };
        serde_json::from_str(text(&item, "bo")?).context("the overrides in force cannot be read")
    }

    /// The records up to the state in force, the oldest first, with the check of their chain. At most the newest ten
    /// thousand.
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
            let item = item.map_err(|error| call_error("reading the records", error))?;
            lines.push(text(&item, "bo")?.to_owned());
            if lines.len() >= MAX_RECORDS {
                break;
            }
        }
        lines.reverse();
        Ok(ChangeRecords::of(lines, in_force))
    }

    /// Records one override on top of the state in force, and retries after conflicts.
    pub(super) async fn override_agency(
        &self,
        rows: &Agencies,
        agency: &AgencyCode,
        change: &AgencyOverride,
        why: (&str, &str),
    ) -> Result<AgencyOverrides> {
        for attempt in 0..MAX_ATTEMPTS {
            let before = self.read().await?;
            let (after, record) = before.apply(rows, agency, change.clone(), why, Timestamp::now())?;
            let record = String::from_utf8(record).context("the record is not UTF-8")?;
            match self.write(&before, &after, &record).await? {
                WriteOutcome::Written => return Ok(after),
                WriteOutcome::Conflict => pause(attempt + 1).await?,
            }
        }
        bail!(
            "other operators are changing agencies at the same time. Nothing was changed. Run the command again"
        )
    }

    /// Writes the new state and its record in one transaction.
    async fn write(
        &self,
        before: &AgencyOverrides,
        after: &AgencyOverrides,
        record: &str,
    ) -> Result<WriteOutcome> {
        let state = self.put(STATE).item("bo", AttributeValue::S(serde_json::to_string(after)?));
        let state = state.item("v", AttributeValue::N(after.version.to_string()));
        let state = if before.version == 0 {
            state.condition_expression("attribute_not_exists(pk)")
        } else {
            let expected_version = AttributeValue::N(before.version.to_string());
            state.condition_expression("v = :seen").expression_attribute_values(":seen", expected_version)
        };
        let line = self.put(&record_key(after.version)).item("bo", AttributeValue::S(record.to_owned()));
        let line = line.condition_expression("attribute_not_exists(pk)");
        let puts = [state.build()?, line.build()?].map(|put| TransactWriteItem::builder().put(put).build());
        match self.client.transact_write_items().set_transact_items(Some(puts.into())).send().await {
            Ok(_) => Ok(WriteOutcome::Written),
            // These errors do not prove that nothing was written: after a lost response, the SDK's retry conflicts with
            // its own first attempt. The stored record decides.
            Err(error) if is_undecided(&error) => {
                let stored = self.item(&record_key(after.version)).await?;
                let stored = stored.as_ref().map(|item| text(item, "bo")).transpose()?;
                Ok(if stored == Some(record) { WriteOutcome::Written } else { WriteOutcome::Conflict })
            }
            Err(error) => Err(call_error("recording the change", error)),
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
        Ok(read.map_err(|error| call_error("reading the overrides", error))?.item)
    }
}

/// Whether a failed transaction may have been written, or may succeed on a retry.
fn is_undecided(error: &SdkError<TransactWriteItemsError>) -> bool {
    match error {
        SdkError::ServiceError(response) => {
            let answer = response.err();
            let conflict =
                answer.is_transaction_canceled_exception() || answer.is_transaction_in_progress_exception();
            conflict || answer.is_internal_server_error() || response.raw().status().as_u16() >= 500
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failed) => failed.is_timeout() || failed.is_io(),
        _ => false,
    }
}

/// Waits for a random time, so that two operators do not conflict again.
async fn pause(attempt: u32) -> Result<()> {
    let mut byte = [0];
    getrandom::fill(&mut byte).context("the system gives no random bytes")?;
    tokio::time::sleep(BACKOFF * attempt.min(10) * u32::from(byte[0]) / 255).await;
    Ok(())
}

fn record_key(version: u32) -> String {
    format!("record#{version:010}")
}

fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str).with_context(|| format!("the attribute {name} of the overrides cannot be read"))
}

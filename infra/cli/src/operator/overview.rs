//! Summaries of agencies for an operator.

use std::collections::BTreeMap;

use anyhow::Result;
use domain::agencies::{AgencyRow, AgencyState};
use domain::agency_override::{AgencyOverrides, OverriddenAgency, Record};
use domain::catalogue::Service;
use domain::ids::AgencyCode;
use jiff::civil::Date;
use serde::Serialize;

use super::keys::listed;
use super::{AgencyKey, Backlog, DeadReports, Operator};
use crate::local::Depth;

/// Number of an agency's change records that are shown.
const RECORDS: usize = 5;

/// The party that suspended an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspension {
    /// The agency's row: a changed row and a deploy end the suspension.
    Row,
    /// An operator: `resume` ends the suspension.
    Operator,
}

/// One line of the list of agencies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgencySummary {
    pub agency: AgencyCode,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// State with overrides applied.
    pub state: AgencyState,
    /// `None` while the agency is active.
    pub suspended_by: Option<Suspension>,
    /// Services that the agency decides, each with its first day.
    pub offers: BTreeMap<Service, Date>,
    /// Number of keys that verify the agency's reports.
    pub signing_keys: usize,
    /// Number of keys to which messages may be encrypted.
    pub encryption_keys: usize,
}

/// Everything that `agency show` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgencyOverview {
    #[serde(flatten)]
    pub summary: AgencySummary,
    /// Optional capabilities, for example `script:mongolian`.
    pub capabilities: Vec<String>,
    pub keys: Vec<AgencyKey>,
    pub queue: QueueDepths,
    /// Reports that the hub could not take.
    pub dead_reports: DeadReports,
    pub cases: Backlog,
    /// The latest changes, the oldest first.
    pub records: Vec<Record>,
    /// The first fault in the hash chain of all agencies' records.
    pub records_broken: Option<String>,
}

/// Message counts of an agency's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepths {
    pub url: String,
    /// Messages that wait to be received.
    pub waiting: u64,
    /// Messages received and not yet deleted.
    pub in_flight: u64,
    /// Messages in its dead-letter queue.
    pub dead: u64,
}

impl Operator {
    /// Summaries of all agencies.
    ///
    /// # Errors
    /// The table of overrides does not answer.
    pub async fn list(&self) -> Result<Vec<AgencySummary>> {
        let in_force = self.overrides.read().await?;
        Ok(self.rows.agencies().iter().map(|row| self.summary(row, &in_force)).collect())
    }

    /// The details of one agency.
    ///
    /// # Errors
    /// No agency has this code, or AWS does not answer.
    pub async fn show(&self, code: &AgencyCode) -> Result<AgencyOverview> {
        let row = self.row(code)?;
        let in_force = self.overrides.read().await?;
        let chain = self.overrides.chain(&in_force).await?;
        Ok(AgencyOverview {
            summary: self.summary(row, &in_force),
            capabilities: row.capabilities.clone(),
            keys: listed(row, &overridden(&in_force, code)),
            queue: self.waiting(code).await?,
            dead_reports: self.dead_reports(code).await?,
            cases: self.backlog(code).await?,
            records: chain.last_of(code, RECORDS),
            records_broken: chain.broken().map(str::to_owned),
        })
    }

    /// An agency's keys.
    ///
    /// # Errors
    /// No agency has this code, or the table of overrides does not answer.
    pub async fn keys(&self, code: &AgencyCode) -> Result<Vec<AgencyKey>> {
        let row = self.row(code)?;
        Ok(listed(row, &overridden(&self.overrides.read().await?, code)))
    }

    /// Message counts of an agency's queue and of its dead-letter queue.
    ///
    /// # Errors
    /// The queue does not exist, or SQS does not answer.
    pub async fn waiting(&self, code: &AgencyCode) -> Result<QueueDepths> {
        let url = self.queue_url(code)?;
        let dead = format!("{}-dead.fifo", url.trim_end_matches(".fifo"));
        let (queue, dead) = tokio::try_join!(Depth::of(&self.sqs, &url), Depth::of(&self.sqs, &dead))?;
        Ok(QueueDepths {
            url,
            waiting: queue.waiting,
            in_flight: queue.taken,
            dead: dead.waiting + dead.taken + dead.delayed,
        })
    }

    fn summary(&self, row: &AgencyRow, in_force: &AgencyOverrides) -> AgencySummary {
        let by_operator = overridden(in_force, &row.code).suspended;
        let now = self.rows.with_overrides(in_force);
        let now = now.agency(&row.code).unwrap_or(row);
        AgencySummary {
            agency: row.code.clone(),
            zh: row.zh.clone(),
            en: row.en.clone(),
            state: now.state,
            // A row's suspension outlasts an operator's.
            suspended_by: match (row.state, by_operator) {
                (AgencyState::Suspended, _) => Some(Suspension::Row),
                (AgencyState::Active, true) => Some(Suspension::Operator),
                (AgencyState::Active, false) => None,
            },
            offers: row.offers.clone(),
            signing_keys: now.signing_keys.len(),
            encryption_keys: now.encryption_keys.len(),
        }
    }
}

fn overridden(in_force: &AgencyOverrides, code: &AgencyCode) -> OverriddenAgency {
    in_force.agencies.get(code).cloned().unwrap_or_default()
}

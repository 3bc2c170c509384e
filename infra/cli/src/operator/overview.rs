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
/// Name of the overrides among the missing parts.
const CHANGES: &str = "operators' changes (state and keys are those of the deployment)";

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

/// A part of an overview that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingPart {
    /// The part, for example `dead letters`.
    pub part: String,
    /// The reason.
    pub reason: String,
}

impl MissingPart {
    pub(super) fn new(part: &str, error: &anyhow::Error) -> MissingPart {
        MissingPart { part: part.to_owned(), reason: format!("{error:#}") }
    }
}

/// Takes the parts that can be read, and notes the others.
#[derive(Debug, Default)]
struct Parts(Vec<MissingPart>);

impl Parts {
    fn take<T>(&mut self, part: &str, read: Result<T>) -> Option<T> {
        read.map_err(|error| self.0.push(MissingPart::new(part, &error))).ok()
    }
}

/// Everything that `agency show` prints. A part that could not be read is absent, and in `missing` with the reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgencyOverview {
    #[serde(flatten)]
    pub summary: AgencySummary,
    /// Optional capabilities, for example `script:mongolian`.
    pub capabilities: Vec<String>,
    pub keys: Vec<AgencyKey>,
    pub queue: QueueDepths,
    /// Reports that the hub could not take; `None` when their queue cannot be read.
    pub dead_reports: Option<DeadReports>,
    pub cases: Option<Backlog>,
    /// The latest changes, the oldest first.
    pub records: Vec<Record>,
    /// The first fault in the hash chain of all agencies' records.
    pub records_broken: Option<String>,
    pub missing: Vec<MissingPart>,
}

/// Message counts of an agency's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepths {
    pub url: String,
    /// Messages that wait to be received.
    pub waiting: Option<u64>,
    /// Messages received and not yet deleted.
    pub in_flight: Option<u64>,
    /// Messages in its dead-letter queue.
    pub dead: Option<u64>,
}

impl Operator {
    /// Summaries of all agencies. While the table of overrides cannot be read, they are those of the deployment.
    pub async fn list(&self) -> (Vec<AgencySummary>, Vec<MissingPart>) {
        let mut parts = Parts::default();
        let in_force = parts.take(CHANGES, self.overrides.read().await).unwrap_or_default();
        (self.rows.agencies().iter().map(|row| self.summary(row, &in_force)).collect(), parts.0)
    }

    /// The details of one agency. A part that cannot be read does not hide the others.
    ///
    /// # Errors
    /// No agency has this code.
    pub async fn show(&self, code: &AgencyCode) -> Result<AgencyOverview> {
        let row = self.row(code)?;
        let mut parts = Parts::default();
        let overrides = self.overrides.read().await;
        let overrides = parts.take(CHANGES, overrides);
        let chain = match &overrides {
            Some(in_force) => parts.take("change records", self.overrides.chain(in_force).await),
            None => None,
        };
        let in_force = overrides.unwrap_or_default();
        let queue = self.depths(code, &mut parts).await?;
        let dead_reports = parts.take("dead reports", self.dead_reports(code).await);
        let cases = parts.take("open cases", self.backlog(code).await);
        Ok(AgencyOverview {
            summary: self.summary(row, &in_force),
            capabilities: row.capabilities.clone(),
            keys: listed(row, &overridden(&in_force, code)),
            queue,
            dead_reports,
            cases,
            records: chain.as_ref().map(|chain| chain.last_of(code, RECORDS)).unwrap_or_default(),
            records_broken: chain.and_then(|chain| chain.broken().map(str::to_owned)),
            missing: parts.0,
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
    async fn depths(&self, code: &AgencyCode, parts: &mut Parts) -> Result<QueueDepths> {
        let url = self.queue_url(code)?;
        let dead = format!("{}-dead.fifo", url.trim_end_matches(".fifo"));
        let (queue, dead) = tokio::join!(Depth::of(&self.sqs, &url), Depth::of(&self.sqs, &dead));
        let (queue, dead) = (parts.take("queue", queue), parts.take("dead letters", dead));
        Ok(QueueDepths {
            url,
            waiting: queue.as_ref().map(|queue| queue.waiting),
            in_flight: queue.map(|queue| queue.taken),
            dead: dead.map(|dead| dead.waiting + dead.taken + dead.delayed),
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

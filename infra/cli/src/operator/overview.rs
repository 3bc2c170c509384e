//! What an operator sees of the agencies.

use std::collections::BTreeMap;

use anyhow::Result;
use domain::agencies::{AgencyRow, AgencyState};
use domain::agency_override::{AgencyOverrides, OverriddenAgency, Record};
use domain::catalogue::Service;
use domain::ids::AgencyCode;
use jiff::civil::Date;
use serde::Serialize;

use super::keys::listed;
use super::{AgencyKey, Backlog, Operator};
use crate::local::Depth;

/// Records that are shown of an agency.
const RECORDS: usize = 5;

/// Who suspended an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspension {
    /// Its row: it ends with another row and a deploy.
    Row,
    /// An operator: `resume` ends it.
    Operator,
}

/// An agency at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgencySummary {
    /// Its code.
    pub agency: AgencyCode,
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// Whether it takes cases now.
    pub state: AgencyState,
    /// Who suspended it, while it is.
    pub suspended_by: Option<Suspension>,
    /// What it decides, each since a day.
    pub offers: BTreeMap<Service, Date>,
    /// Keys that verify its reports.
    pub signing_keys: usize,
    /// Keys that its messages may be encrypted to.
    pub encryption_keys: usize,
}

/// An agency looked at closely.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgencyOverview {
    /// HubLocation a glance.
    #[serde(flatten)]
    pub standing: AgencySummary,
    /// What it can do beyond the ordinary.
    pub capabilities: Vec<String>,
    /// Its keys.
    pub keys: Vec<AgencyKey>,
    /// Its queue.
    pub queue: QueueDepths,
    /// Its cases.
    pub cases: Backlog,
    /// What was changed last, the oldest first.
    pub records: Vec<Record>,
    /// What is wrong with the records of all agencies, if anything is.
    pub records_broken: Option<String>,
}

/// How full an agency's queue is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepths {
    /// Its address.
    pub url: String,
    /// Messages to be received.
    pub waiting: u64,
    /// Messages received and not yet deleted.
    pub in_flight: u64,
    /// Messages in its dead-letter queue.
    pub dead: u64,
}

impl Operator {
    /// Every agency at a glance.
    ///
    /// # Errors
    /// The table of overrides does not answer.
    pub async fn list(&self) -> Result<Vec<AgencySummary>> {
        let in_force = self.overrides.read().await?;
        Ok(self.rows.agencies().iter().map(|row| self.standing(row, &in_force)).collect())
    }

    /// One agency closely.
    ///
    /// # Errors
    /// No agency has this code, or AWS does not answer.
    pub async fn show(&self, code: &AgencyCode) -> Result<AgencyOverview> {
        let row = self.row(code)?;
        let in_force = self.overrides.read().await?;
        let chain = self.overrides.chain(&in_force).await?;
        Ok(AgencyOverview {
            standing: self.standing(row, &in_force),
            capabilities: row.capabilities.clone(),
            keys: listed(row, &overridden(&in_force, code)),
            queue: self.waiting(code).await?,
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

    /// How full an agency's queue is.
    ///
    /// # Errors
    /// The queue is not there, or SQS does not answer.
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

    fn standing(&self, row: &AgencyRow, in_force: &AgencyOverrides) -> AgencySummary {
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

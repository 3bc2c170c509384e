//! The operator's access to a running hub: shows, suspends and resumes agencies, changes their keys, writes integration
//! kits, and sends bad messages as a test.

mod cases;
mod change_records;
mod connect;
mod dead_reports;
mod keys;
mod kit;
mod location;
mod override_table;
mod overview;
mod probe;
mod refused_reports;

use anyhow::{Context as _, Result};
use aws_sdk_s3 as s3;
use aws_sdk_sqs as sqs;
use domain::agencies::{Agencies, AgencyRow};
use domain::agency_override::{AgencyOverride, AgencyOverrides};
use domain::ids::AgencyCode;

pub use cases::{Backlog, ReleaseOutcome};
pub use change_records::ChangeRecords;
pub use dead_reports::DeadReports;
pub use keys::{AgencyKey, KeyState, Origin, read_key};
pub use location::{HubLocation, HubPlace};
pub use override_table::OverrideTable;
pub use overview::{AgencyOverview, AgencySummary, MissingPart, QueueDepths, Suspension};
pub use probe::{Probe, SentProbe};
pub use refused_reports::{REFUSED, RefusedReport, RefusedReports};

use crate::stack::Outputs;
use crate::workspace::Workspace;

/// Access to one hub.
#[derive(Debug)]
pub struct Operator {
    place: HubPlace,
    workspace: Workspace,
    rows: Agencies,
    outputs: Outputs,
    by: String,
    overrides: OverrideTable,
    sqs: sqs::Client,
    s3: s3::Client,
}

impl Operator {
    /// The agencies as they were deployed, without overrides.
    #[must_use]
    pub fn rows(&self) -> &Agencies {
        &self.rows
    }

    #[must_use]
    pub fn place(&self) -> &HubPlace {
        &self.place
    }

    /// The table of overrides and their records.
    #[must_use]
    pub fn overrides(&self) -> &OverrideTable {
        &self.overrides
    }

    /// Records one override, in the name of the caller.
    ///
    /// # Errors
    /// The override is not possible in the current state, other operators keep changing agencies, or AWS does not
    /// answer.
    pub async fn override_agency(
        &self,
        agency: &AgencyCode,
        change: &AgencyOverride,
        reason: &str,
    ) -> Result<AgencyOverrides> {
        self.overrides.override_agency(&self.rows, agency, change, (&self.by, reason)).await
    }

    fn row(&self, code: &AgencyCode) -> Result<&AgencyRow> {
        self.rows.agency(code).with_context(|| format!("there is no agency {code}"))
    }

    fn queue_url(&self, code: &AgencyCode) -> Result<String> {
        Ok(format!("{}{code}.fifo", self.outputs.get("AgencyQueueUrlPrefix")?))
    }
}

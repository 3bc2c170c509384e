//! `reports`: the agency's reports on a case, with what came of each.

use std::process::ExitCode;

use agency::{HubClient, HubClientError};
use anyhow::Result;
use protocol::receipts::{ReportOutcome, SentReport};
use serde_json::json;

use crate::arguments::Show;
use crate::screen::{plain, print, spinner, table};
use crate::setting;

/// Most reports that are read.
const MAX_REPORTS: usize = 1_000;

/// Lists the reports, by HTTP and by the queue. The receipts are verified with the hub's keys.
pub(crate) async fn reports(given: &Show) -> Result<ExitCode> {
    let config = setting::config(given.agency.config.as_deref())?;
    let client = HubClient::new(&config)?;
    let calling = spinner("calling the hub");
    let listed = match client.all_sent_reports(given.application, MAX_REPORTS).await {
        Err(HubClientError::NotFound(_)) => {
            calling.finish_and_clear();
            print(if given.agency.json { "null" } else { "this agency has no such case" })?;
            return Ok(ExitCode::from(4));
        }
        listed => listed?,
    };
    for receipt in listed.reports.iter().filter_map(|report| report.receipt.as_deref()) {
        client.verify_receipt(receipt).await?;
    }
    calling.finish_and_clear();
    if given.agency.json {
        print(&json!({ "reports": listed.reports, "next": listed.next }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = listed.reports.iter().map(row).collect::<Result<Vec<_>>>()?;
    table(["report", "outcome", "kind or reason", "version", "received at"], &rows)?;
    if listed.next.is_some() {
        print(&format!("more than {MAX_REPORTS} reports"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn row(report: &SentReport) -> Result<[String; 5]> {
    let record = &report.record;
    let why = match record.outcome {
        ReportOutcome::Accepted => record.kind.clone(),
        ReportOutcome::Refused => record.reason.clone(),
        ReportOutcome::Held => Some("waits for an earlier report".to_owned()),
    };
    let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    Ok([
        text(record.report_id.as_ref().map(ToString::to_string)),
        plain(&serde_json::to_value(record.outcome)?),
        text(why),
        text(record.version.map(|version| version.to_string())),
        record.received_at.to_string(),
    ])
}

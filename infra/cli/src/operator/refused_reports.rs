//! Refused reports with a valid signature. The hub stores them in the documents bucket.

use anyhow::{Context as _, Result};
use domain::ids::AgencyCode;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MissingPart, Operator};
use crate::aws::call_error;

/// Largest number of refused reports that are read.
pub const REFUSED: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedReport {
    /// Time of the refusal.
    pub at: Timestamp,
    /// Code of the agency that signed the report.
    pub agency: String,
    /// The problem's code, for example `stale_version`.
    pub outcome: String,
    /// The application that the report names, if readable.
    #[serde(default)]
    pub application: Option<String>,
    /// The report's id, if readable.
    #[serde(default)]
    pub report_id: Option<String>,
    /// The report as received.
    #[serde(default)]
    pub jws: String,
    /// The problem that the hub answers, with title, detail and wrong fields. Evidence of an earlier version of the hub
    /// has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Value>,
}

/// The refused reports of an agency, at most [`REFUSED`].
#[derive(Debug, Default)]
pub struct RefusedReports {
    /// The oldest first.
    pub reports: Vec<RefusedReport>,
    /// Reports that cannot be read, by their keys.
    pub missing: Vec<MissingPart>,
    /// Whether there are more.
    pub more: bool,
}

impl Operator {
    /// An agency's refused reports since a time, the oldest first. One that cannot be read does not hide the others.
    ///
    /// # Errors
    /// No agency has this code, or the list of the reports cannot be read.
    pub async fn refused(&self, code: &AgencyCode, since: Timestamp) -> Result<RefusedReports> {
        self.row(code)?;
        let bucket = self.outputs.get("BucketName")?;
        let prefix = format!("evidence/{code}/");
        // The day is part of the key, so earlier days are not listed at all.
        let day = Offset::UTC.to_datetime(since).date();
        let mut found = RefusedReports::default();
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .prefix(&prefix)
            .start_after(format!("{prefix}{day}"))
            .into_paginator()
            .send();
        'pages: while let Some(page) = pages.next().await {
            let page = page.map_err(|error| call_error("listing the refused reports", error))?;
            for key in page.contents().iter().filter_map(|object| object.key()) {
                if found.reports.len() + found.missing.len() >= REFUSED {
                    found.more = true;
                    break 'pages;
                }
                match self.evidence(bucket, key).await {
                    Ok(evidence) if evidence.at >= since => found.reports.push(evidence),
                    Ok(_) => {}
                    Err(error) => found.missing.push(MissingPart::new(key, &error)),
                }
            }
        }
        found.reports.sort_by_key(|evidence| evidence.at);
        Ok(found)
    }

    async fn evidence(&self, bucket: &str, key: &str) -> Result<RefusedReport> {
        let object = self.s3.get_object().bucket(bucket).key(key).send().await;
        let object = object.map_err(|error| call_error("reading a refused report", error))?;
        let bytes = object
            .body
            .collect()
            .await
            .context("the download of a refused report was interrupted")?
            .into_bytes();
        serde_json::from_slice(&bytes).with_context(|| format!("{key} is not a refused report"))
    }
}

//! Evidence of a refused report: what the agency signed, when the report arrived, and why the hub refused it.
//!
//! Evidence of an applied report is part of the application's record. A refused report may name an application that
//! belongs to another agency or does not exist, so its evidence is stored in the bucket, locked as documents are, by
//! agency and day. The object key is derived from the report's bytes, so a repeat writes the same object.

use domain::ids::{AgencyCode, ApplicationId, ReportId};
use jiff::Timestamp;
use jiff::tz::Offset;
use platform::documents::Documents as _;
use platform::hub::Hub;
use protocol::report::Report;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::report_error::ReportError;

/// The object in the bucket.
#[derive(Debug, Serialize)]
struct Evidence<'e> {
    at: Timestamp,
    agency: &'e AgencyCode,
    outcome: &'e str,
    application: ApplicationId,
    report_id: ReportId,
    jws: &'e str,
}

/// Stores a refused report: `evidence/<agency>/<day in UTC>/<SHA-256 of the JWS>.json`.
///
/// # Errors
/// When the bucket does not answer. The caller must not answer the refusal then, so that the agency sends the report
/// again.
pub(crate) async fn keep<H: Hub>(
    hub: &H,
    agency: &AgencyCode,
    report: &Report,
    outcome: &str,
    jws: &str,
    at: Timestamp,
) -> Result<(), ReportError> {
    let day = Offset::UTC.to_datetime(at).date();
    let key = format!("evidence/{agency}/{day}/{}.json", sha256(jws));
    let (application, report_id) = (report.application, report.report_id);
    let evidence = Evidence { at, agency, outcome, application, report_id, jws };
    let json = serde_json::to_vec(&evidence).map_err(|_| ReportError::Unwritable)?;
    Ok(hub.documents().store_text(&key, &json).await?)
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

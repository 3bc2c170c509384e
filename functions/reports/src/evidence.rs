//! Evidence of a report that was refused: what an agency has signed, when it came, and why nothing came of it.
//!
//! Evidence of a report that was taken is in the application's own record. A refused one may name an application that is
//! not the agency's or does not exist, so it lies in the bucket, locked as documents are, by agency and day. Its key is
//! made from its bytes: the same report sent again is the same evidence.

use domain::ids::{AgencyCode, ApplicationId, ReportId};
use jiff::Timestamp;
use jiff::tz::Offset;
use platform::documents::Documents as _;
use platform::hub::Hub;
use protocol::report::Report;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::report::ReportError;

/// As it lies in the bucket.
#[derive(Debug, Serialize)]
struct Evidence<'e> {
    at: Timestamp,
    agency: &'e AgencyCode,
    outcome: &'e str,
    application: ApplicationId,
    report_id: ReportId,
    jws: &'e str,
}

/// Keeps a refused report: `evidence/<agency>/<day in UTC>/<SHA-256 of the JWS>.json`.
///
/// # Errors
/// The bucket does not answer: the refusal must not be answered yet.
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
    Ok(hub.documents().keep(&key, &json).await?)
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Evidence of reports: what the agency signed, when the report arrived, and what came of it.
//!
//! Evidence of an applied report is part of the application's record. A large report would fill the record's item, so
//! the bucket has it, under its hash, and the record has the hash. A refused report may name an application that
//! belongs to another agency or does not exist, or no application at all, so its evidence is stored in the bucket,
//! locked as documents are, by agency and day. The object key is derived from the report's bytes and the reason, so a
//! repeat writes the same object, and a second reason writes another.
//!
//! Beside the evidence a mark is stored below the application and the agency, whose name says which report was refused
//! or is held and why. The list of an agency's reports on a case is made from the names.

use domain::ids::{AgencyCode, ApplicationId, ReportId};
use http_kit::problem::{Language, Problem};
use jiff::Timestamp;
use jiff::tz::Offset;
use platform::documents::Documents as _;
use platform::hub::Hub;
use protocol::json;
use protocol::report::Report;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::report_error::ReportError;

/// Evidence of a refused report.
#[derive(Debug, Serialize)]
struct Refused<'e> {
    at: Timestamp,
    agency: &'e AgencyCode,
    outcome: &'e str,
    #[serde(flatten)]
    claims: Claims,
    jws: &'e str,
    /// The answer's problem in English: over HTTP the agency has it, too, by the queue nobody else.
    problem: Value,
}

/// Evidence of an applied report that is too large for the record.
#[derive(Debug, Serialize)]
struct Applied<'e> {
    agency: &'e AgencyCode,
    application: ApplicationId,
    report_id: ReportId,
    jws: &'e str,
}

/// What a signed payload names, as far as it is readable.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Claims {
    pub(crate) application: Option<ApplicationId>,
    pub(crate) report_id: Option<ReportId>,
}

/// The object of a mark. Its name says the rest.
#[derive(Debug, Serialize)]
struct Mark {
    at: Timestamp,
}

/// The folder of the marks of an agency's reports on a case.
pub(crate) fn marks(application: ApplicationId, agency: &AgencyCode) -> String {
    format!("evidence/reports/{application}/{agency}/")
}

/// Stores the mark of a report: `<folder>/<report id>/1-<reason>/<SHA-256 of the JWS>.json`, or `0-held`, which comes
/// first in the list, without a reason. The first mark of a name stays, and with it the time of the first arrival. A
/// report that names no application or has no id gets no mark.
///
/// # Errors
/// When the bucket does not answer.
pub(crate) async fn mark<H: Hub>(
    hub: &H,
    agency: &AgencyCode,
    claims: Claims,
    reason: Option<&str>,
    jws: &str,
    at: Timestamp,
) -> Result<(), ReportError> {
    let (Some(application), Some(report_id)) = (claims.application, claims.report_id) else { return Ok(()) };
    let outcome = reason.map_or_else(|| "0-held".to_owned(), |reason| format!("1-{reason}"));
    let key = format!("{}{report_id}/{outcome}/{}.json", marks(application, agency), sha256(jws));
    let json = serde_json::to_vec(&Mark { at }).map_err(|_| ReportError::Unwritable)?;
    Ok(hub.documents().store_text(&key, &json).await?)
}

/// The ids that a payload names, whether or not the payload is a report.
pub(crate) fn claims(payload: &[u8]) -> Claims {
    let Ok(value) = json::parse(payload, payload.len()) else { return Claims::default() };
    let member = |name| value.get(name).and_then(Value::as_str);
    Claims {
        application: member("application").and_then(|text| text.parse().ok()),
        report_id: member("report_id").and_then(|text| text.parse().ok()),
    }
}

/// Stores a refused report, `evidence/<agency>/<day in UTC>/<SHA-256 of the JWS>-<outcome>.json`, and its mark.
///
/// # Errors
/// When the bucket does not answer. The caller must not answer the refusal then, so that the agency sends the report
/// again.
pub(crate) async fn keep_refused<H: Hub>(
    hub: &H,
    agency: &AgencyCode,
    claims: Claims,
    (outcome, problem): (&str, &Problem),
    jws: &str,
    at: Timestamp,
) -> Result<(), ReportError> {
    let day = Offset::UTC.to_datetime(at).date();
    let key = format!("evidence/{agency}/{day}/{}-{outcome}.json", sha256(jws));
    let problem = problem.body(Language::English, None);
    let evidence = Refused { at, agency, outcome, claims, jws, problem };
    let json = serde_json::to_vec(&evidence).map_err(|_| ReportError::Unwritable)?;
    hub.documents().store_text(&key, &json).await?;
    mark(hub, agency, claims, Some(outcome), jws, at).await
}

/// Stores a report that is too large for the application's record: `evidence/applied/<application>/<SHA-256 of the
/// JWS>.json`. Returns the hash. The object is stored before the record refers to it, so one of a report that is
/// refused afterwards stays without a reference.
///
/// # Errors
/// When the bucket does not answer. The report must not be applied then.
pub(crate) async fn keep_applied<H: Hub>(hub: &H, report: &Report, jws: &str) -> Result<String, ReportError> {
    let (application, report_id, sha256) = (report.application, report.report_id, sha256(jws));
    let evidence = Applied { agency: &report.agency, application, report_id, jws };
    let json = serde_json::to_vec(&evidence).map_err(|_| ReportError::Unwritable)?;
    hub.documents().store_text(&format!("evidence/applied/{application}/{sha256}.json"), &json).await?;
    Ok(sha256)
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

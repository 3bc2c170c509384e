//! Lists the reports that an agency sent on one of its cases.
//!
//! The application's record has the accepted reports. The bucket has a mark for each refused or held one, below a folder
//! of the application and the agency; the mark's name says everything, so no object is read. An agency sees its own
//! reports only: the folder and the entries are chosen by the signer.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::command::Actor;
use domain::ids::{AgencyCode, ApplicationId, ReportId};
use domain::ledger::Ledger;
use http_kit::cursor::{BoundCursor, ListTag};
use http_kit::fields::FieldError;
use http_kit::problem::Problem;
use platform::documents::{Documents as _, ListedObject};
use platform::hub::Hub;
use platform::store::Store as _;
use protocol::receipts::{
    REPORTS, REPORTS_DEFAULT, ReportOutcome, ReportsPage, ReportsRequest, SentReport, SignedReceipt,
};

use crate::evidence::{Claims, marks};
use crate::receipts::{accepted, not_accepted};

/// A position in the list: the version of the last accepted report, and the name of the last mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    version: u32,
    mark: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{} {}", self.version, self.mark)))
    }
}

/// The text is not a [`Position`].
struct PositionError;

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PositionError)?;
        let text = String::from_utf8(bytes).map_err(|_| PositionError)?;
        let (version, mark) = text.split_once(' ').ok_or(PositionError)?;
        Ok(Position { version: version.parse().map_err(|_| PositionError)?, mark: mark.to_owned() })
    }
}

/// A page of the agency's reports on a case. `sign` makes the signed receipt.
///
/// # Errors
/// 404 when the agency has no leg of the application, 422 when the cursor or the limit is invalid, 503 when the table or
/// the bucket does not answer.
pub(crate) async fn sent_reports<H: Hub>(
    hub: &H,
    request: &ReportsRequest,
    sign: impl Fn(&SignedReceipt) -> Option<String>,
) -> Result<ReportsPage, Problem> {
    let tag = ListTag::new("reports on a case", &request.agency, request.application);
    let (after, limit) = page_of(request, &tag)?;
    let stored = hub.store().get(request.application).await?;
    let stored = stored.filter(|stored| stored.ledger.state().involves(&request.agency));
    let ledger = stored.ok_or_else(Problem::not_found)?.ledger;
    let recorded = recorded(&ledger, &request.agency);
    let mut records: Vec<SignedReceipt> = recorded
        .iter()
        .filter(|record| record.version.is_some_and(|version| version > after.version))
        .take(limit)
        .cloned()
        .collect();
    let version = records.last().and_then(|record| record.version).unwrap_or(after.version);
    let room = limit.saturating_sub(records.len());
    if room == 0 {
        let next = Position { version, ..after };
        return Ok(page(records, Some(tag.bind(next)), sign));
    }
    let folder = marks(request.application, &request.agency);
    let start = (!after.mark.is_empty()).then(|| format!("{folder}{}", after.mark));
    // One more than the page has room for: a held report whose other mark follows is not held any more.
    let most = u16::try_from(room.saturating_add(1)).unwrap_or(u16::MAX);
    let listed = hub.documents().list(&folder, start.as_deref(), most).await?;
    let known: HashSet<ReportId> = recorded.iter().filter_map(|record| record.report_id).collect();
    let found: Vec<Option<SignedReceipt>> = listed
        .iter()
        .map(|object| read_mark(object, &folder, request.application, &request.agency))
        .collect();
    for (index, record) in found.iter().take(room).enumerate() {
        let Some(record) = record else { continue };
        let follows = found.get(index.saturating_add(1)).and_then(Option::as_ref);
        let is_decided = record.report_id.is_some_and(|id| known.contains(&id))
            || follows.is_some_and(|follows| follows.report_id == record.report_id);
        if record.outcome != ReportOutcome::Held || !is_decided {
            records.push(record.clone());
        }
    }
    let next = (listed.len() > room).then(|| {
        let last = room.checked_sub(1).and_then(|last| listed.get(last));
        let mark = last.and_then(|object| object.key.strip_prefix(&folder)).unwrap_or_default().to_owned();
        tag.bind(Position { version, mark })
    });
    Ok(page(records, next, sign))
}

/// The start of the page and its size.
fn page_of(request: &ReportsRequest, tag: &ListTag) -> Result<(Position, usize), Problem> {
    let mut faults = Vec::new();
    let after = request.after.as_deref().map(str::parse::<BoundCursor>).transpose().ok();
    let after = after.and_then(|after| tag.open::<Position>(after.as_ref(), "/after").ok());
    if after.is_none() {
        faults.push(FieldError::new("/after", "cursor"));
    }
    let limit = request.limit.map_or(REPORTS_DEFAULT, usize::from);
    if !(1..=REPORTS).contains(&limit) {
        faults.push(FieldError::new("/limit", "out_of_range").between(&(1..=REPORTS as u64)));
    }
    if faults.is_empty() {
        Ok((after.flatten().unwrap_or_default(), limit))
    } else {
        Err(Problem::invalid(faults))
    }
}

fn page(
    records: Vec<SignedReceipt>,
    next: Option<String>,
    sign: impl Fn(&SignedReceipt) -> Option<String>,
) -> ReportsPage {
    let reports = records.into_iter().map(|record| {
        let receipt = if record.outcome == ReportOutcome::Held { None } else { sign(&record) };
        SentReport { record, receipt }
    });
    ReportsPage { reports: reports.collect(), next }
}

/// The agency's accepted reports, oldest first.
fn recorded(ledger: &Ledger, agency: &AgencyCode) -> Vec<SignedReceipt> {
    let own = ledger.entries().iter().filter(|line| line.entry.by == Actor::Agency(agency.clone()));
    own.filter_map(|line| accepted(ledger, line.entry.version)).collect()
}

/// Reads the name of a mark, which [`crate::evidence`] wrote. `None` for another name.
fn read_mark(
    object: &ListedObject,
    folder: &str,
    application: ApplicationId,
    agency: &AgencyCode,
) -> Option<SignedReceipt> {
    let mut parts = object.key.strip_prefix(folder)?.split('/');
    let (id, outcome, file) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, outcome) = outcome.split_once('-')?;
    let reason = (outcome != "held").then_some(outcome);
    let claims = Claims { application: Some(application), report_id: id.parse().ok() };
    let sha256 = file.strip_suffix(".json")?.to_owned();
    Some(not_accepted(agency, claims, sha256, reason, object.stored_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a20_a_position_survives_its_text_and_other_texts_are_none() {
        let position = Position { version: 7, mark: "6ba7b810/1-illegal_step/ab.json".to_owned() };
        assert_eq!(position.to_string().parse().ok(), Some(position));
        for text in ["", "*", "AAAA", &URL_SAFE_NO_PAD.encode("x y"), &URL_SAFE_NO_PAD.encode("7")] {
            assert_eq!(text.parse::<Position>().ok(), None, "{text}");
        }
    }
}

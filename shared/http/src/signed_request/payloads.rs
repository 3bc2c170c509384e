//! Reads the payloads that agencies sign. Each type is read here and nowhere else: a new member is read here first,
//! because unknown members are refused (decision 19).

use domain::catalogue::DocumentKind;
use domain::command::ReportedResult;
use domain::event::MissingItem;
use domain::limits;
use domain::stage::Step;
use platform::documents::{Checksum, MediaType};
use protocol::backlog::{CASES, CasesRequest, ResendCase, ResendRequest};
use protocol::receipts::{REPORTS, ReportsRequest};
use protocol::report::{DocumentAction, DocumentRequest, Report};

use crate::fields::{
    Fields, FromFields, Place, choice, date, free_text, integer, list, name_among, object, seconds, text,
};

/// Members of any result beside its `kind`.
const FINDING: &[&str] = &[
    "items",
    "reason",
    "carrier",
    "tracking",
    "place",
    "permit",
    "certificate",
    "issued_on",
    "valid_until",
    "document",
];
/// Members of any action beside `action` and `document`.
const ACTION: &[&str] = &["media_type", "size", "sha256"];
/// Characters of a cursor.
const CURSOR: usize = 512;

impl FromFields for Report {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let report_id = fields.required("report_id", text);
        let application = fields.required("application", text);
        let agency = fields.required("agency", text);
        let seen = fields.required("seen", version);
        let iat = fields.required("iat", seconds);
        let result = result(fields);
        Some(Report {
            report_id: report_id?,
            application: application?,
            agency: agency?,
            seen: seen?,
            iat: iat?,
            result: result?,
        })
    }
}

/// Reads `kind` and the members of this kind.
fn result(fields: &mut Fields<'_>) -> Option<ReportedResult> {
    let kinds: Vec<&'static str> = Step::ALL.iter().filter_map(|step| step.report_kind()).collect();
    let Some(kind) = fields.required("kind", name_among(&kinds)) else {
        fields.leave(FINDING);
        return None;
    };
    let step = Step::ALL.iter().find(|step| step.report_kind() == Some(kind))?;
    match step {
        Step::Receive => Some(ReportedResult::Received),
        Step::RequestSupplement => {
            let items = list(1..=limits::SUPPLEMENT_ITEMS, |place| object(missing_item)(place));
            Some(ReportedResult::SupplementRequested { items: fields.required("items", items)? })
        }
        Step::Sign => Some(ReportedResult::Signed),
        Step::NotIssue => Some(ReportedResult::NotIssued { reason: words(fields, "reason")? }),
        Step::Produce => Some(ReportedResult::Produced),
        Step::Post => {
            let (carrier, tracking) = (number(fields, "carrier"), number(fields, "tracking"));
            Some(ReportedResult::Posted { carrier: carrier?, tracking: tracking? })
        }
        Step::MakeReady => Some(ReportedResult::Ready { place: words(fields, "place")? }),
        Step::Approve => Some(ReportedResult::Approved { permit: number(fields, "permit")? }),
        Step::Verify => Some(ReportedResult::Verified),
        Step::MoveOut => {
            let certificate = number(fields, "certificate");
            let issued_on = fields.required("issued_on", date);
            let valid_until = fields.required("valid_until", date);
            Some(ReportedResult::MovedOut {
                certificate: certificate?,
                issued_on: issued_on?,
                valid_until: valid_until?,
            })
        }
        Step::Settle => Some(ReportedResult::Settled),
        Step::Restore => Some(ReportedResult::Restored),
        Step::Issue => {
            let (document, certificate) = (fields.required("document", text), number(fields, "certificate"));
            Some(ReportedResult::Issued { document: document?, certificate: certificate? })
        }
        Step::Reject => Some(ReportedResult::Rejected { reason: words(fields, "reason")? }),
        // No report has the kind of a step that an app or the hub takes.
        Step::StoreDocument
        | Step::RejectDocument
        | Step::DiscardDocument
        | Step::Correct
        | Step::Submit
        | Step::Dispatch
        | Step::Supplement
        | Step::HandOver
        | Step::Withdraw
        | Step::Lapse
        | Step::Expire
        | Step::MarkOverdue => {
            fields.refuse("kind", "not_one_of");
            None
        }
    }
}

fn missing_item(fields: &mut Fields<'_>) -> Option<MissingItem> {
    let name = number(fields, "name");
    let accepts = fields.required("accepts", list(1..=limits::ACCEPTED_KINDS, choice::<DocumentKind>));
    let note = fields.optional("note", free_text(0..=limits::TEXT));
    let twice = |kinds: &Vec<DocumentKind>| {
        kinds.iter().enumerate().any(|(at, kind)| kinds.iter().take(at).any(|earlier| earlier == kind))
    };
    if accepts.as_ref().is_some_and(twice) {
        fields.refuse("accepts", "duplicate");
    }
    Some(MissingItem { name: name?, accepts: accepts?, note: note.unwrap_or_default() })
}

impl FromFields for DocumentRequest {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let agency = fields.required("agency", text);
        let application = fields.required("application", text);
        let iat = fields.required("iat", seconds);
        let document = fields.required("document", text);
        let action = match fields.required("action", name_among(&["fetch", "upload"])) {
            Some("fetch") => document.map(|document| DocumentAction::Fetch { document }),
            Some(_) => {
                let media_type = fields.required("media_type", text::<MediaType>);
                let size = fields.required("size", integer(1..=limits::DOCUMENT_BYTES));
                let sha256 = fields.required("sha256", text::<Checksum>);
                Some(DocumentAction::Upload {
                    document: document?,
                    media_type: media_type?.name().to_owned(),
                    size: size?,
                    sha256: sha256?.to_string(),
                })
            }
            None => {
                fields.leave(ACTION);
                None
            }
        };
        Some(DocumentRequest { agency: agency?, application: application?, iat: iat?, action: action? })
    }
}

impl FromFields for CasesRequest {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let agency = fields.required("agency", text);
        let iat = fields.required("iat", seconds);
        let after = fields.optional("after", free_text(1..=CURSOR));
        let limit = fields.optional("limit", integer(1..=CASES as u64));
        let limit = limit.and_then(|limit| u16::try_from(limit).ok());
        Some(CasesRequest { agency: agency?, iat: iat?, after, limit })
    }
}

impl FromFields for ReportsRequest {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let agency = fields.required("agency", text);
        let iat = fields.required("iat", seconds);
        let application = fields.required("application", text);
        let after = fields.optional("after", free_text(1..=CURSOR));
        let limit = fields.optional("limit", integer(1..=REPORTS as u64));
        let limit = limit.and_then(|limit| u16::try_from(limit).ok());
        Some(ReportsRequest { agency: agency?, iat: iat?, application: application?, after, limit })
    }
}

impl FromFields for ResendRequest {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let agency = fields.required("agency", text);
        let iat = fields.required("iat", seconds);
        let cases = fields.required("cases", list(1..=CASES, |place| object(resend_case)(place)));
        Some(ResendRequest { agency: agency?, iat: iat?, cases: cases? })
    }
}

fn resend_case(fields: &mut Fields<'_>) -> Option<ResendCase> {
    let application = fields.required("application", text);
    let message = fields.optional("message", version);
    Some(ResendCase { application: application?, message })
}

fn words(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    fields.required(name, free_text(1..=limits::TEXT))
}

fn number(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    fields.required(name, free_text(1..=limits::NUMBER))
}

/// Reads a version of an application.
fn version(place: Place<'_>) -> Option<u32> {
    integer(1..=u64::from(u32::MAX))(place).and_then(|version| u32::try_from(version).ok())
}

#[cfg(test)]
mod tests;

//! Examples, each a value of its Rust type. The persons are invented and their identity numbers computed.

use std::sync::LazyLock;

use domain::calendar::Deadline;
use domain::catalogue::{ServiceRow, catalogue};
use domain::command::ReportedResult;
use domain::effect::NoticeKind;
use domain::event::MissingItem;
use domain::identity_number::IdentityNumber;
use domain::ids::{ApplicationId, DocumentId, EventId};
use domain::personal_data::{Person, PersonalData};
use domain::stage::{Purpose, Stage, Step, reports_from};
use jiff::Timestamp;
use jiff::civil::date;
use serde::Serialize;
use serde_json::{Value, json};

use super::ContractError;
use crate::backlog::{
    CasesPage, CasesRequest, OpenCase, ResendAnswer, ResendCase, ResendOutcome, ResendRequest, Resent,
};
use crate::case::{Case, CaseDocument, CasePlaces, Envelope, PossibleDuplicate, event_type};
use crate::receipts::{ReportOutcome, ReportsPage, ReportsRequest, SentReport, SignedReceipt};
use crate::report::{DocumentAction, DocumentRequest, Link, Receipt, Report};

/// Time of every example: 2026-03-02 09:30 in China, in seconds since 1970.
const AT: i64 = 1_772_415_000;
/// SHA-256 of the empty string.
pub(super) const SHA256: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
/// SHA-256 of the empty string in hexadecimal.
const SHA256_HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// A shortened receipt.
const RECEIPT_JWS: &str = "eyJ0eXAiOiJ0b25nYmFuLXJlY2VpcHQrandzIn0.eyJvdXRjb21lIjoiYWNjZXB0ZWQifQ.AAAA";
/// Wire names of services and kinds of document in the examples.
pub(super) static DATA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/examples.json")).unwrap_or_default());
/// Report id of the examples.
const REPORT: &str = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";

/// The name of each example with the name of its schema.
pub const NAMES: &[(&str, &str)] = &[
    ("envelope-opened", "envelope"),
    ("envelope-supplemented", "envelope"),
    ("envelope-withdrawn", "envelope"),
    ("envelope-restore-requested", "envelope"),
    ("case-opened", "case"),
    ("case-supplemented", "case"),
    ("case-withdrawn", "case"),
    ("case-restore-requested", "case"),
    ("report-received", "report"),
    ("report-supplement-requested", "report"),
    ("report-moved-out", "report"),
    ("report-issued", "report"),
    ("receipt", "receipt"),
    ("document-fetch", "document-request"),
    ("document-upload", "document-request"),
    ("link-fetch", "link"),
    ("link-upload", "link"),
    ("cases-request", "cases-request"),
    ("cases-page", "cases-page"),
    ("resend-request", "resend-request"),
    ("resend-answer", "resend-answer"),
    ("signed-receipt", "signed-receipt"),
    ("signed-receipt-refused", "signed-receipt"),
    ("reports-request", "reports-request"),
    ("reports-page", "reports-page"),
    ("key-set", "key-set"),
];

/// The example with this name as JSON; `None` for an unknown name.
///
/// # Errors
/// [`ContractError`] when the example cannot be written as JSON, or a part is not a valid value of its type.
pub fn named(name: &str) -> Result<Option<Value>, ContractError> {
    Ok(Some(match name {
        "envelope-opened" => json(&envelope(NoticeKind::Opened, 4)?)?,
        "envelope-supplemented" => json(&envelope(NoticeKind::Supplemented, 8)?)?,
        "envelope-withdrawn" => json(&envelope(NoticeKind::Withdrawn, 6)?)?,
        "envelope-restore-requested" => json(&envelope(NoticeKind::RestoreRequested, 15)?)?,
        "case-opened" => json(&case(NoticeKind::Opened)?)?,
        "case-supplemented" => json(&case(NoticeKind::Supplemented)?)?,
        "case-withdrawn" => json(&case(NoticeKind::Withdrawn)?)?,
        "case-restore-requested" => json(&case(NoticeKind::RestoreRequested)?)?,
        "report-received" => json(&report(4, ReportedResult::Received)?)?,
        "report-supplement-requested" => {
            json(&report(5, ReportedResult::SupplementRequested { items: vec![missing()?] })?)?
        }
        "report-moved-out" => json(&report(11, moved_out())?)?,
        "report-issued" => json(&report(5, issued()?)?)?,
        "receipt" => json(&receipt()?)?,
        "document-fetch" => json(&document(DocumentAction::Fetch { document: value("d1")? })?)?,
        "document-upload" => json(&document(upload()?)?)?,
        "link-fetch" => json(&link("GET", json!({}))?)?,
        "link-upload" => json(&link("PUT", json!({ "content-type": "application/pdf" }))?)?,
        "cases-request" => {
            json(&CasesRequest { agency: value("1501")?, iat: AT, after: None, limit: Some(50) })?
        }
        "cases-page" => json(&cases_page()?)?,
        "resend-request" => json(&resend_request()?)?,
        "resend-answer" => json(&resend_answer()?)?,
        "signed-receipt" => json(&accepted()?)?,
        "signed-receipt-refused" => json(&refused()?)?,
        "reports-request" => json(&ReportsRequest {
            agency: value("1501")?,
            iat: AT,
            application: application(),
            after: None,
            limit: Some(50),
        })?,
        "reports-page" => json(&reports_page()?)?,
        "key-set" => key_set(),
        _ => return Ok(None),
    }))
}

fn json<T: Serialize>(value: &T) -> Result<Value, ContractError> {
    Ok(serde_json::to_value(value)?)
}

/// Parses a value from its JSON text.
fn value<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ContractError> {
    Ok(serde_json::from_value(Value::from(text))?)
}

fn application() -> ApplicationId {
    ApplicationId::from_bytes16([1, 144, 244, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

fn at() -> Timestamp {
    Timestamp::constant(AT, 0)
}

/// `data` is shortened: a real envelope carries an encrypted case.
fn envelope(notice: NoticeKind, version: u32) -> Result<Envelope, ContractError> {
    let id: EventId = value(&format!("{}:{version}", application()))?;
    Ok(Envelope {
        specversion: "1.0".to_owned(),
        id,
        source: "tongban".to_owned(),
        kind: event_type(notice).to_owned(),
        subject: application(),
        time: at(),
        datacontenttype: "application/jose".to_owned(),
        data: "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImN0eSI6IkpXUyJ9..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"
            .to_owned(),
    })
}

/// The case of a notice: a certificate requested from Hohhot, or a lapsed transfer.
fn case(notice: NoticeKind) -> Result<Case, ContractError> {
    let restore = notice == NoticeKind::RestoreRequested;
    let gone = notice == NoticeKind::Withdrawn;
    let purpose = if restore { Purpose::Restore } else { Purpose::Certify };
    let row = with_leg(purpose)?;
    let version = match notice {
        NoticeKind::Opened => 4,
        NoticeKind::Supplemented => 8,
        NoticeKind::Withdrawn => 6,
        NoticeKind::RestoreRequested => 15,
    };
    let document = CaseDocument {
        id: value("d1")?,
        requirement: DATA["case_document"]["requirement"].as_str().unwrap_or_default().to_owned(),
        kind: serde_json::from_value(DATA["case_document"]["kind"].clone())?,
        media_type: "application/pdf".to_owned(),
        size: 48_213,
        sha256: SHA256.to_owned(),
    };
    Ok(Case {
        application: application(),
        version,
        iat: Some(AT),
        notice,
        agency: value("1501")?,
        purpose,
        service: row.service,
        when: row.cases[0].when,
        places: CasePlaces {
            accepted_at: value("110105")?,
            registered_at: value("150102")?,
            move_in: restore.then(|| value("110105")).transpose()?,
        },
        due: (!gone).then_some(Deadline { date: date(2026, 3, 9), provisional: false }),
        personal_data: if gone { None } else { Some(personal_data()?) },
        possible_duplicate: (notice == NoticeKind::Opened)
            .then(|| {
                let applications = vec![value("8a1f6a1e-93f4-8d5a-9d2c-5b7f0e6c4a21")?];
                Ok::<_, ContractError>(PossibleDuplicate { applications, elsewhere: false })
            })
            .transpose()?,
        documents: if gone { Vec::new() } else { vec![document] },
        upload: (!gone && !restore).then(|| value("d2")).transpose()?,
        reports: if gone {
            Vec::new()
        } else {
            let sendable = |step: &Step| row.leg(purpose).is_some_and(|leg| leg.reports.contains(step));
            let answered = notice == NoticeKind::Supplemented;
            let from = if answered { Stage::Supplemented } else { Stage::Dispatched };
            let reports = reports_from(from, purpose).into_iter().filter(sendable);
            reports.filter_map(ReportedResult::kind_of).map(str::to_owned).collect()
        },
    })
}

/// The first service of the catalogue that has a leg with this purpose.
fn with_leg(purpose: Purpose) -> Result<&'static ServiceRow, ContractError> {
    let found = catalogue().iter().find(|row| row.leg(purpose).is_some());
    found.ok_or_else(|| ContractError::Unknown(purpose.name().to_owned()))
}

fn personal_data() -> Result<PersonalData, ContractError> {
    let number = |day, sequence| {
        IdentityNumber::compute("150102", day, sequence)
            .map_err(|error| ContractError::Unknown(error.code().to_owned()))
    };
    let person = |name: &str, number| -> Result<Person, ContractError> {
        Ok(Person { name: value(name)?, identity_number: number, mobile: Some(value("13800000000")?) })
    };
    Ok(PersonalData {
        applicant: person("张三", number(date(1991, 5, 4), 17)?)?,
        guardian: None,
        relative: Some(Person { mobile: None, ..person("阿依·古丽", number(date(1963, 8, 21), 24)?)? }),
        address: value("北京市朝阳区示例街1号")?,
    })
}

fn report(seen: u32, result: ReportedResult) -> Result<Report, ContractError> {
    Ok(Report {
        report_id: value(REPORT)?,
        application: application(),
        agency: value("1501")?,
        seen,
        iat: AT,
        result,
    })
}

fn missing() -> Result<MissingItem, ContractError> {
    Ok(serde_json::from_value(DATA["missing_item"].clone())?)
}

fn moved_out() -> ReportedResult {
    ReportedResult::MovedOut {
        certificate: "QY-2026-000123".to_owned(),
        issued_on: date(2026, 3, 2),
        valid_until: date(2026, 4, 1),
    }
}

fn issued() -> Result<ReportedResult, ContractError> {
    Ok(ReportedResult::Issued { document: value("d2")?, certificate: "ZM-2026-000456".to_owned() })
}

fn receipt() -> Result<Receipt, ContractError> {
    Ok(Receipt {
        report_id: value(REPORT)?,
        application: application(),
        version: 5,
        stage: Stage::Received,
        received_at: Some(at()),
        receipt: Some(RECEIPT_JWS.to_owned()),
    })
}

fn accepted() -> Result<SignedReceipt, ContractError> {
    Ok(SignedReceipt {
        iat: AT,
        agency: value("1501")?,
        application: Some(application()),
        report_id: Some(value(REPORT)?),
        report_sha256: SHA256_HEX.to_owned(),
        received_at: at(),
        outcome: ReportOutcome::Accepted,
        reason: None,
        kind: ReportedResult::kind_of(Step::Receive).map(str::to_owned),
        version: Some(5),
        stage: Some(Stage::Received),
    })
}

fn refused() -> Result<SignedReceipt, ContractError> {
    let reason = Some("stale_version".to_owned());
    let outcome = ReportOutcome::Refused;
    Ok(SignedReceipt { outcome, reason, kind: None, version: None, stage: None, ..accepted()? })
}

fn reports_page() -> Result<ReportsPage, ContractError> {
    let signed = || Some(RECEIPT_JWS.to_owned());
    let held = SignedReceipt { outcome: ReportOutcome::Held, reason: None, ..refused()? };
    let reports = vec![
        SentReport { record: accepted()?, receipt: signed() },
        SentReport { record: refused()?, receipt: signed() },
        SentReport { record: held, receipt: None },
    ];
    Ok(ReportsPage { reports, next: None })
}

fn document(action: DocumentAction) -> Result<DocumentRequest, ContractError> {
    Ok(DocumentRequest { agency: value("1501")?, application: application(), iat: AT, action })
}

fn upload() -> Result<DocumentAction, ContractError> {
    let document: DocumentId = value("d2")?;
    let media_type = "application/pdf".to_owned();
    Ok(DocumentAction::Upload { document, media_type, size: 48_213, sha256: SHA256.to_owned() })
}

fn link(method: &str, headers: Value) -> Result<Link, ContractError> {
    Ok(Link {
        url: "https://documents.example/applications/0190f4c0-0000-8000-8000-000000000001/d1/1?X-Amz-Signature=0".to_owned(),
        method: method.to_owned(),
        headers: serde_json::from_value(headers)?,
        expires_at: Timestamp::constant(AT + 300, 0),
    })
}

fn cases_page() -> Result<CasesPage, ContractError> {
    let case = OpenCase {
        application: application(),
        version: 5,
        message: 4,
        notice: NoticeKind::Opened,
        sent: true,
        purpose: Purpose::Certify,
        service: with_leg(Purpose::Certify)?.service,
        stage: Stage::Dispatched,
        due: Some(Deadline { date: date(2026, 3, 9), provisional: false }),
        overdue: false,
        opened_at: at(),
        incomplete_read: false,
    };
    Ok(CasesPage { cases: vec![case], next: None })
}

fn resend_request() -> Result<ResendRequest, ContractError> {
    let cases = vec![ResendCase { application: application(), message: Some(4) }];
    Ok(ResendRequest { agency: value("1501")?, iat: AT, cases })
}

fn resend_answer() -> Result<ResendAnswer, ContractError> {
    let case = Resent { application: application(), message: Some(4), outcome: ResendOutcome::Accepted };
    Ok(ResendAnswer { cases: vec![case] })
}

/// The public key of RFC 7515, appendix A.3, in the role of the hub's key.
fn key_set() -> Value {
    json!({ "keys": [{
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
        "use": "sig",
    }] })
}

//! The table of problems for agencies is complete, and everything that tells of these problems follows it.

use std::collections::BTreeSet;

use domain::decide::Refusal;
use domain::event::DocumentFault;
use domain::ids::DocumentId;
use domain::ledger::LedgerError;
use domain::stage::{Stage, Step};
use http_kit::problem::{Code, Problem};
use http_kit::signed_request::PayloadError;
use platform::apply::ApplyError;
use platform::documents::DocumentsError;
use platform::store::StoreError;
use protocol::jose::JoseError;
use protocol::json::JsonError;
use protocol::problem::agency::{AGENCY_PROBLEMS, for_agencies};
use reports::report_error::ReportError;
use serde_json::Value;
use tongban_tests::repository::text;

fn document() -> DocumentId {
    "d3".parse().expect("an id")
}

/// The refusals that an agency's report can get. The match breaks the build when the domain has another refusal.
fn refusals() -> Vec<Refusal> {
    let all = vec![
        Refusal::NotYours,
        Refusal::Illegal { stage: Stage::Draft, step: Step::Sign },
        Refusal::OtherLeg { stage: Stage::Dispatched },
        Refusal::Stale { seen: 1, from: 2, to: 3 },
        Refusal::KeyReused,
        Refusal::Missing(vec![document()]),
        Refusal::DocumentRejected { document: document(), fault: DocumentFault::Empty },
        Refusal::Full,
        Refusal::Invalid(Vec::new()),
        Refusal::Bound("events"),
        Refusal::IncompleteRead,
    ];
    for refusal in &all {
        match refusal {
            Refusal::NotYours
            | Refusal::Illegal { .. }
            | Refusal::OtherLeg { .. }
            | Refusal::Stale { .. }
            | Refusal::KeyReused
            | Refusal::Missing(_)
            | Refusal::DocumentRejected { .. }
            | Refusal::Full
            | Refusal::Invalid(_)
            | Refusal::Bound(_)
            | Refusal::IncompleteRead => {}
            Refusal::Changed { .. } => panic!("only apps send If-Match"),
        }
    }
    all
}

/// Every cause for which a report is not applied. The match breaks the build when there is another one.
fn causes() -> Vec<ReportError> {
    let jose = [
        JoseError::Malformed,
        JoseError::Key,
        JoseError::UnknownKey,
        JoseError::Header,
        JoseError::Forged,
        JoseError::SignatureForm,
        JoseError::Payload,
    ];
    let stores = || {
        let corrupt = StoreError::Corrupt(LedgerError::Broken(3));
        [StoreError::Throttled, StoreError::Unavailable, StoreError::Full, corrupt]
    };
    let mut all: Vec<ReportError> = jose.into_iter().map(ReportError::Jose).collect();
    all.extend([
        ReportError::TooLarge,
        ReportError::Payload(PayloadError::Json(JsonError::TooDeep)),
        ReportError::Payload(PayloadError::Fields(Vec::new())),
        ReportError::Expired,
        ReportError::OtherAgency,
        ReportError::Unwritable,
        ReportError::Apply(ApplyError::NotFound),
        ReportError::Apply(ApplyError::Contended),
    ]);
    all.extend(refusals().into_iter().map(|refusal| ReportError::Apply(ApplyError::Refused(refusal))));
    all.extend(refusals().into_iter().map(ReportError::Early));
    all.extend(refusals().into_iter().map(ReportError::Overtaken));
    all.extend(stores().map(|error| ReportError::Apply(ApplyError::Store(error))));
    all.extend(stores().map(ReportError::Agencies));
    let bucket = [DocumentsError::Throttled, DocumentsError::Unavailable, DocumentsError::Denied];
    all.extend(bucket.map(ReportError::Documents));
    for cause in &all {
        match cause {
            ReportError::Jose(_)
            | ReportError::TooLarge
            | ReportError::Payload(_)
            | ReportError::Expired
            | ReportError::Apply(_)
            | ReportError::Early(_)
            | ReportError::Overtaken(_)
            | ReportError::Documents(_)
            | ReportError::Agencies(_)
            | ReportError::OtherAgency
            | ReportError::Unwritable => {}
        }
    }
    all
}

/// Codes that the routes of agencies answer beside the causes of a report: the address and its method, the content
/// type, and a link for a certificate that is stored already. The random events of `in_process` look for others.
const OF_THE_ROUTES: [Code; 3] = [Code::MethodNotAllowed, Code::UnsupportedMediaType, Code::Conflict];

#[test]
fn a19_every_code_that_an_agency_can_get_is_in_the_table_and_no_other() {
    let causes = causes().into_iter().map(|cause| Problem::from(cause).code());
    let answered: BTreeSet<&str> = causes.chain(OF_THE_ROUTES).map(Code::name).collect();
    let table: BTreeSet<&str> = AGENCY_PROBLEMS.iter().map(|row| row.code).collect();
    assert_eq!(table, answered);
}

fn openapi() -> Value {
    let text = text("shared/protocol/contracts/agency.openapi.yaml");
    serde_yaml_ng::from_str(&text).expect("YAML")
}

/// The kinds of problem that an answer of the document names.
fn named_kinds(document: &Value) -> Vec<&str> {
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|methods| methods.as_object().expect("methods").values());
    let answers =
        operations.flat_map(|operation| operation["responses"].as_object().expect("answers").values());
    answers
        .flat_map(|answer| answer["x-problem-types"].as_array().into_iter().flatten())
        .filter_map(|kind| kind.as_str()?.strip_prefix("/problems/"))
        .collect()
}

/// A described operation is called with its own method, so no description has `method_not_allowed`.
#[test]
fn a19_the_description_names_every_kind_of_the_table() {
    let document = openapi();
    let named: BTreeSet<&str> = named_kinds(&document).into_iter().collect();
    let mut table: BTreeSet<&str> = AGENCY_PROBLEMS.iter().map(|row| row.code).collect();
    assert!(table.remove(Code::MethodNotAllowed.name()));
    assert_eq!(named, table);
}

/// The codes in quotation marks of the line that defines the constant.
fn constant<'t>(source: &'t str, line: &str) -> BTreeSet<&'t str> {
    let line = source.lines().find_map(|found| found.strip_prefix(line)).expect("the constant");
    let values = line.split([')', ']']).next().unwrap_or_default();
    values.split('"').skip(1).step_by(2).collect()
}

#[test]
fn a19_the_consumers_end_a_message_at_the_problems_of_the_table() {
    let table: BTreeSet<&str> =
        AGENCY_PROBLEMS.iter().filter(|row| row.ends_message).map(|row| row.code).collect();
    let python = text("shared/agency/consumers/python/consumer.py");
    assert_eq!(constant(&python, "ENDS = ("), table);
    let node = text("shared/agency/consumers/node/consumer.mjs");
    assert_eq!(constant(&node, "const ENDS = ["), table);
    for code in table {
        let remedy = for_agencies(code).expect("a row").remedy;
        assert!(remedy.contains("delete the message"), "{code}: {remedy}");
    }
}

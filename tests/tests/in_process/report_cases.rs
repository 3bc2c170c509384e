//! Reports of agencies that trials in the field found mistaken answers for. `tests/FIELD_CASES.md` has the cases.

use app_client::SampleDocument;
use domain::command::ReportedResult;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::case::Case;
use protocol::report::{DocumentAction, DocumentRequest};
use serde_json::{Value, json};
use tongban_tests::forms;
use tongban_tests::people::Citizen;
use uuid::Uuid;

use crate::case_scenario::TENANT;
use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::rows::{APPLICATIONS, only_application, submission, with_a_case};

/// A report as JSON, with members replaced or added.
fn payload(harness: &CrashHarness, case: &Case, changes: &Value) -> Value {
    let mut report = json!({
        "report_id": Uuid::new_v4(), "application": case.application, "agency": BEIJING, "seen": case.version,
        "iat": harness.hub.clock.now().as_second(), "kind": "received",
    });
    let members = changes.as_object().expect("members").clone();
    report.as_object_mut().expect("an object").extend(members);
    report
}

/// Pointer and code of each wrong field.
fn errors(problem: &Value) -> Vec<(String, String)> {
    let errors = problem["errors"].as_array().expect("errors");
    let text = |error: &'_ Value, member: &str| error[member].as_str().expect("a text").to_owned();
    errors.iter().map(|error| (text(error, "pointer"), text(error, "code"))).collect()
}

fn owned(errors: &[(&str, &str)]) -> Vec<(String, String)> {
    errors.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect()
}

#[tokio::test]
async fn a13_a_wrong_payload_names_every_field_and_leaves_evidence() {
    let (harness, case) = with_a_case().await;
    let before = only_application(&harness).await;
    let changed = |changes: Value| payload(&harness, &case, &changes);
    let wrong = [
        (changed(json!({ "seen": "4" })), vec![("/seen", "not_an_integer")]),
        (changed(json!({ "kind": "recieved" })), vec![("/kind", "not_one_of")]),
        (
            changed(json!({ "kind": "not_issued", "reasons": "x", "iat": null })),
            vec![("/iat", "required"), ("/reason", "required"), ("/reasons", "unknown_field")],
        ),
        (changed(json!({ "notes": "x".repeat(46_000) })), vec![("/notes", "unknown_field")]),
    ];
    for (report, expected) in &wrong {
        let problem = harness.report(&harness.signed_payload(BEIJING, report)).await.body(422);
        assert_eq!(problem["type"], "/problems/invalid_fields", "{report}");
        assert_eq!(errors(&problem), owned(expected));
        let mut other = report.clone();
        other["report_id"] = json!(Uuid::new_v4());
        let by_queue = harness.signed_payload(BEIJING, &other);
        let now = harness.hub.clock.now();
        assert_eq!(harness.reports_queued(&[&by_queue], now).await, Answer::Batch(0), "it is deleted");
    }
    let empty = harness.report(&harness.signed_payload(BEIJING, &json!({}))).await.body(422);
    assert_eq!(errors(&empty).len(), 6, "{empty}");
    let list = harness.report(&harness.signed_payload(BEIJING, &json!([]))).await.body(422);
    assert_eq!(errors(&list), owned(&[("", "not_an_object")]));
    let evidence = harness.evidence(BEIJING);
    assert_eq!(evidence.len(), 2 * wrong.len() + 2, "each report by each way in");
    assert!(evidence.iter().all(|one| one["outcome"] == "invalid_fields" && one["agency"] == BEIJING));
    let named = evidence.iter().filter(|one| one["application"] == json!(case.application));
    assert_eq!(named.count(), 2 * wrong.len(), "the evidence names the application where it can be read");
    assert_eq!(only_application(&harness).await, before);
}

/// An agency that got no answer signs its report again, because the first signature may be too old. The time of the
/// signature does not tell a repeat from another report. Row 24 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_report_signed_again_with_a_new_time_is_the_same_report() {
    let (harness, case) = with_a_case().await;
    let mut report = payload(&harness, &case, &json!({}));
    harness.report(&harness.signed_payload(BEIJING, &report)).await.body(200);
    let once = only_application(&harness).await;
    harness.hub.clock.advance(SignedDuration::from_mins(20));
    report["iat"] = json!(harness.hub.clock.now().as_second());
    harness.report(&harness.signed_payload(BEIJING, &report)).await.body(200);
    assert_eq!(only_application(&harness).await, once, "the repeat changes nothing");
    report["seen"] = json!(once.version());
    let other = harness.report(&harness.signed_payload(BEIJING, &report)).await.body(422);
    assert_eq!(other["type"], "/problems/key_reused", "other content is not a repeat");
}

#[tokio::test]
async fn a6_a_report_of_an_unknown_kind_by_the_queue_is_among_the_refused() {
    let (harness, case) = with_a_case().await;
    let report = payload(&harness, &case, &json!({ "kind": "recieved" }));
    let jws = harness.signed_payload(BEIJING, &report);
    assert_eq!(harness.reports_queued(&[&jws], harness.hub.clock.now()).await, Answer::Batch(0));
    let evidence = harness.evidence(BEIJING);
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0]["outcome"], "invalid_fields");
    assert_eq!(evidence[0]["report_id"], report["report_id"]);
    assert_eq!(evidence[0]["jws"], jws);
    let problem = &evidence[0]["problem"];
    assert_eq!(problem["type"], "/problems/invalid_fields");
    assert_eq!(
        errors(problem),
        owned(&[("/kind", "not_one_of")]),
        "whoever reads the evidence sees the reason"
    );
}

#[tokio::test]
async fn a27_the_same_report_refused_for_two_reasons_is_listed_twice() {
    let (harness, case) = with_a_case().await;
    let early = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    harness.report(&early).await.body(409);
    harness.report(&early).await.body(409);
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    harness.report(&early).await.body(401);
    assert_eq!(harness.refused(BEIJING), ["illegal_step", "signature_expired"]);
}

#[tokio::test]
async fn a2_a_report_beyond_the_bound_is_refused_on_both_ways_in() {
    let (harness, case) = with_a_case().await;
    let before = only_application(&harness).await;
    let report = payload(&harness, &case, &json!({ "padding": "x".repeat(220_000) }));
    let jws = harness.signed_payload(BEIJING, &report);
    assert_eq!(harness.report(&jws).await.body(413)["type"], "/problems/payload_too_large");
    assert!(harness.refused(BEIJING).is_empty(), "over HTTP the body is not read");
    assert_eq!(harness.reports_queued(&[&jws], harness.hub.clock.now()).await, Answer::Batch(0));
    assert_eq!(harness.refused(BEIJING), ["payload_too_large"]);
    assert_eq!(only_application(&harness).await, before);
}

#[tokio::test]
async fn a2_the_bucket_has_a_large_report_and_the_record_its_hash() {
    let (harness, case) = with_a_case().await;
    harness
        .report(&harness.signed(BEIJING, case.application, case.version, ReportedResult::Received))
        .await
        .body(200);
    let item = |number: usize| json!({ "name": format!("paper {number}"), "accepts": ["other"], "note": "补".repeat(200) });
    let items: Vec<Value> = (0..10).map(item).collect();
    let report = json!({ "kind": "supplement_requested", "items": items });
    let foreign = json!({ "kind": "supplement_requested", "items": items, "agency": SHANDONG });
    let foreign = harness.signed_payload(SHANDONG, &payload(&harness, &case, &foreign));
    harness.report(&foreign).await.body(404);
    let stored = || harness.hub.documents.below("evidence/applied/");
    assert!(stored().is_empty(), "another agency stores nothing under the application's id");
    let jws = harness.signed_payload(BEIJING, &payload(&harness, &case, &report));
    harness.report(&jws).await.body(200);
    let [(key, json)] = &stored()[..] else { panic!("one object") };
    let evidence: Value = serde_json::from_slice(json).expect("JSON");
    assert_eq!(evidence["jws"], jws);
    let application = only_application(&harness).await;
    let entry = &application.ledger.entries().last().expect("an entry").entry;
    let hash = entry.proof_sha256.as_deref().expect("a hash");
    assert_eq!((*key).clone(), format!("evidence/applied/{}/{hash}.json", case.application));
    assert_eq!(entry.proof, None);
    let small = application.ledger.entries().iter().filter(|line| line.entry.proof.is_some());
    assert_eq!(small.count(), 1, "a small report is in the record");
    harness.report(&jws).await.body(200);
    assert_eq!(stored().len(), 1, "a repeat stores nothing");
}

/// A case that Beijing has received, of an application with these documents.
async fn received(body: Value, documents: &[SampleDocument]) -> (CrashHarness, Case) {
    let harness = CrashHarness::new();
    let mut body = forms::when_complete(body);
    body["documents"] = documents.iter().map(SampleDocument::declaration).collect();
    let opened = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    let keys = harness.upload(&opened, documents);
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(harness.stream_records(&[submission(&harness).await]).await, Answer::Batch(0));
    let case = harness.opened(BEIJING, &harness.take(BEIJING).pop().expect("a case"));
    let received = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    harness.report(&received).await.body(200);
    (harness, case)
}

#[tokio::test]
async fn a3_a_migration_certificate_that_is_over_is_refused() {
    let body = forms::transfer(&Citizen::aged(19), "school_admission", "370102", "110105");
    let (harness, case) = received(body, &forms::transfer_documents("admission_notice")).await;
    let verified = harness.signed(BEIJING, case.application, case.version, ReportedResult::Verified);
    harness.report(&verified).await.body(200);
    let day = |days: i64| {
        let today = domain::time::today(harness.hub.clock.now());
        today.checked_add(jiff::Span::new().days(days)).expect("a day")
    };
    let moved_out = |issued: i64, until: i64| {
        let (issued_on, valid_until) = (day(issued), day(until));
        let result = ReportedResult::MovedOut { certificate: "QY-1".to_owned(), issued_on, valid_until };
        harness.signed(BEIJING, case.application, case.version, result)
    };
    for (issued, until, code) in [(-10, -1, "in_the_past"), (0, -1, "out_of_range"), (0, 31, "out_of_range")]
    {
        let refused = harness.report(&moved_out(issued, until)).await.body(422);
        assert_eq!(errors(&refused), owned(&[("/valid_until", code)]));
    }
    harness.report(&moved_out(-10, 0)).await.body(200);
    assert_eq!(
        only_application(&harness).await.ledger.state().stage,
        Stage::MovedOut,
        "today is its last day"
    );
}

/// Uploads a file as the issued certificate, by a new link.
async fn upload_certificate(harness: &CrashHarness, case: &Case, document: &SampleDocument) {
    let request = DocumentRequest {
        agency: case.agency.clone(),
        application: case.application,
        iat: harness.hub.clock.now().as_second(),
        action: DocumentAction::Upload {
            document: case.upload.expect("a document to upload"),
            media_type: document.media_type.to_owned(),
            size: document.bytes.len() as u64,
            sha256: document.sha256(),
        },
    };
    let link = harness.agency_document(&request).await.body(200);
    harness.upload_to(&link, std::slice::from_ref(document));
}

fn issued(harness: &CrashHarness, case: &Case) -> String {
    let document = case.upload.expect("a document to upload");
    let result = ReportedResult::Issued { document, certificate: "HZ-1".to_owned() };
    harness.signed(BEIJING, case.application, case.version, result)
}

#[tokio::test]
async fn a15_a_certificate_that_is_no_pdf_is_named_as_rejected_and_can_be_replaced() {
    let body = forms::certificate(&Citizen::aged(35), "former_name", "370102", "110105");
    let (harness, case) = received(body, &forms::certificate_documents()).await;
    let missing = harness.report(&issued(&harness, &case)).await.body(409);
    assert_eq!(missing["type"], "/problems/documents_missing", "nothing was uploaded");
    let wrong = SampleDocument { bytes: b"hello".to_vec(), ..SampleDocument::pdf("issued_certificate", "x") };
    upload_certificate(&harness, &case, &wrong).await;
    let report = issued(&harness, &case);
    for _ in 0..2 {
        let rejected = harness.report(&report).await.body(409);
        assert_eq!(rejected["type"], "/problems/document_rejected");
        assert_eq!(
            (&rejected["document"], &rejected["fault"]),
            (&json!(case.upload), &json!("content_mismatch"))
        );
        assert_eq!(errors(&rejected), owned(&[("/document", "document_rejected")]));
    }
    upload_certificate(&harness, &case, &SampleDocument::pdf("issued_certificate", "right")).await;
    harness.report(&report).await.body(200);
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Issued);
    assert_eq!(harness.refused(BEIJING), ["document_rejected", "documents_missing"]);
}

#[tokio::test]
async fn a25_an_item_filled_before_the_bound_refuses_by_name_and_takes_an_end() {
    let (harness, case) = with_a_case().await;
    let id: ApplicationId = case.application;
    fill(&harness, id, 300_000).await;
    let item = json!({ "items": [{ "name": "a", "accepts": ["other"] }], "kind": "supplement_requested" });
    let version = only_application(&harness).await.version();
    let asks =
        payload(&harness, &case, &json!({ "seen": version, "items": item["items"], "kind": item["kind"] }));
    let full = harness.report(&harness.signed_payload(BEIJING, &asks)).await.body(409);
    assert_eq!(full["type"], "/problems/application_full");
    assert_eq!(harness.refused(BEIJING), ["application_full"]);
    let path = format!("{APPLICATIONS}/{id}/withdraw");
    harness.post(TENANT, &path, "the-end", &json!({})).await.body(200);
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Withdrawn);
}

/// Records the receipt of a case with evidence of this size, as the hub did before it bounded evidence.
async fn fill(harness: &CrashHarness, id: ApplicationId, bytes: usize) {
    use domain::command::{Actor, AgencyReport, Attempt, Command};
    use domain::ledger::Proof;

    let seen = only_application(harness).await.ledger.state().message_version;
    let command = Command::Report(AgencyReport { seen, result: ReportedResult::Received });
    let by = Actor::Agency(BEIJING.parse().expect("a code"));
    let attempt = Attempt { by, key: None, command, expected_version: None };
    let hub = harness.hub.restarted();
    let proof = Proof::Jws("x".repeat(bytes));
    platform::apply::apply(&hub, id, &attempt, Some(proof)).await.expect("the entry of an earlier version");
}

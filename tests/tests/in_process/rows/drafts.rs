//! Drafts that are corrected, documents that are replaced, and files that are erased. Cases D2 to D5 of
//! `tests/FIELD_CASES.md`.

use app_client::SampleDocument;
use domain::command::ReportedResult;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::vault::Vault as _;
use protocol::report::{DocumentAction, DocumentRequest, Link};
use serde_json::{Value, json};
use tongban_tests::people::Citizen;

use super::{APPLICATIONS, only_application, sample_documents, submission};
use crate::case_scenario::{TENANT, body};
use crate::crash_harness::{Answer, BEIJING, CrashHarness};

/// A draft that the app submits itself, without uploads.
async fn with_a_manual_draft() -> (CrashHarness, Value) {
    let harness = CrashHarness::new();
    let mut body = body(&sample_documents());
    body["submit"] = json!("manual");
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    (harness, created)
}

/// A draft that the app submits itself, whose documents are stored.
async fn with_a_complete_draft() -> (CrashHarness, String) {
    let (harness, created) = with_a_manual_draft().await;
    let keys = harness.upload(&created, &sample_documents());
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    (harness, format!("{APPLICATIONS}/{}", created["id"].as_str().expect("an id")))
}

async fn link(harness: &CrashHarness, path: &str, document: &SampleDocument, at: Option<&str>) -> Answer {
    let path = format!("{path}/documents/d1/upload");
    harness.send("POST", TENANT, &path, "no-key", at, &document.declaration()).await
}

async fn correct(harness: &CrashHarness, path: &str, key: &str, patch: &Value) -> Answer {
    harness.send("PATCH", TENANT, path, key, None, patch).await
}

async fn submit(harness: &CrashHarness, path: &str) -> Answer {
    harness.post(TENANT, &format!("{path}/submit"), "submit", &json!({})).await
}

/// The personal data of the only application.
async fn personal_data(harness: &CrashHarness) -> Value {
    let stored = only_application(harness).await;
    let vault = harness.hub.vault();
    let plain = vault.decrypt("personal_data", &stored.id().to_string(), &stored.encrypted).await;
    harness.hub.faults.restart();
    serde_json::from_slice(&plain.expect("personal data")).expect("JSON")
}

/// Number of versions of uploaded files in the bucket.
fn files(harness: &CrashHarness) -> usize {
    harness.hub.documents.below("applications/").len()
}

#[tokio::test]
async fn d2_a_stored_document_of_a_draft_is_replaced_and_the_agency_gets_the_new_file() {
    let (harness, path) = with_a_complete_draft().await;
    let wrong = &sample_documents()[0];
    let right = SampleDocument::pdf("household_register", "the right person");
    let same = link(&harness, &path, wrong, None).await.body(409);
    assert_eq!(same["type"], "/problems/conflict", "this very file is stored already");
    let first = link(&harness, &path, &right, None).await.body(200);
    // The answer was lost: a repeat gets a link to the same slot.
    let again = link(&harness, &path, &right, None).await.body(200);
    assert_eq!(first["url"], again["url"]);
    let refused = submit(&harness, &path).await.body(409);
    assert_eq!(refused["missing"], json!(["d1"]), "the discarded file is not submitted");
    let key = harness.upload_to(&again, std::slice::from_ref(&right));
    // The event of the upload is late, and the app submits at once.
    let submitted = submit(&harness, &path).await.body(200);
    assert_eq!(submitted["documents"][0]["sha256"], right.sha256());
    assert_eq!(harness.uploaded(&[key]).await, Answer::Batch(0));
    assert_eq!(harness.stream_records(&[submission(&harness).await]).await, Answer::Batch(0));
    let case = harness.opened(BEIJING, &harness.take(BEIJING).pop().expect("a case"));
    assert_eq!(case.documents[0].sha256, right.sha256());
    let late = link(&harness, &path, wrong, None).await.body(409);
    assert_eq!(late["type"], "/problems/conflict", "an agency has the document");
}

#[tokio::test]
async fn d2_a_file_whose_event_is_late_is_not_taken_for_the_one_that_replaces_it() {
    let (harness, created) = with_a_manual_draft().await;
    let path = format!("{APPLICATIONS}/{}", created["id"].as_str().expect("an id"));
    let keys = harness.upload(&created, &sample_documents());
    let right = SampleDocument::pdf("household_register", "the right person");
    let replacing = link(&harness, &path, &right, None).await.body(200);
    let key = harness.upload_to(&replacing, std::slice::from_ref(&right));
    assert_eq!(harness.uploaded(&[keys, vec![key]].concat()).await, Answer::Batch(0));
    let stored = only_application(&harness).await;
    let sums: Vec<_> = stored
        .ledger
        .state()
        .documents
        .iter()
        .map(|found| found.stored().map(|object| &object.sha256))
        .collect();
    assert_eq!(sums, [Some(&right.sha256()), Some(&sample_documents()[1].sha256())]);
}

#[tokio::test]
async fn d2_a_replacement_under_another_version_changes_nothing() {
    let (harness, path) = with_a_complete_draft().await;
    let right = SampleDocument::pdf("household_register", "the right person");
    let before = only_application(&harness).await;
    link(&harness, &path, &right, Some("\"1\"")).await.body(412);
    let wrong_kind = SampleDocument::pdf("proof_of_work", "another paper");
    link(&harness, &path, &wrong_kind, None).await.body(422);
    assert_eq!(only_application(&harness).await, before);
    let tag = format!("\"{}\"", before.version());
    link(&harness, &path, &right, Some(&tag)).await.body(200);
}

#[tokio::test]
async fn d2_a_corrected_field_reaches_the_agency_and_the_documents_stay() {
    let (harness, path) = with_a_complete_draft().await;
    let before = personal_data(&harness).await;
    let other = Citizen::aged(30);
    let patch = json!({ "address": other.address, "applicant": { "mobile": null } });
    let view = correct(&harness, &path, "correct", &patch).await.body(200);
    assert_eq!((view["version"].as_u64(), view["missing"].as_array().map(Vec::len)), (Some(4), Some(0)));
    // A repeat gets the first answer; the key with another body does not.
    assert_eq!(correct(&harness, &path, "correct", &patch).await.body(200), view);
    assert_eq!(
        correct(&harness, &path, "correct", &json!({ "address": "x" })).await.body(422)["type"],
        "/problems/key_reused"
    );
    let after = personal_data(&harness).await;
    assert_eq!(after["address"], json!(other.address));
    assert_eq!(after["applicant"]["name"], before["applicant"]["name"]);
    assert_eq!(after["applicant"]["mobile"], Value::Null);
    submit(&harness, &path).await.body(200);
    assert_eq!(harness.stream_records(&[submission(&harness).await]).await, Answer::Batch(0));
    let case = harness.opened(BEIJING, &harness.take(BEIJING).pop().expect("a case"));
    assert_eq!(json!(case.personal_data)["address"], json!(other.address));
    let late = correct(&harness, &path, "late", &patch).await.body(409);
    assert_eq!(late["type"], "/problems/illegal_step", "a submitted application is not corrected");
}

#[tokio::test]
async fn d2_every_wrong_field_of_a_correction_is_named_and_nothing_changes() {
    let (harness, path) = with_a_complete_draft().await;
    let before = only_application(&harness).await;
    let patch =
        json!({ "address": "", "registered_at": "510213", "applicant": { "name": 1 }, "addres": null });
    let refused = correct(&harness, &path, "wrong", &patch).await.body(422);
    let pointers: Vec<_> =
        refused["errors"].as_array().expect("errors").iter().map(|error| error["pointer"].clone()).collect();
    for pointer in ["/address", "/registered_at", "/applicant/name", "/addres"] {
        assert!(pointers.contains(&json!(pointer)), "{pointer}: {refused}");
    }
    correct(&harness, &path, "empty", &json!({})).await.body(422);
    let stale = harness
        .send("PATCH", TENANT, &path, "stale", Some("\"1\""), &json!({ "address": "某街 1 号" }))
        .await;
    stale.body(412);
    let theirs =
        harness.send("PATCH", "another-app", &path, "k", None, &json!({ "address": "某街 1 号" })).await;
    theirs.body(404);
    assert_eq!(only_application(&harness).await, before);
}

/// Another case of the service needs other documents: those that are not needed any more are erased, and new ones are
/// missing.
#[tokio::test]
async fn d2_a_corrected_applicant_of_another_age_needs_other_documents() {
    let (harness, path) = with_a_complete_draft().await;
    let (child, guardian) = (Citizen::aged(9), Citizen::aged(40));
    let mut applicant = child.json();
    applicant["mobile"] = Value::Null;
    let picture = SampleDocument::jpeg("picture_with_guardian", "both");
    let patch = json!({
        "applicant": applicant, "guardian": guardian.json(), "documents": [picture.declaration()],
    });
    let view = correct(&harness, &path, "a-child", &patch).await.body(200);
    assert_eq!((&view["when"], &view["missing"]), (&json!("minor"), &json!(["d3", "d4", "d5"])));
    let linked: Vec<_> = view["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .map(|one| one["upload"].is_object())
        .collect();
    assert_eq!(linked, [false, false, true]);
    harness.hub.clock.advance(SignedDuration::from_secs(1));
    harness.sweep().await;
    assert_eq!(files(&harness), 0, "the papers of the other case are erased");
    harness.upload(&view, &[picture]);
    harness.hub.clock.advance(SignedDuration::from_mins(21));
    harness.sweep().await;
    assert_eq!(files(&harness), 1, "the new paper stays");
}

/// Two corrections at once: the second write meets the first one, and is made again from the draft that the first one
/// left.
#[tokio::test]
async fn d2_concurrent_corrections_and_uploads_lose_nothing() {
    let (harness, created) = with_a_manual_draft().await;
    let path = format!("{APPLICATIONS}/{}", created["id"].as_str().expect("an id"));
    let keys = harness.upload(&created, &sample_documents());
    let (one, two) = (json!({ "address": "某街 1 号" }), json!({ "applicant": { "mobile": "19900009999" } }));
    let (first, second, uploaded) = tokio::join!(
        correct(&harness, &path, "one", &one),
        correct(&harness, &path, "two", &two),
        harness.uploaded(&keys),
    );
    first.body(200);
    second.body(200);
    assert_eq!(uploaded, Answer::Batch(0));
    let data = personal_data(&harness).await;
    assert_eq!(
        (&data["address"], &data["applicant"]["mobile"]),
        (&json!("某街 1 号"), &json!("19900009999"))
    );
    assert_eq!(only_application(&harness).await.ledger.state().missing().count(), 0);
}

/// A correction whose process dies or whose answer is lost is there once, after a repeat.
#[tokio::test]
async fn d2_a_correction_that_fails_at_any_call_is_whole_after_a_repeat() {
    let patch = json!({ "address": "某街 1 号" });
    for fault in [Fault::Before, Fault::Throttled, Fault::AnswerLost] {
        for call in 1..8 {
            let (harness, path) = with_a_complete_draft().await;
            harness.hub.faults.restart();
            harness.hub.faults.plan(call, fault);
            let _ = correct(&harness, &path, "correct", &patch).await;
            harness.hub.faults.restart();
            correct(&harness, &path, "correct", &patch).await.body(200);
            let stored = only_application(&harness).await;
            let corrections =
                stored.ledger.entries().iter().filter(|line| line.entry.event.name() == "corrected");
            assert_eq!(corrections.count(), 1, "{fault:?} at call {call}");
            assert_eq!(personal_data(&harness).await["address"], json!("某街 1 号"));
        }
    }
}

#[tokio::test]
async fn d3_the_pages_of_a_household_register_reach_the_agency_in_order() {
    let harness = CrashHarness::new();
    let pages = ["cover", "householder", "child"].map(|page| SampleDocument::pdf("household_register", page));
    let work = SampleDocument::jpeg("proof_of_work", "two");
    let [cover, holder, child] = pages.clone();
    let created = harness
        .post(TENANT, APPLICATIONS, "a-key", &body(&[cover, work.clone(), holder, child]))
        .await
        .body(201);
    let shown: Vec<_> = created["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .map(|one| one["requirement"].clone())
        .collect();
    assert_eq!(shown, ["household_register", "household_register", "household_register", "lawful_stay"]);
    let all = [pages.to_vec(), vec![work]].concat();
    let keys = harness.upload(&created, &all);
    assert_eq!(harness.uploaded(&keys.into_iter().rev().collect::<Vec<_>>()).await, Answer::Batch(0));
    assert_eq!(harness.stream_records(&[submission(&harness).await]).await, Answer::Batch(0));
    let case = harness.opened(BEIJING, &harness.take(BEIJING).pop().expect("a case"));
    let sums: Vec<_> = case.documents.iter().map(|document| document.sha256.clone()).collect();
    assert_eq!(sums, all.iter().map(SampleDocument::sha256).collect::<Vec<_>>());
}

#[tokio::test]
async fn d3_more_files_than_a_requirement_takes_are_refused() {
    let harness = CrashHarness::new();
    let mut documents = sample_documents();
    documents.extend((0..6).map(|page| SampleDocument::pdf("household_register", &page.to_string())));
    let refused = harness.post(TENANT, APPLICATIONS, "a-key", &body(&documents)).await.body(422);
    let error = &refused["errors"][0];
    assert_eq!((&error["pointer"], &error["code"]), (&json!("/documents/7/kind"), &json!("too_many_files")));
}

/// Pages are added to a draft, and taken away, by declaring its documents anew.
#[tokio::test]
async fn d3_a_page_is_added_to_a_draft() {
    let (harness, path) = with_a_complete_draft().await;
    let mut documents = sample_documents();
    documents.push(SampleDocument::pdf("household_register", "a second page"));
    let declared: Vec<_> = documents.iter().map(SampleDocument::declaration).collect();
    let view = correct(&harness, &path, "more", &json!({ "documents": declared })).await.body(200);
    assert_eq!(view["missing"], json!(["d3"]), "the stored files stay");
    let keys = harness.upload(&view, &documents);
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    let kept = correct(&harness, &path, "address", &json!({ "address": "某街 1 号" })).await.body(200);
    let ids: Vec<_> =
        kept["documents"].as_array().expect("documents").iter().map(|one| one["id"].clone()).collect();
    assert_eq!((ids, &kept["missing"]), (vec![json!("d1"), json!("d3"), json!("d2")], &json!([])));
    let fewer = correct(&harness, &path, "fewer", &json!({ "documents": declared[..2] })).await.body(200);
    assert_eq!(fewer["documents"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn d4_the_files_of_a_withdrawn_application_are_erased_also_those_that_come_late() {
    let harness = CrashHarness::new();
    let documents = sample_documents();
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body(&documents)).await.body(201);
    let path = format!("{APPLICATIONS}/{}", created["id"].as_str().expect("an id"));
    let early: Link = serde_json::from_value(created["documents"][0]["upload"].clone()).expect("a link");
    let late: Link = serde_json::from_value(created["documents"][1]["upload"].clone()).expect("a link");
    harness.hub.documents.upload(&early, &documents[0].bytes).expect("an open link");
    assert_eq!(
        harness.uploaded(&[early.url.trim_start_matches("memory://documents/").to_owned()]).await,
        Answer::Batch(0)
    );
    harness.hub.documents.put("evidence/11/a.json", "application/json", None, b"{}");
    harness.post(TENANT, &format!("{path}/withdraw"), "withdraw", &json!({})).await.body(200);
    // No new link, and no file, for a withdrawn application.
    link(&harness, &path, &documents[0], None).await.body(409);
    harness.hub.clock.advance(SignedDuration::from_secs(60));
    let Answer::Swept(swept) = harness.sweep().await else { panic!("a sweep") };
    assert_eq!((swept.erased, files(&harness)), (1, 0));
    harness.hub.documents.upload(&late, &documents[1].bytes).expect("S3 cannot revoke a link");
    let key = late.url.trim_start_matches("memory://documents/").to_owned();
    assert_eq!(harness.uploaded(&[key]).await, Answer::Batch(0));
    harness.hub.clock.advance(SignedDuration::from_mins(20));
    // A sweep that fails is repeated.
    harness.hub.faults.restart();
    harness.hub.faults.plan(18, Fault::Throttled);
    while files(&harness) > 0 {
        harness.sweep().await;
        harness.hub.clock.advance(SignedDuration::from_mins(1));
    }
    let Answer::Swept(swept) = harness.sweep().await else { panic!("a sweep") };
    assert_eq!(swept.due, 0, "nothing is left to do");
    assert_eq!(harness.hub.documents.below("evidence/").len(), 1, "evidence stays");
}

#[tokio::test]
async fn d4_a_case_that_an_agency_works_on_is_withdrawn_and_its_files_are_erased() {
    let (harness, case) = super::with_a_case().await;
    let jws = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    harness.report(&jws).await.body(200);
    let path = format!("{APPLICATIONS}/{}/withdraw", case.application);
    harness.post(TENANT, &path, "withdraw", &json!({})).await.body(200);
    let request = DocumentRequest {
        agency: BEIJING.parse().expect("an agency code"),
        application: case.application,
        iat: harness.hub.clock.now().as_second(),
        action: DocumentAction::Fetch { document: case.documents[0].id },
    };
    harness.agency_document(&request).await.body(404);
    harness.hub.clock.advance(SignedDuration::from_secs(60));
    harness.sweep().await;
    assert_eq!(files(&harness), 0);
}

#[tokio::test]
async fn d5_the_papers_of_a_draft_that_was_never_submitted_are_erased_with_it() {
    let (harness, _) = with_a_complete_draft().await;
    for _ in 0..40 {
        harness.hub.clock.advance(SignedDuration::from_hours(24));
        harness.sweep().await;
    }
    assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Expired);
    assert_eq!(files(&harness), 0);
}

/// A rejected upload is a paper of somebody, too. The verified ones stay while the case is open, and after its end.
#[tokio::test]
async fn d5_a_rejected_upload_is_erased_and_the_documents_of_a_case_stay() {
    let harness = CrashHarness::new();
    let documents = sample_documents();
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body(&documents)).await.body(201);
    let id = created["id"].as_str().expect("an id").to_owned();
    let wrong = format!("applications/{id}/d1/0");
    harness.hub.documents.put(&wrong, "application/pdf", None, b"%PDF-1.4 of another kind");
    assert_eq!(harness.uploaded(&[wrong]).await, Answer::Batch(0));
    let again = link(&harness, &format!("{APPLICATIONS}/{id}"), &documents[0], None).await.body(200);
    let mut keys = vec![harness.upload_to(&again, &documents)];
    keys.push(harness.upload_to(&created["documents"][1]["upload"], &documents));
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    harness.hub.clock.advance(SignedDuration::from_mins(21));
    harness.sweep().await;
    let left: Vec<_> = harness.hub.documents.below("applications/").into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, keys);
}

//! Commands of an app on an application (submit, supplement, withdraw, confirm), and reading its events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalogue::DocumentKind;
use domain::command::{Actor, AgencyReport, Attempt, Command, ReportedResult};
use domain::event::MissingItem;
use domain::ids::ApplicationId;
use http_kit::testing::{Answer, TestHub};
use platform::apply::{apply, command_key};
use platform::faults::Fault;
use platform::hub::Hub as _;
use platform::store::Store as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{PNG, adult, new_hub};

fn body_with_documents() -> Value {
    let mut body = adult();
    let document = |kind: &str| {
        json!({
            "kind": kind, "media_type": "image/png", "size": PNG.len(), "sha256": STANDARD.encode(Sha256::digest(PNG)),
        })
    };
    body["documents"] = json!([document("household_register"), document("proof_of_residence")]);
    body
}

/// Creates an application and uploads its documents; no S3 event is delivered.
async fn uploaded(test_hub: &TestHub, body: &Value) -> String {
    let answer = test_hub.create("create", body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    for document in answer.body["documents"].as_array().unwrap() {
        let link = serde_json::from_value(document["upload"].clone()).unwrap();
        test_hub.hub.documents.upload(&link, PNG).unwrap();
    }
    answer.id()
}

async fn step(test_hub: &TestHub, id: &str, path: &str, key: &str, body: Value) -> Answer {
    test_hub.post(&format!("/v1/applications/{id}/{path}"), key, &body).await
}

async fn apply_as_hub(test_hub: &TestHub, id: &str, attempt: Attempt) {
    apply(&test_hub.hub, id.parse().unwrap(), &attempt, None).await.unwrap();
}

async fn report_as_agency(test_hub: &TestHub, id: &str, agency: &str, result: ReportedResult) {
    let id: ApplicationId = id.parse().unwrap();
    let seen = test_hub.hub.store().get(id).await.unwrap().unwrap().version();
    let by = Actor::Agency(agency.parse().unwrap());
    let key = command_key(&by, &format!("{result:?}"), b"");
    let attempt = Attempt {
        by,
        key: Some(key),
        command: Command::Report(AgencyReport { seen, result }),
        expected_version: None,
    };
    apply(&test_hub.hub, id, &attempt, None).await.unwrap();
}

async fn dispatch(test_hub: &TestHub, id: &str) {
    let stored = test_hub.hub.store().get(id.parse().unwrap()).await.unwrap().unwrap();
    let message_version = stored.ledger.state().message_version;
    apply_as_hub(test_hub, id, Attempt::hub(Command::Dispatch { message_version })).await;
}

#[tokio::test]
async fn a_submit_names_every_document_that_is_missing() {
    let test_hub = new_hub();
    let id = test_hub.create("create", &adult()).await.id();
    let answer = step(&test_hub, &id, "submit", "s", json!({})).await;
    assert_eq!((answer.status, answer.code()), (409, "documents_missing"));
    assert_eq!(answer.body["missing"], json!(["d1", "d2"]));
}

#[tokio::test]
async fn a_submit_finds_uploads_whose_events_are_not_delivered_yet() {
    let test_hub = new_hub();
    let id = uploaded(&test_hub, &body_with_documents()).await;
    let answer = step(&test_hub, &id, "submit", "s", json!({})).await;
    assert_eq!((answer.status, &answer.body["stage"]), (200, &json!("submitted")), "{}", answer.body);
    assert_eq!(answer.body["missing"], json!([]));
    assert_eq!(answer.body["version"], 4);
    let appends = test_hub.hub.faults.calls().into_iter().filter(|call| *call == "store.append").count();
    assert_eq!(appends, 1, "documents and submission are one write");
}

#[tokio::test]
async fn a_bad_document_is_rejected_and_the_submit_with_it() {
    let test_hub = new_hub();
    let created = test_hub.create("create", &body_with_documents()).await;
    let id = created.id();
    let documents = test_hub.hub.documents.clone();
    documents.put(
        &format!("applications/{id}/d1/0"),
        "image/png",
        Some(DocumentKind::named("household_register").unwrap()),
        PNG,
    );
    documents.put(
        &format!("applications/{id}/d2/0"),
        "image/png",
        Some(DocumentKind::named("proof_of_residence").unwrap()),
        b"<html>",
    );
    let answer = step(&test_hub, &id, "submit", "s", json!({})).await;
    assert_eq!((answer.status, &answer.body["missing"]), (409, &json!(["d2"])), "{}", answer.body);
    // Case A15 of `tests/FIELD_CASES.md`: an upload that was rejected is not "not in yet".
    let told = (&answer.body["errors"][0]["pointer"], &answer.body["errors"][0]["code"]);
    assert_eq!(told, (&json!("/documents/d2"), &json!("document_rejected")));
    let events = test_hub.get(&format!("/v1/applications/{id}/events")).await;
    let last = events.body["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["data"], json!({ "document": "d2", "fault": "content_mismatch" }));
}

#[tokio::test]
async fn a_repeated_command_always_receives_the_same_bytes() {
    let test_hub = new_hub();
    let id = uploaded(&test_hub, &body_with_documents()).await;
    let first = step(&test_hub, &id, "submit", "s", json!({})).await;
    dispatch(&test_hub, &id).await;
    report_as_agency(&test_hub, &id, "11", ReportedResult::Received).await;
    for test_hub in [test_hub.clone(), test_hub.restarted()] {
        let again = step(&test_hub, &id, "submit", "s", json!({})).await;
        assert_eq!((again.status, &again.bytes), (200, &first.bytes));
    }
    // An empty body and an empty object are the same request.
    let path = format!("/v1/applications/{id}/submit");
    let request = test_hub.request("POST", &path, "hohhot-app").header("idempotency-key", "s");
    let again = test_hub.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((again.status, &again.bytes), (200, &first.bytes));
    let other = step(&test_hub, &id, "withdraw", "s", json!({})).await;
    assert_eq!((other.status, other.code()), (422, "key_reused"));
    let late = step(&test_hub, &id, "submit", "another", json!({})).await;
    assert_eq!((late.status, late.code()), (409, "illegal_step"));
}

#[tokio::test]
async fn a_submit_whose_answer_was_lost_can_be_repeated() {
    let calls = {
        let test_hub = new_hub();
        let id = uploaded(&test_hub, &body_with_documents()).await;
        let before = test_hub.hub.faults.calls().len();
        step(&test_hub, &id, "submit", "s", json!({})).await;
        before + 1..=test_hub.hub.faults.calls().len()
    };
    for call in calls {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let test_hub = new_hub();
            let id = uploaded(&test_hub, &body_with_documents()).await;
            test_hub.hub.faults.plan(call, fault);
            assert_eq!(step(&test_hub, &id, "submit", "s", json!({})).await.status, 503, "{call} {fault:?}");
            let answer = step(&test_hub.restarted(), &id, "submit", "s", json!({})).await;
            assert_eq!((answer.status, &answer.body["version"]), (200, &json!(4)), "{call} {fault:?}");
        }
    }
}

#[tokio::test]
async fn submit_of_an_automatically_submitted_application_succeeds() {
    let test_hub = new_hub();
    let mut body = body_with_documents();
    body["submit"] = "when_complete".into();
    let id = uploaded(&test_hub, &body).await;
    let first = step(&test_hub, &id, "submit", "s", json!({})).await;
    assert_eq!((first.status, &first.body["stage"]), (200, &json!("submitted")), "{}", first.body);
    let again = step(&test_hub.restarted(), &id, "submit", "s", json!({})).await;
    assert_eq!((again.status, &again.bytes), (200, &first.bytes));
}

#[tokio::test]
async fn k3_a_submit_of_an_automatically_submitted_application_shows_the_current_version() {
    let test_hub = new_hub();
    let mut body = body_with_documents();
    body["submit"] = "when_complete".into();
    let id = uploaded(&test_hub, &body).await;
    step(&test_hub, &id, "submit", "s", json!({})).await;
    dispatch(&test_hub, &id).await;
    report_as_agency(&test_hub, &id, "11", ReportedResult::Received).await;
    let read = test_hub.get(&format!("/v1/applications/{id}")).await;
    assert_eq!(read.body["stage"], "received");
    for key in ["another", "s"] {
        let late = step(&test_hub, &id, "submit", key, json!({})).await;
        assert_eq!((late.status, &late.bytes), (200, &read.bytes));
        assert_eq!(late.headers["etag"], read.headers["etag"]);
    }
    assert_eq!(step(&test_hub, &id, "withdraw", "w", json!({})).await.body["stage"], "withdrawn");
    assert_eq!(step(&test_hub, &id, "submit", "s", json!({})).await.body["stage"], "withdrawn");
}

#[tokio::test]
async fn a_supplement_needs_every_requested_document() {
    let test_hub = new_hub();
    let id = uploaded(&test_hub, &body_with_documents()).await;
    step(&test_hub, &id, "submit", "s", json!({})).await;
    dispatch(&test_hub, &id).await;
    report_as_agency(&test_hub, &id, "11", ReportedResult::Received).await;
    let items = vec![MissingItem {
        name: "proof_of_work".into(),
        accepts: vec![DocumentKind::named("proof_of_work").unwrap()],
        note: String::new(),
    }];
    report_as_agency(&test_hub, &id, "11", ReportedResult::SupplementRequested { items }).await;
    let answer = step(&test_hub, &id, "supplement", "p", json!({})).await;
    assert_eq!((answer.status, &answer.body["missing"]), (409, &json!(["d3"])));
    test_hub.hub.documents.put(
        &format!("applications/{id}/d3/0"),
        "image/png",
        Some(DocumentKind::named("proof_of_work").unwrap()),
        PNG,
    );
    let answer = step(&test_hub, &id, "supplement", "p", json!({})).await;
    assert_eq!((answer.status, &answer.body["stage"]), (200, &json!("supplemented")), "{}", answer.body);
}

#[tokio::test]
async fn a_result_is_handed_over_once() {
    let test_hub = new_hub();
    let id = uploaded(&test_hub, &body_with_documents()).await;
    step(&test_hub, &id, "submit", "s", json!({})).await;
    dispatch(&test_hub, &id).await;
    for result in
        [ReportedResult::Received, ReportedResult::Signed, ReportedResult::Ready { place: "window 3".into() }]
    {
        report_as_agency(&test_hub, &id, "11", result).await;
    }
    let body = json!({ "confirm": "hand_over", "how": "fingerprint" });
    let answer = step(&test_hub, &id, "confirm", "c", body.clone()).await;
    assert_eq!(
        (answer.status, &answer.body["stage"], &answer.body["final"]),
        (200, &json!("collected"), &json!(true))
    );
    assert_eq!(step(&test_hub, &id, "confirm", "c", body).await.bytes, answer.bytes);
    let other = step(&test_hub, &id, "confirm", "c", json!({ "confirm": "hand_over", "how": "post" })).await;
    assert_eq!(other.code(), "key_reused");
}

#[tokio::test]
async fn the_body_of_a_confirmation_is_checked() {
    let test_hub = new_hub();
    let id = test_hub.create("create", &adult()).await.id();
    for (body, pointer, code) in [
        (json!({}), "/confirm", "required"),
        (json!({ "confirm": "hand_over" }), "/how", "required"),
        (json!({ "confirm": "hand_over", "how": "pigeon" }), "/how", "not_one_of"),
        (json!({ "confirm": "settle", "how": "post" }), "/how", "not_expected"),
        (json!({ "confirm": 1 }), "/confirm", "not_text"),
        (json!({ "confirm": "settle", "note": "" }), "/note", "unknown_field"),
    ] {
        let answer = step(&test_hub, &id, "confirm", "c", body.clone()).await;
        assert_eq!((answer.status, answer.fault(pointer).as_deref()), (422, Some(code)), "{body}");
    }
    let answer = step(&test_hub, &id, "confirm", "c", json!({ "confirm": "settle" })).await;
    assert_eq!((answer.status, answer.code()), (409, "illegal_step"));
    let answer = step(&test_hub, &id, "submit", "c", json!({ "now": true })).await;
    assert_eq!(answer.fault("/now").as_deref(), Some("unknown_field"));
}

#[tokio::test]
async fn events_are_read_page_by_page() {
    let test_hub = new_hub();
    let id = uploaded(&test_hub, &body_with_documents()).await;
    step(&test_hub, &id, "submit", "s", json!({})).await;
    let path = format!("/v1/applications/{id}/events");
    let (mut after, mut versions) = (json!(0), Vec::new());
    loop {
        let page = test_hub.get(&format!("{path}?after={after}&limit=3")).await;
        assert_eq!(page.status, 200);
        versions.extend(page.body["events"].as_array().unwrap().iter().map(|event| event["version"].clone()));
        after = page.body["after"].clone();
        if page.body["more"] == false {
            break;
        }
    }
    assert_eq!(versions, [1, 2, 3, 4]);
    let beyond = test_hub.get(&format!("{path}?after=99")).await;
    assert_eq!((&beyond.body["events"], &beyond.body["after"]), (&json!([]), &json!(99)));
    let last = test_hub.get(&format!("{path}?after=3")).await;
    assert_eq!(
        (&last.body["events"][0]["type"], &last.body["events"][0]["by"]),
        (&json!("application.submitted"), &json!("app"))
    );
}

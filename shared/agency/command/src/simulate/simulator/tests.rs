#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::stage::{Purpose, Stage};
use protocol::report::{Receipt, Report};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;
use agency::journal::JournalEntry;
use agency::testing::{NO_PAUSE, RecordedRequest, RequestLog, agency, case, refusal, test_server};

const REGISTER: &[u8] = b"%PDF-1.4 a household register";

fn payload(request: &RecordedRequest) -> Value {
    let text = request.text();
    let payload = text.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A hub that refuses reports of the kinds in `known` with 409, accepts all others, and serves one document.
fn hub(known: &'static [&'static str]) -> impl Fn(usize, &RecordedRequest) -> Response + Clone {
    move |_, request| match request.path.as_str() {
        "/v1/reports" => {
            let report: Report = serde_json::from_value(payload(request)).unwrap();
            if known.contains(&ReportedResult::kind_of(report.result.step()).unwrap()) {
                return refusal(409, "illegal_step");
            }
            Json(Receipt {
                report_id: report.report_id,
                application: report.application,
                version: report.seen + 1,
                stage: Stage::Received,
                received_at: None,
                receipt: None,
            })
            .into_response()
        }
        "/v1/agency/documents" => {
            let fetch = payload(request)["action"] == "fetch";
            let host = request.headers["host"].to_str().unwrap();
            Json(json!({
                "url": format!("http://{host}/object"), "method": if fetch { "GET" } else { "PUT" },
                "expires_at": "2026-01-01T00:00:00Z",
            }))
            .into_response()
        }
        _ => REGISTER.into_response(),
    }
}

/// The requests to the hub: the kinds of the reports, the actions on documents, the methods on objects.
fn calls(requests: &RequestLog) -> Vec<String> {
    let all = requests.lock().unwrap();
    let name = |request: &RecordedRequest| match request.path.as_str() {
        "/v1/reports" => payload(request)["kind"].as_str().unwrap().to_owned(),
        "/v1/agency/documents" => payload(request)["action"].as_str().unwrap().to_owned(),
        _ => request.method.clone(),
    };
    all.iter().map(name).collect()
}

async fn simulate(
    script: &str,
    case: Case,
    known: &'static [&'static str],
) -> (Result<HandlerOutcome, CaseHandlerError>, RequestLog, Vec<JournalEntry>) {
    let (url, requests) = test_server(hub(known)).await;
    let client = HubClient::new(&agency(&url).0).unwrap().with_retry_policy(NO_PAUSE);
    let entries = Arc::<Mutex<Vec<JournalEntry>>>::default();
    let log = Arc::clone(&entries);
    let journal = ConsumerJournal::new(move |entry| log.lock().unwrap().push(entry.clone()));
    let simulator = Simulator::new(AgencyScript::named(script).unwrap(), journal);
    let ended = simulator.handle(case, &client).await;
    let entries = entries.lock().unwrap().clone();
    (ended, requests, entries)
}

fn with_register(mut case: Case) -> Case {
    case.documents = serde_json::from_value(json!([{
        "id": "d1", "requirement": "household_register", "kind": "household_register",
        "media_type": "application/pdf", "size": REGISTER.len(),
        "sha256": STANDARD.encode(Sha256::digest(REGISTER)),
    }]))
    .unwrap();
    case
}

#[tokio::test]
async fn a_card_is_decided_after_its_documents_were_read() {
    let (ended, requests, entries) = simulate("default", with_register(case(1, 4)), &[]).await;
    assert_eq!(ended.unwrap(), HandlerOutcome::Done);
    let scenario = ["received", "fetch", "GET", "signed", "produced", "ready"];
    assert_eq!(calls(&requests), scenario);
    let seen: Vec<u64> = requests
        .lock()
        .unwrap()
        .iter()
        .filter(|request| request.path == "/v1/reports")
        .map(|request| payload(request)["seen"].as_u64().unwrap())
        .collect();
    assert_eq!(seen, [4, 5, 6, 7], "each report builds on the receipt before it");
    let line = serde_json::to_value(entries.last().unwrap()).unwrap();
    assert_eq!(
        (&line["action"], &line["detail"], &line["version"], &line["agency"]),
        (&json!("report"), &json!("ready"), &json!(8), &json!("11"))
    );
}

#[tokio::test]
async fn a_document_with_a_wrong_checksum_is_not_decided_on() {
    let mut case = with_register(case(1, 4));
    case.documents[0].sha256 = STANDARD.encode(Sha256::digest(b"another"));
    let (ended, requests, _) = simulate("default", case, &[]).await;
    assert!(matches!(ended, Err(CaseHandlerError::HubClient(HubClientError::DocumentMismatch))));
    assert_eq!(calls(&requests), ["received", "fetch", "GET"]);
}

#[tokio::test]
async fn a_certificate_is_uploaded_and_issued() {
    let mut case = case(1, 4);
    case.purpose = Purpose::Certify;
    case.upload = Some("d3".parse().unwrap());
    let (ended, requests, _) = simulate("default", case, &[]).await;
    assert_eq!(ended.unwrap(), HandlerOutcome::Done);
    assert_eq!(calls(&requests), ["received", "upload", "PUT", "issued"]);
    let requests = requests.lock().unwrap();
    let (request, object, issued) = (payload(&requests[1]), &requests[2], payload(&requests[3]));
    assert_eq!(request["size"], object.body.len());
    assert_eq!(request["sha256"], STANDARD.encode(Sha256::digest(&object.body)));
    assert!(object.body.starts_with(b"%PDF-"));
    assert_eq!(issued["document"], "d3");
    let number = issued["certificate"].as_str().unwrap();
    assert!(object.body.windows(number.len()).any(|part| part == number.as_bytes()));
}

#[tokio::test]
async fn a_withdrawn_case_and_a_silent_agency_report_nothing() {
    let mut withdrawn = with_register(case(1, 4));
    withdrawn.notice = NoticeKind::Withdrawn;
    let (ended, requests, _) = simulate("default", withdrawn, &[]).await;
    assert_eq!(ended.unwrap(), HandlerOutcome::Stopped);
    assert!(calls(&requests).is_empty());
    let (ended, requests, _) = simulate("silent", with_register(case(1, 4)), &[]).await;
    assert_eq!(ended.unwrap(), HandlerOutcome::Deferred);
    assert!(calls(&requests).is_empty());
}

#[tokio::test]
async fn the_script_ends_when_the_hub_refuses_a_report() {
    let (ended, requests, entries) = simulate("default", case(1, 4), &["signed"]).await;
    assert_eq!(ended.unwrap(), HandlerOutcome::Overtaken);
    assert_eq!(calls(&requests).last().unwrap(), "signed", "nothing is reported after a refusal");
    let kinds: Vec<_> = entries.iter().map(|entry| entry.action).collect();
    assert_eq!(kinds, ["report", "overtaken"]);
}

/// Follows a script with this behaviour.
async fn misbehave(behaviour: Behaviour) -> (HandlerOutcome, RequestLog, Vec<JournalEntry>) {
    let (url, requests) = test_server(|_, request| {
        if request.path == "/v1/agency/resend" {
            let application = payload(request)["cases"][0]["application"].clone();
            let told = json!({ "application": application, "message": 4, "outcome": "accepted" });
            return Json(json!({ "cases": [told] })).into_response();
        }
        let report: Report = serde_json::from_value(payload(request)).unwrap();
        // The usual order of reports. Each report names the version before it.
        let order = ["received", "signed", "produced", "ready"];
        let kind = ReportedResult::kind_of(report.result.step()).unwrap();
        let next = order.iter().position(|known| *known == kind).unwrap();
        if report.application != agency::testing::application(1) {
            return refusal(404, "not_found");
        }
        if usize::try_from(report.seen).unwrap() != next + 4 {
            return refusal(409, "illegal_step");
        }
        let (report_id, application) = (report.report_id, report.application);
        let version = report.seen + 1;
        let (stage, received_at, receipt) = (Stage::Received, None, None);
        Json(Receipt { report_id, application, version, stage, received_at, receipt }).into_response()
    })
    .await;
    let client = HubClient::new(&agency(&url).0).unwrap().with_retry_policy(NO_PAUSE);
    let entries = Arc::<Mutex<Vec<JournalEntry>>>::default();
    let log = Arc::clone(&entries);
    let journal = ConsumerJournal::new(move |entry| log.lock().unwrap().push(entry.clone()));
    let simulator =
        Simulator::new(AgencyScript::named("default").unwrap(), journal).with_behaviour(behaviour);
    let ended = simulator.handle(case(1, 4), &client).await.unwrap();
    let entries = entries.lock().unwrap().clone();
    (ended, requests, entries)
}

#[tokio::test]
async fn mistakes_are_refused_and_the_case_is_still_decided() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..8 {
        let behaviour = Behaviour { seed, mistakes: 1.0, duplicates: 1.0, ..Behaviour::default() };
        let (ended, _, entries) = misbehave(behaviour).await;
        assert_eq!(ended, HandlerOutcome::Done);
        let told = |what| entries.iter().filter(move |entry| entry.action == what);
        assert_eq!(told("report").count(), 4);
        assert_eq!(
            told("resend_requested").map(|entry| entry.detail.as_str()).collect::<Vec<_>>(),
            ["accepted"]
        );
        kinds.extend(told("mistake").map(|entry| entry.detail.clone()));
    }
    let kinds: Vec<_> = kinds.iter().map(String::as_str).collect();
    assert_eq!(
        kinds,
        ["again: taken", "early: 409 illegal_step", "stale: 409 illegal_step", "unknown: 404 not_found"]
    );
}

#[tokio::test]
async fn the_same_seed_makes_the_same_mistakes() {
    let behaviour = Behaviour { seed: 3, mistakes: 0.5, ..Behaviour::default() };
    let (_, first, _) = misbehave(behaviour).await;
    let (_, second, _) = misbehave(behaviour).await;
    let said = |requests: RequestLog| {
        requests.lock().unwrap().iter().map(|request| payload(request)["kind"].clone()).collect()
    };
    let (first, second): (Vec<_>, Vec<_>) = (said(first), said(second));
    assert!(first.len() >= 4);
    assert_eq!(first, second);
}

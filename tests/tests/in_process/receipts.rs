//! Proof of time: the time in the signed case, signed receipts of reports, and the list of an agency's own reports.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use domain::command::ReportedResult;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use protocol::case::{CASE_TYP, Case};
use protocol::jose::{JoseError, KeySet, PublicKey, verify};
use protocol::operations::operation::Function;
use protocol::receipts::{RECEIPT_TYP, REPORTS_TYP, ReportOutcome, ReportsPage, SignedReceipt};
use protocol::report::Receipt;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::crash_harness::{Answer, BEIJING, CrashHarness, SHANDONG};
use crate::rows::{only_application, with_a_case};

/// The key that the hub publishes.
async fn hub_key(harness: &CrashHarness) -> PublicKey {
    let request = Request::get("/.well-known/jwks.json").body(Body::empty()).expect("a request");
    let answer = harness.routes(Function::Intake).oneshot(request).await.expect("an answer");
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    let set = KeySet::parse(std::str::from_utf8(&body).expect("a text")).expect("a key set");
    set.keys()[0].clone()
}

fn receipt_of(answer: &Value, key: &PublicKey) -> SignedReceipt {
    verify(RECEIPT_TYP, answer["receipt"].as_str().expect("a receipt"), [key]).expect("a receipt of the hub")
}

fn sha256(jws: &str) -> String {
    Sha256::digest(jws).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn listed(harness: &CrashHarness, agency: &str, request: &Value) -> Answer {
    harness.open_cases_request(agency, "/v1/agency/reports", REPORTS_TYP, request).await
}

/// All pages of the agency's reports, with this many on a page.
async fn all_listed(harness: &CrashHarness, agency: &str, case: &Case, limit: usize) -> Vec<Value> {
    let (mut reports, mut after) = (Vec::new(), Value::Null);
    for _ in 0..20 {
        let mut request = json!({ "application": case.application, "limit": limit });
        if after.is_string() {
            request["after"] = after.clone();
        }
        let page = listed(harness, agency, &request).await.body(200);
        let _readable: ReportsPage = serde_json::from_value(page.clone()).expect("a page");
        let found = page["reports"].as_array().expect("reports");
        assert!(found.len() <= limit, "{page}");
        reports.extend(found.iter().cloned());
        after = page["next"].clone();
        if after.is_null() {
            return reports;
        }
    }
    panic!("a list without an end");
}

/// Outcome and reason or kind of each report.
fn outcomes(reports: &[Value]) -> Vec<String> {
    let text = |report: &Value, name: &str| report[name].as_str().unwrap_or_default().to_owned();
    let outcome = |report: &Value| {
        format!("{} {}{}", text(report, "outcome"), text(report, "kind"), text(report, "reason"))
    };
    reports.iter().map(outcome).collect()
}

#[tokio::test]
async fn a20_a_signed_case_says_when_it_was_signed() {
    let (harness, case) = with_a_case().await;
    let now = harness.hub.clock.now().as_second();
    assert!(case.iat.is_some_and(|iat| (now - iat).abs() <= 1), "{:?}", case.iat);
    let mut earlier = serde_json::to_value(&case).expect("JSON");
    earlier.as_object_mut().expect("an object").remove("iat");
    let read: Case = serde_json::from_value(earlier).expect("a case of an earlier version");
    assert_eq!(read.iat, None);
}

#[tokio::test]
async fn a20_an_accepted_report_gets_a_signed_receipt_and_its_repeat_the_same() {
    let (harness, case) = with_a_case().await;
    let key = hub_key(&harness).await;
    let result = ReportedResult::Received;
    let jws = harness.signed(BEIJING, case.application, case.version, result);
    let answer = harness.report(&jws).await.body(200);
    let receipt = receipt_of(&answer, &key);
    let read: Receipt = serde_json::from_value(answer.clone()).expect("an answer");
    let recorded = only_application(&harness).await.ledger.entries().last().expect("an entry").entry.clone();
    assert_eq!(receipt.report_id, Some(read.report_id));
    assert_eq!((receipt.application, receipt.version), (Some(case.application), Some(read.version)));
    assert_eq!((receipt.outcome, receipt.kind.as_deref()), (ReportOutcome::Accepted, Some("received")));
    assert_eq!((receipt.agency.to_string().as_str(), receipt.stage), (BEIJING, Some(read.stage)));
    assert_eq!(receipt.report_sha256, sha256(&jws));
    assert_eq!((receipt.received_at, Some(receipt.received_at)), (recorded.at, read.received_at));
    assert_eq!(receipt.iat, recorded.at.as_second());
    let jws_of = answer["receipt"].as_str().expect("a receipt");
    assert_eq!(verify::<Value>(CASE_TYP, jws_of, [&key]), Err(JoseError::Header), "a receipt is no case");

    let signed = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    harness.report(&signed).await.body(200);
    harness.hub.clock.advance(SignedDuration::from_mins(40));
    assert_eq!(harness.report(&jws).await.body(200), answer, "the same bytes, the same answer");
}

#[tokio::test]
async fn a20_a_report_that_is_signed_again_gets_the_receipt_of_the_first() {
    let (harness, case) = with_a_case().await;
    let key = hub_key(&harness).await;
    let report = |iat: i64, id: &str| {
        json!({ "report_id": id, "application": case.application, "agency": BEIJING, "seen": case.version,
            "iat": iat, "kind": "received" })
    };
    let (id, now) = (Uuid::new_v4().to_string(), harness.hub.clock.now().as_second());
    let first = harness.signed_payload(BEIJING, &report(now, &id));
    let answer = harness.report(&first).await.body(200);
    harness.hub.clock.advance(SignedDuration::from_mins(40));
    let again = harness.signed_payload(BEIJING, &report(harness.hub.clock.now().as_second(), &id));
    assert_ne!(again, first);
    let repeated = harness.report(&again).await.body(200);
    assert_eq!(repeated, answer);
    assert_eq!(receipt_of(&repeated, &key).report_sha256, sha256(&first), "the recorded signature counts");
}

#[tokio::test]
async fn a20_a_refused_report_gets_a_receipt_with_its_reason() {
    let (harness, case) = with_a_case().await;
    let key = hub_key(&harness).await;
    let early = harness.signed(BEIJING, case.application, case.version, ReportedResult::Signed);
    let problem = harness.report(&early).await.body(409);
    let receipt = receipt_of(&problem, &key);
    assert_eq!((receipt.outcome, receipt.reason.as_deref()), (ReportOutcome::Refused, Some("illegal_step")));
    assert_eq!((receipt.application, receipt.version), (Some(case.application), None));
    assert_eq!(receipt.report_sha256, sha256(&early));
    let nothing = harness.signed_payload(BEIJING, &json!({}));
    let receipt = receipt_of(&harness.report(&nothing).await.body(422), &key);
    assert_eq!((receipt.application, receipt.report_id), (None, None), "the payload names nothing");
    let unsigned = harness.report("a.b.c").await.body(400);
    assert!(unsigned["receipt"].is_null(), "nobody signed it, and nothing was recorded");
}

#[tokio::test]
async fn a20_an_agency_lists_its_reports_of_both_ways_with_their_outcome() {
    let (harness, case) = with_a_case().await;
    let key = hub_key(&harness).await;
    let now = harness.hub.clock.now();
    let sign = |result| harness.signed(BEIJING, case.application, case.version, result);
    assert_eq!(all_listed(&harness, BEIJING, &case, 100).await, Vec::<Value>::new());
    // By the queue: an early report is held, then refused in the end; another one is held and accepted later.
    let (produced, signed) = (sign(ReportedResult::Produced), sign(ReportedResult::Signed));
    for held in [&produced, &signed] {
        assert_eq!(harness.reports_queued(&[held.as_str()], now).await, Answer::Batch(1));
    }
    let held = all_listed(&harness, BEIJING, &case, 100).await;
    assert_eq!(outcomes(&held), ["held ", "held "]);
    assert!(held.iter().all(|report| report["receipt"].is_null()), "{held:?}");
    assert_eq!(harness.reports_queued_again(&[&produced], now, 25).await, Answer::Batch(0));
    let received = sign(ReportedResult::Received);
    harness.report(&received).await.body(200);
    assert_eq!(harness.reports_queued_again(&[&signed], now, 2).await, Answer::Batch(0));
    // By HTTP: a report on a version that does not exist.
    let stale = harness.signed(BEIJING, case.application, 90, ReportedResult::Produced);
    harness.report(&stale).await.body(409);

    let all = all_listed(&harness, BEIJING, &case, 100).await;
    assert_eq!(outcomes(&all)[..2], ["accepted received", "accepted signed"]);
    let mut refused = outcomes(&all)[2..].to_vec();
    refused.sort();
    assert_eq!(refused, ["refused illegal_step", "refused stale_version"], "no report is held any more");
    let sums: Vec<&str> = all.iter().filter_map(|report| report["report_sha256"].as_str()).collect();
    for jws in [&received, &signed, &produced, &stale] {
        assert!(sums.contains(&sha256(jws).as_str()));
    }
    for report in &all {
        let receipt = receipt_of(report, &key);
        let mut said = report.clone();
        said.as_object_mut().expect("an object").remove("receipt");
        assert_eq!(serde_json::to_value(receipt).expect("JSON"), said, "the receipt says the same");
    }
    for limit in 1..=3 {
        assert_eq!(all_listed(&harness, BEIJING, &case, limit).await, all, "{limit} on a page");
    }
    let first = harness.report(&received).await.body(200);
    assert_eq!(first["receipt"], all[0]["receipt"], "the list has the receipt of the answer");
}

#[tokio::test]
async fn a20_another_agencys_reports_are_not_listed() {
    let (harness, case) = with_a_case().await;
    harness
        .report(&harness.signed(BEIJING, case.application, case.version, ReportedResult::Received))
        .await
        .body(200);
    let foreign = harness.signed(SHANDONG, case.application, case.version, ReportedResult::Signed);
    harness.report(&foreign).await.body(404);
    let request = json!({ "application": case.application });
    let refused = listed(&harness, SHANDONG, &request).await.body(404);
    let mut unknown = request.clone();
    unknown["application"] = json!("0190f4c0-0000-8000-8000-000000000009");
    assert_eq!(refused["type"], listed(&harness, SHANDONG, &unknown).await.body(404)["type"]);
    assert_eq!(outcomes(&all_listed(&harness, BEIJING, &case, 100).await), ["accepted received"]);
    for (member, wrong) in [("limit", json!(0)), ("limit", json!(101)), ("after", json!("AAAAAAAAAAAAAAAA"))]
    {
        let mut request = request.clone();
        request[member] = wrong;
        let problem = listed(&harness, BEIJING, &request).await.body(422);
        assert_eq!(problem["errors"][0]["pointer"], format!("/{member}"), "{problem}");
    }
}

/// The record has only the hash of a large report.
#[tokio::test]
async fn a20_a_large_report_is_listed_with_its_id_and_receipt() {
    let (harness, case) = with_a_case().await;
    let key = hub_key(&harness).await;
    let received = harness.signed(BEIJING, case.application, case.version, ReportedResult::Received);
    harness.report(&received).await.body(200);
    let item = |number: usize| json!({ "name": format!("paper {number}"), "accepts": ["other"], "note": "补".repeat(200) });
    let large = json!({
        "report_id": Uuid::new_v4(), "application": case.application, "agency": BEIJING, "seen": case.version,
        "iat": harness.hub.clock.now().as_second(), "kind": "supplement_requested",
        "items": (0..10).map(item).collect::<Vec<Value>>(),
    });
    let answer = harness.report(&harness.signed_payload(BEIJING, &large)).await.body(200);
    let all = all_listed(&harness, BEIJING, &case, 100).await;
    assert_eq!(outcomes(&all), ["accepted received", "accepted supplement_requested"]);
    assert_eq!((&all[1]["report_id"], &all[1]["receipt"]), (&large["report_id"], &answer["receipt"]));
    receipt_of(&all[1], &key);
}

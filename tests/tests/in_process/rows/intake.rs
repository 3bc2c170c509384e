//! Faults in requests of app backends.

use std::collections::BTreeSet;
use std::sync::Arc;

use app_client::SampleDocument;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::faults::Fault;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{APPLICATIONS, count_events, only_application, sample_documents, with_a_draft};
use crate::case_scenario::{TENANT, body};
use crate::crash_harness::{Answer, CrashHarness};

/// Creates an application in another hub to learn the number of the call that writes.
async fn write_of_a_creation() -> usize {
    let harness = CrashHarness::new();
    harness.hub.faults.restart();
    harness.post(TENANT, APPLICATIONS, "a-key", &body(&sample_documents())).await.body(201);
    let calls = harness.hub.faults.calls();
    calls.iter().position(|call| *call == "store.create").expect("a write") + 1
}

/// Row 1 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_retry_after_a_crash_before_the_write_creates_one_application() {
    let mut harness = CrashHarness::new();
    let body = body(&sample_documents());
    harness.hub.faults.plan(write_of_a_creation().await, Fault::DiesBefore);
    assert!(!harness.post(TENANT, APPLICATIONS, "a-key", &body).await.is_final());
    harness.restart();
    assert!(harness.stored().await.is_empty());
    harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    only_application(&harness).await;
}

/// Row 2 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_retry_after_a_lost_answer_gets_the_same_id_and_body() {
    let mut harness = CrashHarness::new();
    let body = body(&sample_documents());
    harness.hub.faults.plan(write_of_a_creation().await, Fault::DiesAfter);
    assert!(!harness.post(TENANT, APPLICATIONS, "a-key", &body).await.is_final());
    harness.restart();
    let stored = only_application(&harness).await;
    let first = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    assert_eq!(first["id"], json!(stored.id()));
    let second = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    assert_eq!(first, second, "the clock is stopped, so the links are the same too");
    assert_eq!(only_application(&harness).await, stored);
}

/// Row 3 of `tests/FAULTS.md`.
#[tokio::test]
async fn one_key_with_another_body_is_refused_and_changes_nothing() {
    let (harness, _) = with_a_draft().await;
    let stored = only_application(&harness).await;
    let other = body(&sample_documents());
    let refused = harness.post(TENANT, APPLICATIONS, "a-key", &other).await.body(422);
    assert_eq!(refused["type"], "/problems/key_reused");
    assert_eq!(only_application(&harness).await, stored, "the refused request changed the application");
}

/// Row 4 of `tests/FAULTS.md`.
#[tokio::test]
async fn one_key_of_two_tenants_makes_two_applications() {
    let harness = CrashHarness::new();
    let body = body(&sample_documents());
    let one = harness.post("one-app", APPLICATIONS, "a-key", &body).await.body(201);
    let two = harness.post("two-app", APPLICATIONS, "a-key", &body).await.body(201);
    assert_ne!(one["id"], two["id"]);
    assert_eq!(harness.stored().await.len(), 2);
}

/// Row 5 of `tests/FAULTS.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_requests_with_one_key_make_one_application() {
    let harness = Arc::new(CrashHarness::new());
    let body = body(&sample_documents());
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (harness, body) = (harness.clone(), body.clone());
        requests.spawn(async move { harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201) });
    }
    let answers: BTreeSet<String> = requests.join_all().await.iter().map(Value::to_string).collect();
    assert_eq!(answers.len(), 1, "all requests get the same answer");
    only_application(&harness).await;
}

/// Row 6 of `tests/FAULTS.md`.
#[tokio::test]
async fn one_key_gives_the_same_application_after_a_day_and_a_month() {
    let harness = CrashHarness::new();
    let body = body(&sample_documents());
    let first = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    for days in [1, 30] {
        harness.hub.clock.advance(SignedDuration::from_hours(24 * days));
        let again = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
        assert_eq!(again["id"], first["id"]);
    }
    only_application(&harness).await;
}

/// The app submits an application while its last uploads are being recorded.
/// Row 8 of `tests/FAULTS.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_submission_during_the_uploads_is_never_a_conflict() {
    for _ in 0..30 {
        let harness = CrashHarness::new();
        let mut body = body(&sample_documents());
        body["submit"] = json!("manual");
        let documents = sample_documents();
        body["documents"] = documents.iter().map(SampleDocument::declaration).collect();
        let created = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
        let keys = harness.upload(&created, &documents);
        let path = format!("{APPLICATIONS}/{}/submit", only_application(&harness).await.id());
        let harness = Arc::new(harness);
        let hub = harness.clone();
        let uploads = tokio::spawn(async move { hub.uploaded(&keys).await });
        let submitted = harness.post(TENANT, &path, "submit", &json!({})).await.body(200);
        assert_eq!(submitted["stage"], "submitted");
        assert_eq!(uploads.await.expect("an answer"), Answer::Batch(0));
        assert_eq!(count_events(&harness, "document_stored").await, 2);
    }
}

/// Uploads are recorded while the app withdraws and submits. In every order no caller gets a conflict that another
/// writer caused.
/// Row 8 of `tests/FAULTS.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_withdrawal_during_the_uploads_is_never_a_conflict() {
    for _ in 0..20 {
        let (harness, keys) = with_a_draft().await;
        let harness = Arc::new(harness);
        let path = format!("{APPLICATIONS}/{}/withdraw", only_application(&harness).await.id());
        let mut writers = JoinSet::new();
        for key in keys {
            let harness = harness.clone();
            writers.spawn(async move { harness.uploaded(&[key]).await });
        }
        let app = harness.clone();
        writers.spawn(async move { app.post(TENANT, &path, "withdraw", &json!({})).await });
        for answer in writers.join_all().await {
            match answer {
                Answer::Batch(failed) => assert_eq!(failed, 0),
                Answer::Http(status, body) => assert_eq!(status, 200, "{body}"),
                Answer::Swept(_) => panic!("no sweep was requested"),
            }
        }
        assert_eq!(only_application(&harness).await.ledger.state().stage, Stage::Withdrawn);
    }
}

/// Every call is throttled once: the app gets 503 with `Retry-After`, and its retry succeeds.
/// Row 7 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_throttled_call_is_answered_503_and_its_retry_succeeds() {
    for call in 1..=write_of_a_creation().await {
        let harness = CrashHarness::new();
        let body = body(&sample_documents());
        harness.hub.faults.plan(call, Fault::Throttled);
        let throttled = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(503);
        assert_eq!(throttled["type"], "/problems/throttled");
        assert!(harness.stored().await.is_empty());
        harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    }
}

/// Without the KMS key the hub stores nothing, neither encrypted nor plain.
/// Row 46 of `tests/FAULTS.md`.
#[tokio::test]
async fn intake_stores_nothing_when_the_key_is_denied() {
    let harness = CrashHarness::new();
    let body = body(&sample_documents());
    harness.hub.faults.restart();
    harness.hub.faults.plan(2, Fault::Before);
    harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(503);
    assert_eq!(
        harness.hub.faults.calls(),
        ["agency_registry.overrides", "vault.encrypt"],
        "the hub makes another call than these"
    );
    harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
}

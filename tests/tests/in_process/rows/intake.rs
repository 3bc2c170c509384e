//! What app backends send, and what comes of it when something fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use app_client::SampleDocument;
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::faults::Fault;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{APPLICATIONS, count, only, papers, with_a_draft};
use crate::crash_harness::{Answer, CrashHarness};
use crate::journey::{TENANT, body};

/// Runs a creation beside the hub to learn which call is the write.
async fn write_of_a_creation() -> usize {
    let harness = CrashHarness::new();
    harness.hub.faults.restart();
    harness.post(TENANT, APPLICATIONS, "a-key", &body(&papers())).await.body(201);
    let calls = harness.hub.faults.calls();
    calls.iter().position(|call| *call == "store.create").expect("a write") + 1
}

#[tokio::test]
async fn row_01_a_retry_after_a_crash_before_the_write_creates_one_application() {
    let mut harness = CrashHarness::new();
    let body = body(&papers());
    harness.hub.faults.plan(write_of_a_creation().await, Fault::DiesBefore);
    assert!(!harness.post(TENANT, APPLICATIONS, "a-key", &body).await.is_settled());
    harness.restart();
    assert!(harness.stored().await.is_empty());
    harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    only(&harness).await;
}

#[tokio::test]
async fn row_02_a_retry_after_a_lost_answer_gets_the_same_id_and_body() {
    let mut harness = CrashHarness::new();
    let body = body(&papers());
    harness.hub.faults.plan(write_of_a_creation().await, Fault::DiesAfter);
    assert!(!harness.post(TENANT, APPLICATIONS, "a-key", &body).await.is_settled());
    harness.restart();
    let stored = only(&harness).await;
    let first = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    assert_eq!(first["id"], json!(stored.id()));
    let second = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    assert_eq!(first, second, "the clock stands, so the links are the same too");
    assert_eq!(only(&harness).await, stored);
}

#[tokio::test]
async fn row_03_one_key_with_another_body_is_refused_and_changes_nothing() {
    let (harness, _) = with_a_draft().await;
    let stored = only(&harness).await;
    let other = body(&papers());
    let refused = harness.post(TENANT, APPLICATIONS, "a-key", &other).await.body(422);
    assert_eq!(refused["type"], "/problems/key_reused");
    assert_eq!(only(&harness).await, stored, "nothing changed");
}

#[tokio::test]
async fn row_04_one_key_of_two_tenants_makes_two_applications() {
    let harness = CrashHarness::new();
    let body = body(&papers());
    let one = harness.post("one-app", APPLICATIONS, "a-key", &body).await.body(201);
    let two = harness.post("two-app", APPLICATIONS, "a-key", &body).await.body(201);
    assert_ne!(one["id"], two["id"]);
    assert_eq!(harness.stored().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_05_a_hundred_concurrent_requests_with_one_key_make_one_application() {
    let harness = Arc::new(CrashHarness::new());
    let body = body(&papers());
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (harness, body) = (harness.clone(), body.clone());
        requests.spawn(async move { harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201) });
    }
    let answers: BTreeSet<String> = requests.join_all().await.iter().map(Value::to_string).collect();
    assert_eq!(answers.len(), 1, "one answer");
    only(&harness).await;
}

#[tokio::test]
async fn row_06_one_key_is_the_same_application_after_a_day_and_a_month() {
    let harness = CrashHarness::new();
    let body = body(&papers());
    let first = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    for days in [1, 30] {
        harness.hub.clock.advance(SignedDuration::from_hours(24 * days));
        let again = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
        assert_eq!(again["id"], first["id"]);
    }
    only(&harness).await;
}

/// An application is handed in while its last uploads are being recorded: it is complete, so it is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_08_a_submission_during_the_uploads_is_never_a_conflict() {
    for _ in 0..30 {
        let harness = CrashHarness::new();
        let mut by_hand = body(&papers());
        by_hand["submit"] = json!("manual");
        let papers = papers();
        by_hand["documents"] = papers.iter().map(SampleDocument::declaration).collect();
        let created = harness.post(TENANT, APPLICATIONS, "a-key", &by_hand).await.body(201);
        let keys = harness.upload(&created, &papers);
        let path = format!("{APPLICATIONS}/{}/submit", only(&harness).await.id());
        let harness = Arc::new(harness);
        let told = harness.clone();
        let told = tokio::spawn(async move { told.uploaded(&keys).await });
        let submitted = harness.post(TENANT, &path, "submit", &json!({})).await.body(200);
        assert_eq!(submitted["stage"], "submitted");
        assert_eq!(told.await.expect("an answer"), Answer::Batch(0));
        assert_eq!(count(&harness, "document_stored").await, 2);
    }
}

/// Two writers at once: uploads are recorded while the app withdraws and submits. Whatever wins, nobody is
/// told of a conflict that is not theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_08_a_withdrawal_during_the_uploads_is_never_a_conflict() {
    for _ in 0..20 {
        let (harness, keys) = with_a_draft().await;
        let harness = Arc::new(harness);
        let path = format!("{APPLICATIONS}/{}/withdraw", only(&harness).await.id());
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
                Answer::Swept(_) => panic!("nobody sweeps"),
            }
        }
        assert_eq!(only(&harness).await.ledger.state().stage, Stage::Withdrawn);
    }
}

/// Every call is throttled once: the app is told to come again, and then is served.
#[tokio::test]
async fn row_07_a_throttled_call_is_answered_503_and_its_retry_succeeds() {
    for call in 1..=write_of_a_creation().await {
        let harness = CrashHarness::new();
        let body = body(&papers());
        harness.hub.faults.plan(call, Fault::Throttled);
        let told = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(503);
        assert_eq!(told["type"], "/problems/throttled");
        assert!(harness.stored().await.is_empty());
        harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    }
}

/// Without the key nothing is kept, sealed or not.
#[tokio::test]
async fn row_46_intake_stores_nothing_when_the_key_is_denied() {
    let harness = CrashHarness::new();
    let body = body(&papers());
    harness.hub.faults.restart();
    harness.hub.faults.plan(2, Fault::Before);
    harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(503);
    assert_eq!(
        harness.hub.faults.calls(),
        ["agency_registry.overrides", "vault.encrypt"],
        "and nothing is written"
    );
    harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
}

//! Faults to survive, each by its row in the list of faults.

mod agencies;
mod callbacks;
mod documents;
mod intake;
mod open_cases;
mod router;
mod signatures;

use app_client::SampleDocument;
use platform::store::StoredApplication;
use serde_json::Value;

use crate::crash_harness::{Answer, BEIJING, CrashHarness, change};
use crate::journey::{TENANT, body};

const APPLICATIONS: &str = "/v1/applications";

fn papers() -> Vec<SampleDocument> {
    vec![SampleDocument::pdf("household_register", "one"), SampleDocument::jpeg("proof_of_work", "two")]
}

/// A hub with one draft in it, its papers uploaded but S3 not yet heard of; the objects' keys.
async fn with_a_draft() -> (CrashHarness, Vec<String>) {
    let harness = CrashHarness::new();
    let keys = file(&harness, TENANT, "a-key").await;
    (harness, keys)
}

/// Creates an application and uploads its papers; the objects' keys.
async fn file(harness: &CrashHarness, tenant: &str, key: &str) -> Vec<String> {
    let papers = papers();
    let created = harness.post(tenant, APPLICATIONS, key, &body(&papers)).await.body(201);
    harness.upload(&created, &papers)
}

/// A hub whose one application lies in Beijing's queue.
async fn with_a_case() -> (CrashHarness, protocol::case::Case) {
    let (harness, keys) = with_a_draft().await;
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(harness.show(&[submission(&harness).await]).await, Answer::Batch(0));
    let message = harness.take(BEIJING).pop().expect("a case");
    let case = harness.opened(BEIJING, &message);
    (harness, case)
}

async fn only(harness: &CrashHarness) -> StoredApplication {
    let mut stored = harness.stored().await;
    assert_eq!(stored.len(), 1, "one application");
    stored.remove(0)
}

/// The record of the stream that shows the documents and the submission.
async fn submission(harness: &CrashHarness) -> Value {
    let stored = only(harness).await;
    change(&stored, 1, stored.version())
}

/// How often something happened.
async fn count(harness: &CrashHarness, name: &str) -> usize {
    only(harness).await.ledger.lines().iter().filter(|line| line.entry.event.name() == name).count()
}

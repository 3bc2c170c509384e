//! The faults of `tests/FAULTS.md`. Each test cites its row.

mod agencies;
mod callbacks;
mod documents;
mod drafts;
mod duplicates;
mod intake;
mod open_cases;
mod rollback;
mod router;
mod shard;
mod signatures;

use app_client::SampleDocument;
use platform::store::StoredApplication;
use serde_json::Value;

use crate::case_scenario::{TENANT, body};
use crate::crash_harness::{Answer, BEIJING, CrashHarness};
use crate::records::stream_record;

pub(crate) const APPLICATIONS: &str = "/v1/applications";

fn sample_documents() -> Vec<SampleDocument> {
    vec![SampleDocument::pdf("household_register", "one"), SampleDocument::jpeg("proof_of_work", "two")]
}

/// A hub with one draft whose documents are uploaded, without the S3 events. Also returns the object keys.
async fn with_a_draft() -> (CrashHarness, Vec<String>) {
    let harness = CrashHarness::new();
    let keys = file(&harness, TENANT, "a-key").await;
    (harness, keys)
}

/// Creates an application and uploads its documents. Returns the object keys.
async fn file(harness: &CrashHarness, tenant: &str, key: &str) -> Vec<String> {
    let documents = sample_documents();
    let created = harness.post(tenant, APPLICATIONS, key, &body(&documents)).await.body(201);
    harness.upload(&created, &documents)
}

/// A hub with one application, whose case the agency of Beijing has received from its queue.
pub(crate) async fn with_a_case() -> (CrashHarness, protocol::case::Case) {
    let (harness, keys) = with_a_draft().await;
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(harness.stream_records(&[submission(&harness).await]).await, Answer::Batch(0));
    let message = harness.take(BEIJING).pop().expect("a case");
    let case = harness.opened(BEIJING, &message);
    (harness, case)
}

pub(crate) async fn only_application(harness: &CrashHarness) -> StoredApplication {
    let mut stored = harness.stored().await;
    assert_eq!(stored.len(), 1, "number of applications");
    stored.remove(0)
}

/// The stream record of the documents and the submission.
pub(crate) async fn submission(harness: &CrashHarness) -> Value {
    let stored = only_application(harness).await;
    stream_record(&stored, 1, stored.version())
}

/// Number of events with this name.
async fn count_events(harness: &CrashHarness, name: &str) -> usize {
    only_application(harness)
        .await
        .ledger
        .entries()
        .iter()
        .filter(|line| line.entry.event.name() == name)
        .count()
}

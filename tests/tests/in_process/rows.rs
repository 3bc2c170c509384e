//! Faults to survive, each by its row in the list of faults.

mod agencies;
mod backlog;
mod documents;
mod intake;
mod router;
mod signatures;
mod webhooks;

use platform::store::Kept;
use serde_json::Value;
use tongban_tests::papers::Paper;

use crate::journey::{TENANT, body};
use crate::rehearsal::{Answer, BEIJING, Rehearsal, change};

const APPLICATIONS: &str = "/v1/applications";

fn papers() -> Vec<Paper> {
    vec![Paper::pdf("household_register", "one"), Paper::jpeg("proof_of_work", "two")]
}

/// A hub with one draft in it, its papers uploaded but S3 not yet heard of; the objects' keys.
async fn with_a_draft() -> (Rehearsal, Vec<String>) {
    let rehearsal = Rehearsal::new();
    let keys = file(&rehearsal, TENANT, "a-key").await;
    (rehearsal, keys)
}

/// Creates an application and uploads its papers; the objects' keys.
async fn file(rehearsal: &Rehearsal, tenant: &str, key: &str) -> Vec<String> {
    let papers = papers();
    let created = rehearsal.post(tenant, APPLICATIONS, key, &body(&papers)).await.body(201);
    rehearsal.upload(&created, &papers)
}

/// A hub whose one application lies in Beijing's queue.
async fn with_a_case() -> (Rehearsal, protocol::case::Case) {
    let (rehearsal, keys) = with_a_draft().await;
    assert_eq!(rehearsal.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(rehearsal.show(&[submission(&rehearsal).await]).await, Answer::Batch(0));
    let message = rehearsal.take(BEIJING).pop().expect("a case");
    let case = rehearsal.opened(BEIJING, &message);
    (rehearsal, case)
}

async fn only(rehearsal: &Rehearsal) -> Kept {
    let mut kept = rehearsal.kept().await;
    assert_eq!(kept.len(), 1, "one application");
    kept.remove(0)
}

/// The record of the stream that shows the documents and the submission.
async fn submission(rehearsal: &Rehearsal) -> Value {
    let kept = only(rehearsal).await;
    change(&kept, 1, kept.version())
}

/// How often something happened.
async fn count(rehearsal: &Rehearsal, name: &str) -> usize {
    only(rehearsal).await.ledger.lines().iter().filter(|line| line.entry.event.name() == name).count()
}

//! Faults in uploads and S3 events.

use app_client::SampleDocument;
use domain::event::{DocumentFault, Event};
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::faults::Fault;
use protocol::report::{DocumentAction, DocumentRequest, Link};

use super::{APPLICATIONS, count_events, only_application, sample_documents, with_a_case, with_a_draft};
use crate::case_scenario::{TENANT, body};
use crate::crash_harness::{Answer, BEIJING, CrashHarness};

/// The write committed and its answer was lost. A repeat of the same write recognises the first write.
/// Row 9 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_repeated_write_that_had_committed_is_recognised() {
    let (harness, keys) = with_a_draft().await;
    harness.hub.faults.restart();
    harness.hub.faults.plan(4, Fault::AnswerLost);
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(2), "the outcome of both writes is unknown");
    assert_eq!(harness.hub.faults.calls().last(), Some(&"store.append"));
    let written = only_application(&harness).await;
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(only_application(&harness).await, written, "nothing is written twice");
}

/// Row 30 of `tests/FAULTS.md`.
#[tokio::test]
async fn a_repeated_or_reordered_s3_event_has_no_second_effect() {
    let (harness, keys) = with_a_draft().await;
    let reversed: Vec<String> = keys.iter().rev().cloned().collect();
    for event_keys in [&reversed[..1], &reversed, &keys, &keys[..1]] {
        assert_eq!(harness.uploaded(event_keys).await, Answer::Batch(0));
    }
    assert_eq!(count_events(&harness, "document_stored").await, 2);
    assert_eq!(count_events(&harness, "submitted").await, 1);
}

/// Row 31 of `tests/FAULTS.md`.
#[tokio::test]
async fn the_sweeper_finds_an_upload_without_an_s3_event() {
    let (harness, _) = with_a_draft().await;
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    harness.sweep().await;
    let stored = only_application(&harness).await;
    assert!(stored.ledger.entries().iter().any(|line| matches!(line.entry.event, Event::Submitted { .. })));
    assert_eq!(stored.ledger.state().stage, Stage::Dispatched, "the sweeper dispatches the case");
    assert_eq!(harness.take(BEIJING).len(), 1);
}

/// The verified version is pinned: a later object under the same key is ignored, even with an S3 event.
/// Row 32 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_overwrite_is_ignored_and_the_verified_version_is_served() {
    let (harness, case) = with_a_case().await;
    let before = only_application(&harness).await;
    let document = &case.documents[0];
    let key = before.ledger.state().documents[0].object_key(case.application);
    harness.hub.documents.put(&key, "application/pdf", None, b"%PDF-1.4 another");
    assert_eq!(harness.uploaded(&[key]).await, Answer::Batch(0));
    assert_eq!(only_application(&harness).await, before);
    let request = DocumentRequest {
        agency: BEIJING.parse().expect("an agency code"),
        application: case.application,
        iat: harness.hub.clock.now().as_second(),
        action: DocumentAction::Fetch { document: document.id },
    };
    let link: Link =
        serde_json::from_value(harness.agency_document(&request).await.body(200)).expect("a link");
    let bytes = harness.hub.documents.fetch(&link).expect("an object");
    let fetched =
        SampleDocument { kind: "household_register".to_owned(), media_type: "application/pdf", bytes };
    assert_eq!(fetched.sha256(), document.sha256);
}

/// S3 refuses content that differs from the signed link. The hub rejects a wrong object that S3 accepted, records the
/// rejection, and keeps the slot open.
/// Row 33 of `tests/FAULTS.md`.
#[tokio::test]
async fn wrong_uploads_are_refused_and_the_slot_stays_open() {
    let harness = CrashHarness::new();
    let documents = sample_documents();
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body(&documents)).await.body(201);
    let link: Link = serde_json::from_value(created["documents"][0]["upload"].clone()).expect("a link");
    let mut wrong = documents[0].bytes.clone();
    wrong[20] ^= 1;
    for bytes in [&wrong[..], &[], &[0; 500]] {
        assert_eq!(harness.hub.documents.upload(&link, bytes), None);
    }
    let key = link.url.trim_start_matches("memory://documents/").to_owned();
    let kind = Some(domain::catalogue::DocumentKind::named("household_register").unwrap());
    harness.hub.documents.put(&key, "application/pdf", kind, b"");
    assert_eq!(harness.uploaded(&[key]).await, Answer::Batch(0));
    let stored = only_application(&harness).await;
    let Some(Event::DocumentRejected { fault, .. }) =
        stored.ledger.entries().last().map(|line| &line.entry.event)
    else {
        panic!("{:?}", stored.ledger.entries().last());
    };
    assert_eq!(*fault, DocumentFault::Empty);
    assert_eq!(stored.ledger.state().missing().count(), 2, "the slot is not open again");
}

/// A slot is open for 15 minutes. On request the hub signs another link for the same document.
/// Row 36 of `tests/FAULTS.md`.
#[tokio::test]
async fn an_expired_slot_is_signed_again_for_the_same_document() {
    let harness = CrashHarness::new();
    let documents = sample_documents();
    let body = body(&documents);
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    let link: Link = serde_json::from_value(created["documents"][0]["upload"].clone()).expect("a link");
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    assert_eq!(
        harness.hub.documents.upload(&link, &documents[0].bytes),
        None,
        "an expired link accepts an upload"
    );
    let again = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    assert_eq!(again["documents"][0]["id"], created["documents"][0]["id"]);
    let keys = harness.upload(&again, &documents);
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(count_events(&harness, "document_stored").await, 2);
}

/// Only the hub makes object keys. The event of an object under any other key fails alone, without delay for others.
/// Row 37 of `tests/FAULTS.md`.
#[tokio::test]
async fn only_object_keys_made_by_the_hub_are_accepted() {
    let (harness, keys) = with_a_draft().await;
    let id = only_application(&harness).await.id();
    let odd = [
        format!("applications/{id}/d1/0/../../x"),
        format!("applications%2F{id}%2Fd1%2F0"),
        format!("applications/{id}/d01/0"),
        format!("applications/{}/d1/0", id.to_string().to_uppercase()),
        "applications/../keys".to_owned(),
        "\u{202e}".to_owned(),
    ];
    assert_eq!(harness.uploaded(&odd).await, Answer::Batch(odd.len()));
    let both = [&odd[..1], &keys].concat();
    assert_eq!(harness.uploaded(&both).await, Answer::Batch(1), "only the foreign key fails");
    assert_eq!(count_events(&harness, "submitted").await, 1);
}

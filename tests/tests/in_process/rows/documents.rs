//! What is uploaded, and what S3 tells of it.

use app_client::SampleDocument;
use domain::event::{DocumentFault, Event};
use domain::stage::Stage;
use jiff::SignedDuration;
use platform::clock::Clock as _;
use platform::faults::Fault;
use protocol::report::{DocumentAction, DocumentRequest, Link};

use super::{APPLICATIONS, count, only, papers, with_a_case, with_a_draft};
use crate::crash_harness::{Answer, BEIJING, CrashHarness};
use crate::journey::{TENANT, body};

/// The write committed and its answer was lost: whoever writes the very same again finds its own write.
#[tokio::test]
async fn row_09_a_repeated_write_that_had_committed_is_recognised() {
    let (harness, keys) = with_a_draft().await;
    harness.hub.faults.restart();
    harness.hub.faults.plan(4, Fault::AnswerLost);
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(2), "nobody knows");
    assert_eq!(harness.hub.faults.calls().last(), Some(&"store.append"));
    let written = only(&harness).await;
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(only(&harness).await, written, "and nothing is written twice");
}

#[tokio::test]
async fn row_30_a_repeated_or_reordered_s3_event_has_no_second_effect() {
    let (harness, keys) = with_a_draft().await;
    let reversed: Vec<String> = keys.iter().rev().cloned().collect();
    for told in [&reversed[..1], &reversed, &keys, &keys[..1]] {
        assert_eq!(harness.uploaded(told).await, Answer::Batch(0));
    }
    assert_eq!(count(&harness, "document_stored").await, 2);
    assert_eq!(count(&harness, "submitted").await, 1);
}

#[tokio::test]
async fn row_31_the_sweeper_finds_an_upload_without_an_s3_event() {
    let (harness, _) = with_a_draft().await;
    harness.hub.clock.advance(SignedDuration::from_mins(6));
    harness.sweep().await;
    let stored = only(&harness).await;
    assert!(stored.ledger.lines().iter().any(|line| matches!(line.entry.event, Event::Submitted { .. })));
    assert_eq!(stored.ledger.state().stage, Stage::Dispatched, "and the sweeper saw to the rest");
    assert_eq!(harness.take(BEIJING).len(), 1);
}

/// What was verified is pinned: a later object under the same key is not it, whatever S3 tells.
#[tokio::test]
async fn row_32_an_overwrite_is_ignored_and_the_verified_version_is_served() {
    let (harness, case) = with_a_case().await;
    let before = only(&harness).await;
    let document = &case.documents[0];
    let key = before.ledger.state().documents[0].object_key(case.application);
    harness.hub.documents.put(&key, "application/pdf", None, b"%PDF-1.4 another");
    assert_eq!(harness.uploaded(&[key]).await, Answer::Batch(0));
    assert_eq!(only(&harness).await, before);
    let asked = DocumentRequest {
        agency: BEIJING.parse().expect("an agency code"),
        application: case.application,
        iat: harness.hub.clock.now().as_second(),
        action: DocumentAction::Fetch { document: document.id },
    };
    let link: Link = serde_json::from_value(harness.agency_document(&asked).await.body(200)).expect("a link");
    let bytes = harness.hub.documents.fetch(&link).expect("an object");
    let paper =
        SampleDocument { kind: "household_register".to_owned(), media_type: "application/pdf", bytes };
    assert_eq!(paper.sha256(), document.sha256);
}

/// S3 refuses what was not signed for; what is wrong all the same is refused by the hub, told, and its slot
/// waits for another.
#[tokio::test]
async fn row_33_wrong_uploads_are_refused_and_the_slot_stays_open() {
    let harness = CrashHarness::new();
    let papers = papers();
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body(&papers)).await.body(201);
    let link: Link = serde_json::from_value(created["documents"][0]["upload"].clone()).expect("a link");
    let mut wrong = papers[0].bytes.clone();
    wrong[20] ^= 1;
    for bytes in [&wrong[..], &[], &[0; 500]] {
        assert_eq!(harness.hub.documents.upload(&link, bytes), None);
    }
    let key = link.url.trim_start_matches("memory://documents/").to_owned();
    let kind = Some(domain::catalogue::DocumentKind::named("household_register").unwrap());
    harness.hub.documents.put(&key, "application/pdf", kind, b"");
    assert_eq!(harness.uploaded(&[key]).await, Answer::Batch(0));
    let stored = only(&harness).await;
    let Some(Event::DocumentRejected { fault, .. }) =
        stored.ledger.lines().last().map(|line| &line.entry.event)
    else {
        panic!("{:?}", stored.ledger.lines().last());
    };
    assert_eq!(*fault, DocumentFault::Empty);
    assert_eq!(stored.ledger.state().missing().count(), 2, "its slot waits again");
}

/// A slot is open for a quarter of an hour. Asked again, the hub signs another for the same document.
#[tokio::test]
async fn row_36_an_expired_slot_is_signed_again_for_the_same_document() {
    let harness = CrashHarness::new();
    let papers = papers();
    let body = body(&papers);
    let created = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    let link: Link = serde_json::from_value(created["documents"][0]["upload"].clone()).expect("a link");
    harness.hub.clock.advance(SignedDuration::from_mins(16));
    assert_eq!(harness.hub.documents.upload(&link, &papers[0].bytes), None, "its time is over");
    let again = harness.post(TENANT, APPLICATIONS, "a-key", &body).await.body(201);
    assert_eq!(again["documents"][0]["id"], created["documents"][0]["id"]);
    let keys = harness.upload(&again, &papers);
    assert_eq!(harness.uploaded(&keys).await, Answer::Batch(0));
    assert_eq!(count(&harness, "document_stored").await, 2);
}

/// Keys are made by the hub alone: an object under any other is set aside, and holds up nobody.
#[tokio::test]
async fn row_37_only_object_keys_made_by_the_hub_are_taken() {
    let (harness, keys) = with_a_draft().await;
    let id = only(&harness).await.id();
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
    assert_eq!(harness.uploaded(&both).await, Answer::Batch(1), "only the odd one");
    assert_eq!(count(&harness, "submitted").await, 1);
}

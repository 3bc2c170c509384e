//! Uploads are recorded once, whatever the order of their S3 events (faults 30 to 33 and 37).

use domain::application::Content;
use domain::catalogue::DocumentKind;
use domain::command::{Attempt, Command};
use domain::event::{DocumentFault, Event};
use domain::stage::Stage;
use platform::apply::{apply, apply_all};
use platform::arrivals::arrivals;
use platform::documents::{Documents as _, verify};
use platform::faults::Fault;

use crate::support::{PNG, TestHub, declared};

const CARD: &str = "first_identity_card";

#[tokio::test]
async fn two_uploads_of_one_application_are_one_write() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let (one, two) = (format!("applications/{id}/d1/0"), format!("applications/{id}/d2/0"));
    test_hub.put(&one, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.put(&two, DocumentKind::named("proof_of_work").unwrap(), PNG);
    let failed = test_hub.notify(&[(&one, Some("v1")), (&two, Some("v1"))]).await;
    assert!(failed.is_empty(), "{failed:?}");
    let state = test_hub.stored(id).await.ledger.state().clone();
    assert_eq!((state.stage, state.version), (Stage::Submitted, 4));
    let calls = test_hub.hub.faults.calls();
    assert_eq!(calls.iter().filter(|call| **call == "store.append").count(), 1, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| **call == "documents.inspect").count(), 2);
}

#[tokio::test]
async fn an_event_delivered_twice_or_reordered_has_no_second_effect() {
    for order in [[0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]] {
        let test_hub = TestHub::new();
        let id = test_hub.open(CARD).await;
        let keys = [format!("applications/{id}/d1/0"), format!("applications/{id}/d2/0")];
        test_hub.put(&keys[0], DocumentKind::named("household_register").unwrap(), PNG);
        test_hub.put(&keys[1], DocumentKind::named("proof_of_work").unwrap(), PNG);
        for index in order {
            assert!(test_hub.notify(&[(&keys[index], Some("v1"))]).await.is_empty());
        }
        let events: Vec<_> = order.iter().map(|index| (keys[*index].as_str(), Some("v1"))).collect();
        assert!(test_hub.restarted().notify(&events).await.is_empty());
        assert_eq!(test_hub.version(id).await, 4, "{order:?}");
    }
}

#[tokio::test]
async fn an_event_of_a_recorded_document_causes_no_call() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    test_hub.submitted(id).await;
    let before = test_hub.hub.faults.calls().len();
    test_hub.notify(&[(&format!("applications/{id}/d1/0"), Some("v1"))]).await;
    assert_eq!(test_hub.hub.faults.calls().len(), before, "the cached state has the document");
}

#[tokio::test]
async fn a_late_event_of_a_recorded_object_has_no_effect() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let (one, two) = (format!("applications/{id}/d1/0"), format!("applications/{id}/d2/0"));
    test_hub.put(&one, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.put(&two, DocumentKind::named("proof_of_work").unwrap(), PNG);
    // No event arrives. `arrivals` finds the objects in the bucket.
    let found = arrivals(&test_hub.hub, test_hub.stored(id).await.ledger.state()).await.unwrap();
    assert_eq!(found.len(), 2);
    apply_all(&test_hub.hub, id, &found).await.unwrap();
    assert_eq!(test_hub.version(id).await, 4);
    // Now the events arrive.
    assert!(test_hub.restarted().notify(&[(&one, Some("v1")), (&two, Some("v1"))]).await.is_empty());
    assert_eq!(test_hub.version(id).await, 4);
    assert_eq!(arrivals(&test_hub.hub, test_hub.stored(id).await.ledger.state()).await.unwrap(), []);
}

#[tokio::test]
async fn an_event_after_the_expiry_records_nothing() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let key = format!("applications/{id}/d1/0");
    test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    apply(&test_hub.hub, id, &Attempt::hub(Command::Expire), None).await.unwrap();
    assert!(test_hub.notify(&[(&key, Some("v1"))]).await.is_empty(), "the message is deleted");
    assert_eq!(test_hub.stored(id).await.ledger.state().stage, Stage::Expired);
    assert_eq!(test_hub.version(id).await, 2);
}

#[tokio::test]
async fn the_verified_version_is_pinned_and_an_overwrite_is_ignored() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let key = format!("applications/{id}/d1/0");
    let first = test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.notify(&[(&key, Some(&first))]).await;
    let second = test_hub.put(
        &key,
        DocumentKind::named("household_register").unwrap(),
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR something else",
    );
    assert!(test_hub.restarted().notify(&[(&key, Some(&second))]).await.is_empty());
    let stored = test_hub.stored(id).await;
    assert_eq!(stored.version(), 2);
    let stored = stored.ledger.state().documents[0].stored().unwrap().clone();
    assert_eq!((stored.version.as_str(), stored.size), (first.as_str(), PNG.len() as u64));
    let link = serde_json::from_value(test_hub.read("hohhot-app", id, "d1").await.body).unwrap();
    assert_eq!(test_hub.hub.documents.fetch(&link).as_deref(), Some(PNG));
}

#[tokio::test]
async fn an_event_records_the_version_that_it_names() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let key = format!("applications/{id}/d1/0");
    let first = test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    let second = test_hub.put(&key, DocumentKind::named("household_register").unwrap(), b"<html>");
    assert!(test_hub.notify(&[(&key, Some(&first)), (&key, Some(&second))]).await.is_empty());
    let stored = test_hub.stored(id).await;
    assert_eq!(stored.ledger.state().documents[0].stored().unwrap().version, first);
    assert_eq!(stored.version(), 2);
}

#[tokio::test]
async fn bad_content_is_rejected_with_a_reason_and_the_slot_is_open_again() {
    let cases: [(DocumentKind, &[u8], DocumentFault); 4] = [
        (DocumentKind::named("household_register").unwrap(), b"", DocumentFault::Empty),
        (
            DocumentKind::named("household_register").unwrap(),
            b"%PDF-1.7 said to be a picture",
            DocumentFault::ContentMismatch,
        ),
        (DocumentKind::named("household_register").unwrap(), b"MZ\x90\0", DocumentFault::ContentMismatch),
        (DocumentKind::named("marriage_certificate").unwrap(), PNG, DocumentFault::WrongKind),
    ];
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    for (round, (kind, bytes, fault)) in cases.into_iter().enumerate() {
        let key = format!("applications/{id}/d1/{round}");
        let version = test_hub.put_in_round(&key, round, kind, bytes);
        for _ in 0..2 {
            assert!(test_hub.notify(&[(&key, Some(&version))]).await.is_empty());
        }
        let stored = test_hub.stored(id).await;
        let last = stored.ledger.entries().last().unwrap();
        assert!(
            matches!(last.entry.event, Event::DocumentRejected { fault: found, .. } if found == fault),
            "{fault:?}"
        );
        let document = &stored.ledger.state().documents[0];
        assert_eq!((usize::from(document.rejections), &document.content), (round + 1, &Content::Waiting));
    }
    let key = format!("applications/{id}/d1/4");
    test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.notify(&[(&key, Some("v1"))]).await;
    assert!(test_hub.stored(id).await.ledger.state().documents[0].stored().is_some());
}

#[tokio::test]
async fn a_document_above_the_limit_is_rejected() {
    let mut arrival = {
        let test_hub = TestHub::new();
        test_hub.put("k", DocumentKind::named("household_register").unwrap(), PNG);
        test_hub.hub.documents.inspect("k", None).await.unwrap().unwrap()
    };
    arrival.size = domain::limits::DOCUMENT_BYTES + 1;
    assert_eq!(
        verify(&arrival, &[DocumentKind::named("household_register").unwrap()]),
        Err(DocumentFault::TooLarge)
    );
    arrival.sha256 = None;
    arrival.size = 100;
    assert_eq!(
        verify(&arrival, &[DocumentKind::named("household_register").unwrap()]),
        Err(DocumentFault::ContentMismatch)
    );
}

#[tokio::test]
async fn a_slot_is_closed_after_five_rejections_without_failed_messages() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    for round in 0..=domain::limits::REJECTIONS {
        let key = format!("applications/{id}/d1/{round}");
        let version = test_hub.put_in_round(
            &key,
            usize::from(round),
            DocumentKind::named("household_register").unwrap(),
            b"<html>",
        );
        assert!(test_hub.notify(&[(&key, Some(&version))]).await.is_empty(), "round {round}");
    }
    let state = test_hub.stored(id).await.ledger.state().clone();
    assert_eq!(state.documents[0].rejections, domain::limits::REJECTIONS);
    let closed = test_hub.slot("hohhot-app", id, "d1", &declared("household_register", PNG)).await;
    assert_eq!((closed.status, closed.code()), (409, "bound_reached"));
}

#[tokio::test]
async fn an_event_with_an_unknown_key_fails_and_the_others_proceed() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let valid = format!("applications/{id}/d1/0");
    test_hub.put(&valid, DocumentKind::named("household_register").unwrap(), PNG);
    let unknown = [
        format!("applications%2F{id}%2Fd1%2F0"),
        format!("applications/../applications/{id}/d1/0"),
        format!("applications/{id}/d1/../d2/0"),
        format!("applications/{id}/d１/0"),
        format!("applications/{id}/d1/0/"),
        format!("applications/{id}/d1/00"),
        format!("APPLICATIONS/{id}/d1/0"),
        format!("applications/{id}/d9/0"),
        "applications/0190f4c0-0000-8000-8000-00000000abcd/d1/0".to_owned(),
        "notes+from+a+person.png".to_owned(),
        String::new(),
    ];
    let mut events: Vec<(&str, Option<&str>)> =
        unknown.iter().map(|key| (key.as_str(), Some("v1"))).collect();
    events.push((&valid, Some("v1")));
    let failed = test_hub.notify(&events).await;
    assert_eq!(failed, (0..unknown.len()).map(|index| format!("m{index}")).collect::<Vec<_>>());
    assert_eq!(test_hub.version(id).await, 2, "the valid event is recorded");
    assert!(test_hub.notify(&[(&valid, Some("v1"))]).await.is_empty());
    assert_eq!(test_hub.version(id).await, 2);
}

#[tokio::test]
async fn a_malformed_event_fails_and_the_test_event_is_ignored() {
    let test_hub = TestHub::new();
    let bodies = [
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-03-02T01:00:00Z","Bucket":"b","RequestId":"r"}"#,
        "not json",
        "{}",
        r#"{"Records":[]}"#,
        r#"{"Records":[{"s3":{}}]}"#,
        r#"{"Event":"s3:Other"}"#,
    ];
    let failed = test_hub.deliver(bodies.iter().map(|body| (*body).to_owned()).collect()).await;
    assert_eq!(failed, ["m1", "m2", "m3", "m4", "m5"]);
}

#[tokio::test]
async fn redelivery_recovers_from_a_failure_at_any_call() {
    let calls = {
        let test_hub = TestHub::new();
        let id = test_hub.open(CARD).await;
        test_hub.submitted(id).await;
        test_hub.hub.faults.calls().len()
    };
    for call in 2..=calls {
        for fault in [Fault::Before, Fault::Throttled, Fault::AnswerLost, Fault::DiesBefore, Fault::DiesAfter]
        {
            let test_hub = TestHub::new();
            let id = test_hub.open(CARD).await;
            test_hub.hub.faults.plan(call, fault);
            test_hub.submitted(id).await;
            let test_hub = test_hub.restarted();
            test_hub.submitted(id).await;
            let stored = test_hub.stored(id).await;
            assert_eq!(
                (stored.ledger.state().stage, stored.version()),
                (Stage::Submitted, 4),
                "{call} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_failure_for_one_application_does_not_affect_another() {
    let test_hub = TestHub::new();
    let (one, two) = (test_hub.open(CARD).await, test_hub.open(CARD).await);
    let keys = [format!("applications/{one}/d1/0"), format!("applications/{two}/d1/0")];
    for key in &keys {
        test_hub.put(key, DocumentKind::named("household_register").unwrap(), PNG);
    }
    // The first call of the batch fails: it reads the first application.
    test_hub.hub.faults.plan(test_hub.hub.faults.calls().len() + 1, Fault::Before);
    let failed = test_hub.notify(&[(&keys[0], Some("v1")), (&keys[1], Some("v1"))]).await;
    assert_eq!(failed, ["m0"]);
    assert_eq!((test_hub.version(one).await, test_hub.version(two).await), (1, 2));
}

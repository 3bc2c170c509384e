//! Signed requests of agencies for links.

use domain::catalogue::DocumentKind;
use domain::command::ReportedResult;
use domain::ids::ApplicationId;
use jiff::SignedDuration;
use protocol::jose::{KeyUse, PrivateKey, sign};
use protocol::report::{Link, REQUEST_FRESH_SECONDS as FRESH};
use serde_json::{Value, json};

use platform::clock::Clock as _;

use crate::support::{PNG, TestHub, fetch, upload};

const CARD: &str = "first_identity_card";

#[tokio::test]
async fn the_deciding_agency_reads_the_verified_version() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    test_hub.submitted(id).await;
    let answer = test_hub.request_link("11", &test_hub.beijing, id, fetch("d1")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let link: Link = serde_json::from_value(answer.body).unwrap();
    assert_eq!((link.method.as_str(), test_hub.hub.documents.fetch(&link).as_deref()), ("GET", Some(PNG)));
}

#[tokio::test]
async fn an_agency_without_a_leg_is_answered_404() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let missing = "0190f4c0-0000-8000-8000-000000000001".parse().unwrap();
    // A draft has no agency yet.
    assert_eq!(test_hub.request_link("11", &test_hub.beijing, id, fetch("d1")).await.status, 404);
    test_hub.submitted(id).await;
    let unknown = test_hub.request_link("37", &test_hub.shandong, missing, fetch("d1")).await;
    for answer in [
        test_hub.request_link("37", &test_hub.shandong, id, fetch("d1")).await,
        test_hub.request_link("37", &test_hub.shandong, id, upload("d1", PNG)).await,
        // Shandong's key signs a request in Beijing's name.
        test_hub.request_link("11", &test_hub.shandong, id, fetch("d1")).await,
        test_hub.request_link("11", &test_hub.beijing, id, fetch("d9")).await,
    ] {
        assert_eq!((answer.status, &answer.body), (404, &unknown.body));
    }
}

#[tokio::test]
async fn a10_the_papers_are_closed_thirty_days_after_the_leg() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    test_hub.submitted(id).await;
    test_hub.received(id).await;
    test_hub.report(id, ReportedResult::NotIssued { reason: "no such entry".into() }).await;
    test_hub.hub.clock.advance(SignedDuration::from_hours(24 * 29));
    assert_eq!(test_hub.request_link("11", &test_hub.beijing, id, fetch("d1")).await.status, 200);
    test_hub.hub.clock.advance(SignedDuration::from_hours(24 * 15));
    let closed = test_hub.request_link("11", &test_hub.beijing, id, fetch("d1")).await;
    assert_eq!((closed.status, closed.code()), (404, "not_found"));
    assert!(closed.body["detail"].as_str().unwrap().contains("30"), "{}", closed.body);
}

#[tokio::test]
async fn a21_a_document_request_is_accepted_for_a_minute() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    test_hub.submitted(id).await;
    let now = test_hub.hub.clock.now().as_second();
    for (iat, status) in [
        (now - FRESH, 200),
        (now + FRESH, 200),
        (now - FRESH - 1, 401),
        (now + FRESH + 1, 401),
        (i64::MIN, 401),
        (i64::MAX, 401),
    ] {
        let answer = test_hub.request_link_at("11", &test_hub.beijing, id, fetch("d1"), iat).await;
        assert_eq!(answer.status, status, "{iat}");
    }
}

#[tokio::test]
async fn a_request_without_an_agencys_signature_is_rejected() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    test_hub.submitted(id).await;
    let stranger = PrivateKey::generate(KeyUse::Signing).unwrap();
    assert_eq!(test_hub.request_link("11", &stranger, id, fetch("d1")).await.status, 401);
    let request = json!({ "agency": "11", "application": id, "iat": 1_772_413_200, "action": "fetch", "document": "d1" });
    let other_kind = sign("tongban-report+jws", &request, &test_hub.beijing).unwrap();
    let valid = sign("tongban-document+jws", &request, &test_hub.beijing).unwrap();
    assert_eq!(test_hub.signed("application/jose", valid.clone()).await.status, 200);
    let mut parts: Vec<String> = valid.split('.').map(str::to_owned).collect();
    let first = if parts[2].starts_with('A') { "B" } else { "A" };
    parts[2].replace_range(..1, first);
    let no_action = sign(
        "tongban-document+jws",
        &json!({ "agency": "11", "application": id, "iat": 0 }),
        &test_hub.beijing,
    );
    for (content_type, body, status) in [
        ("application/jose", other_kind, 400),
        // Case A13 of `tests/FIELD_CASES.md`: the signature is valid, members of the payload are missing.
        ("application/jose", no_action.unwrap(), 422),
        ("application/jose", "a.b.c".to_owned(), 400),
        ("application/jose", String::new(), 400),
        ("application/jose", parts.join("."), 401),
        ("application/jose", "x".repeat(9000), 413),
        ("application/json", valid, 415),
    ] {
        let answer = test_hub.signed(content_type, body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}

async fn with_a_submitted_certificate() -> (TestHub, ApplicationId) {
    let test_hub = TestHub::new();
    let id = test_hub.open("household_certificate").await;
    let key = format!("applications/{id}/d1/0");
    test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.notify(&[(&key, Some("v1"))]).await;
    (test_hub, id)
}

async fn with_a_received_certificate() -> (TestHub, ApplicationId) {
    let (test_hub, id) = with_a_submitted_certificate().await;
    test_hub.received(id).await;
    (test_hub, id)
}

#[tokio::test]
async fn an_agency_uploads_its_document_between_receipt_and_result() {
    let (test_hub, id) = with_a_submitted_certificate().await;
    let early = test_hub.request_link("11", &test_hub.beijing, id, upload("d2", PNG)).await;
    assert_eq!(
        (early.status, early.code()),
        (409, "illegal_step"),
        "the agency has not received the case yet"
    );
    test_hub.received(id).await;
    let apps_document = test_hub.request_link("11", &test_hub.beijing, id, upload("d1", PNG)).await;
    assert_eq!(apps_document.status, 404, "the app provides the citizen's documents");
    let empty = test_hub.request_link("11", &test_hub.beijing, id, upload("d2", b"")).await;
    assert_eq!((empty.status, &empty.body["errors"][0]["pointer"]), (422, &json!("/size")));
    let answer = test_hub.request_link("11", &test_hub.beijing, id, upload("d2", PNG)).await;
    assert_eq!((answer.status, &answer.body["method"]), (200, &json!("PUT")), "{}", answer.body);
    let link: Link = serde_json::from_value(answer.body).unwrap();
    let version = test_hub.hub.documents.upload(&link, PNG).unwrap();
    assert!(test_hub.notify(&[(&format!("applications/{id}/d2/0"), Some(&version))]).await.is_empty());
}

/// A consumer that crashed between the upload and its report asks again: for the same file the link leads to the stored
/// one, and another file is never taken for it, whether the event of the upload has come or not.
#[tokio::test]
async fn an_agency_that_uploads_again_is_told_whether_its_file_is_the_stored_one() {
    let other: &[u8] = &[PNG, b" of another certificate"].concat();
    for recorded in [false, true] {
        let (test_hub, id) = with_a_received_certificate().await;
        let ask = async |bytes| test_hub.request_link("11", &test_hub.beijing, id, upload("d2", bytes)).await;
        let put = |body: Value, bytes| {
            let link: Link = serde_json::from_value(body).unwrap();
            test_hub.hub.documents.upload(&link, bytes)
        };
        // Both links are requested before either file is there.
        let (first, second) = (ask(PNG).await, ask(other).await);
        let version = put(first.body, PNG).unwrap();
        assert!(put(second.body, other).is_none(), "a stored file is never overwritten");
        if recorded {
            test_hub.notify(&[(&format!("applications/{id}/d2/0"), Some(&version))]).await;
        }
        let again = ask(PNG).await;
        assert_eq!(again.status, 200, "{}", again.body);
        assert!(put(again.body, PNG).is_none(), "412: the file is there");
        let another = ask(other).await;
        assert_eq!((another.status, another.code()), (409, "conflict"), "{}", another.body);
        let stored = test_hub.stored(id).await;
        let document = stored.ledger.state().document("d2".parse().unwrap()).unwrap();
        assert_eq!(document.stored().unwrap().version, version);
    }
}

/// A file that fails its check opens the next round, although its event has not come yet.
#[tokio::test]
async fn an_agency_uploads_again_after_a_file_that_is_refused() {
    let (test_hub, id) = with_a_received_certificate().await;
    let key = format!("applications/{id}/d2/0");
    test_hub.put(&key, DocumentKind::named("issued_certificate").unwrap(), b"not an image");
    let link = test_hub.request_link("11", &test_hub.beijing, id, upload("d2", PNG)).await;
    assert_eq!(link.status, 200, "{}", link.body);
    assert!(link.body["url"].as_str().unwrap().contains("/d2/1"), "{}", link.body);
}

//! Links for app backends.

use axum::body::Body;
use domain::catalogue::DocumentKind;
use domain::command::ReportedResult;
use jiff::SignedDuration;
use protocol::report::Link;
use serde_json::json;

use crate::support::{Answer, PNG, TestHub, declared, fetch, upload};

const CARD: &str = "first_identity_card";

fn link(answer: &Answer) -> Link {
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_value(answer.body.clone()).unwrap()
}

#[tokio::test]
async fn an_expired_link_is_renewed_for_the_same_object() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let body = declared("household_register", PNG);
    let first = link(&test_hub.slot("hohhot-app", id, "d1", &body).await);
    test_hub.hub.clock.advance(SignedDuration::from_mins(20));
    assert_eq!(test_hub.hub.documents.upload(&first, PNG), None, "the link has expired");
    let second = link(&test_hub.slot("hohhot-app", id, "d1", &body).await);
    assert_eq!(first.url, second.url);
    assert!(test_hub.hub.documents.upload(&second, PNG).is_some());
}

#[tokio::test]
async fn a_rejected_document_is_uploaded_under_another_key() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let key = format!("applications/{id}/d1/0");
    test_hub.put(&key, DocumentKind::named("household_register").unwrap(), b"<html>");
    test_hub.notify(&[(&key, Some("v1"))]).await;
    let slot = link(&test_hub.slot("hohhot-app", id, "d1", &declared("household_register", PNG)).await);
    assert!(slot.url.ends_with("/d1/1"), "{}", slot.url);
    assert!(test_hub.hub.documents.upload(&slot, PNG).is_some());
}

#[tokio::test]
async fn an_upload_must_match_its_declaration() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let slot = link(&test_hub.slot("hohhot-app", id, "d1", &declared("household_register", PNG)).await);
    assert_eq!(test_hub.hub.documents.upload(&slot, &[PNG, b"x"].concat()), None);
    for (body, pointer, code) in [
        (json!({}), "/kind", "required"),
        (declared("marriage_certificate", PNG), "/kind", "not_one_of"),
        (declared("passport", PNG), "/kind", "not_one_of"),
        (json!({ "kind": "household_register", "media_type": "image/gif" }), "/media_type", "media_type"),
        (json!({ "size": 347.0 }), "/size", "not_an_integer"),
        (json!({ "size": 20_971_521 }), "/size", "out_of_range"),
        (json!({ "sha256": "x" }), "/sha256", "checksum"),
        (json!({ "name": "../x" }), "/name", "unknown_field"),
    ] {
        let answer = test_hub.slot("hohhot-app", id, "d1", &body).await;
        assert_eq!((answer.status, answer.code()), (422, "invalid_fields"), "{body}");
        let errors = answer.body["errors"].as_array().unwrap();
        assert!(
            errors.iter().any(|error| error["pointer"] == pointer && error["code"] == code),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_stored_document_is_not_uploaded_again() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let key = format!("applications/{id}/d1/0");
    test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.notify(&[(&key, Some("v1"))]).await;
    let answer = test_hub.slot("hohhot-app", id, "d1", &declared("household_register", PNG)).await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"));
    test_hub.submitted(id).await;
    let id = test_hub.open(CARD).await;
    test_hub.hub.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(test_hub.slot("hohhot-app", id, "d2", &declared("proof_of_work", PNG)).await.status, 200);
}

#[tokio::test]
async fn another_tenants_documents_are_answered_like_unknown_ones() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    test_hub.submitted(id).await;
    let missing = "0190f4c0-0000-8000-8000-000000000001".parse().unwrap();
    let body = declared("household_register", PNG);
    assert_eq!(test_hub.read("hohhot-app", id, "d1").await.status, 200);
    for document in ["d1", "d3", "x", "..%2Fd1"] {
        let theirs = test_hub.read("other-app", id, document).await;
        let unknown = test_hub.read("other-app", missing, document).await;
        assert_eq!((theirs.status, &theirs.body), (404, &unknown.body));
        let theirs = test_hub.slot("other-app", id, document, &body).await;
        let unknown = test_hub.slot("other-app", missing, document, &body).await;
        assert_eq!((theirs.status, &theirs.body), (404, &unknown.body));
    }
    for document in ["d3", "x", "d01"] {
        assert_eq!(test_hub.read("hohhot-app", id, document).await.status, 404);
        assert_eq!(test_hub.slot("hohhot-app", id, document, &body).await.status, 404);
    }
}

#[tokio::test]
async fn a_document_that_is_not_stored_cannot_be_read() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    assert_eq!(test_hub.read("hohhot-app", id, "d1").await.status, 404);
}

#[tokio::test]
async fn an_app_reads_a_certificate_once_it_is_issued() {
    let test_hub = TestHub::new();
    let id = test_hub.open("household_certificate").await;
    let key = format!("applications/{id}/d1/0");
    test_hub.put(&key, DocumentKind::named("household_register").unwrap(), PNG);
    test_hub.notify(&[(&key, Some("v1"))]).await;
    test_hub.received(id).await;
    assert_eq!(test_hub.slot("hohhot-app", id, "d2", &declared("issued_certificate", PNG)).await.status, 404);
    let slot = link(&test_hub.request_link("11", &test_hub.beijing, id, upload("d2", PNG)).await);
    let version = test_hub.hub.documents.upload(&slot, PNG).unwrap();
    assert!(test_hub.notify(&[(&format!("applications/{id}/d2/0"), Some(&version))]).await.is_empty());
    assert_eq!(test_hub.read("hohhot-app", id, "d2").await.status, 404, "the certificate is not issued yet");
    assert_eq!(test_hub.request_link("11", &test_hub.beijing, id, fetch("d2")).await.status, 200);
    let document = "d2".parse().unwrap();
    test_hub.report(id, ReportedResult::Issued { document, certificate: "C-1".into() }).await;
    let read = link(&test_hub.read("hohhot-app", id, "d2").await);
    assert_eq!(test_hub.hub.documents.fetch(&read).as_deref(), Some(PNG));
    test_hub.hub.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(test_hub.hub.documents.fetch(&read), None, "the link is valid for five minutes");
}

#[tokio::test]
async fn rejected_requests_have_their_status() {
    let test_hub = TestHub::new();
    let id = test_hub.open(CARD).await;
    let path = format!("/v1/applications/{id}/documents/d1");
    let bare = |method: &str, path: &str| {
        http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    };
    assert_eq!(test_hub.send(bare("GET", &path)).await.status, 401);
    assert_eq!(test_hub.send(bare("POST", &format!("{path}/upload"))).await.status, 401);
    assert_eq!(test_hub.send(bare("DELETE", &path)).await.status, 405);
    assert_eq!(test_hub.send(bare("GET", "/v1/agency/documents")).await.status, 405);
    assert_eq!(test_hub.send(bare("GET", "/v1/nowhere")).await.status, 404);
    let request = test_hub
        .request("POST", &format!("{path}/upload"), "hohhot-app")
        .header("content-type", "text/plain");
    assert_eq!(test_hub.send(request.body(Body::from("{}")).unwrap()).await.status, 415);
}

#![allow(clippy::unwrap_used, reason = "tests")]

mod receipts;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::command::ReportedResult;
use jiff::Timestamp;
use protocol::backlog::{CASES_TYP, CasesRequest, RESEND_TYP, ResendCase, ResendOutcome, ResendRequest};
use protocol::case::CaseDocument;
use protocol::jose::{KeyUse, PrivateKey, sign, verify};
use protocol::receipts::{RECEIPT_TYP, ReportOutcome, SignedReceipt};
use protocol::report::{DOCUMENT_TYP, DocumentAction, DocumentRequest, REPORT_TYP, Receipt, Report};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::aws::SqsAccess;
use crate::config::{AgencyConfig, ReportsBy};
use crate::journal::ConsumerJournal;
use crate::queue::ReportsQueue;
use crate::testing::{NO_PAUSE, RecordedRequest, agency, application, test_server};

fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

fn problem(code: u16, name: &str) -> Response {
    let kind = format!("/problems/{name}");
    let errors = json!([{ "pointer": "/reason", "code": "too_long", "detail": "" }]);
    let body = json!({ "type": kind, "title": "", "status": code, "errors": errors });
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}

/// Reads the payload of a JWS without verifying the signature.
fn payload<T: serde::de::DeserializeOwned>(request: &RecordedRequest) -> T {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let text = request.text();
    let payload = text.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn receipt(request: &RecordedRequest) -> Response {
    let report: Report = payload(request);
    let receipt = Receipt {
        report_id: report.report_id,
        application: report.application,
        version: report.seen + 1,
        stage: domain::stage::Stage::Signed,
        received_at: None,
        receipt: None,
    };
    Json(receipt).into_response()
}

/// A hub that signs its receipts, with the members of a receipt replaced by `change`.
fn signing_hub(
    hub: PrivateKey,
    typ: &'static str,
    change: fn(&mut SignedReceipt),
) -> impl Fn(usize, &RecordedRequest) -> Response + Clone {
    move |_, request| {
        if request.path == "/.well-known/jwks.json" {
            return Json(json!({ "keys": [hub.public().to_jwk().unwrap()] })).into_response();
        }
        let report: Report = payload(request);
        let at = Timestamp::constant(1_772_415_000, 0);
        let mut signed = SignedReceipt {
            iat: at.as_second(),
            agency: report.agency.clone(),
            application: Some(report.application),
            report_id: Some(report.report_id),
            report_sha256: "0".repeat(64),
            received_at: at,
            outcome: ReportOutcome::Accepted,
            reason: None,
            kind: ReportedResult::kind_of(report.result.step()).map(str::to_owned),
            version: Some(6),
            stage: Some(domain::stage::Stage::Signed),
        };
        change(&mut signed);
        Json(Receipt {
            report_id: report.report_id,
            application: report.application,
            version: 6,
            stage: domain::stage::Stage::Signed,
            received_at: Some(at),
            receipt: Some(sign(typ, &signed, &hub).unwrap()),
        })
        .into_response()
    }
}

fn client(url: &str) -> (HubClient, AgencyConfig) {
    let (config, _) = agency(url);
    (HubClient::new(&config).unwrap().with_retry_policy(NO_PAUSE), config)
}

#[tokio::test]
async fn a_retry_of_a_report_sends_the_same_bytes() {
    let (url, requests) = test_server(|turn, request| match turn {
        0 => status(503),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        2 => status(502),
        _ => receipt(request),
    })
    .await;
    let (client, config) = client(&url);
    let answer = client.report(application(1), 5, ReportedResult::Signed).await.unwrap();
    let requests = requests.lock().unwrap();
    assert_eq!((answer.version, requests.len()), (6, 4));
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/v1/reports"));
    assert_eq!(requests[0].headers["content-type"], "application/jose");
    let signing = config.keys.signing.public();
    let report: Report = verify(REPORT_TYP, &requests[0].text(), [signing]).unwrap();
    assert_eq!((report.report_id, report.seen), (answer.report_id, 5));
}

#[tokio::test]
async fn retries_are_bounded_and_a_long_retry_after_ends_them() {
    let (url, requests) = test_server(|_, _| status(503)).await;
    let error = client(&url).0.report(application(1), 5, ReportedResult::Signed).await;
    assert!(matches!(error, Err(HubClientError::Unavailable { retry_after: None })));
    assert_eq!(requests.lock().unwrap().len(), 4);

    let busy = |_: usize, _: &RecordedRequest| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "600")]);
    let (url, requests) = test_server(busy).await;
    let error = client(&url).0.report(application(1), 5, ReportedResult::Signed).await;
    let Err(HubClientError::Unavailable { retry_after }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(600)));
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_reported_as_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://hub.localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let error = client(&url).0.report(application(1), 5, ReportedResult::Signed).await;
    assert!(matches!(error, Err(HubClientError::Unavailable { .. })), "{error:?}");
}

#[tokio::test]
async fn names_under_localhost_resolve_to_loopback() {
    let (url, _) = test_server(|_, request| receipt(request)).await;
    let (client, _) = client(&url.replace("127.0.0.1", "api.execute-api.localhost"));
    client.report(application(1), 5, ReportedResult::Signed).await.unwrap();
}

#[tokio::test]
async fn each_refusal_has_its_own_error_and_is_not_retried() {
    let names = ["illegal", "not_found", "invalid", "signature"];
    let (url, requests) = test_server(move |turn, _| problem([409, 404, 422, 401][turn], names[turn])).await;
    let (client, _) = client(&url);
    let report = || client.report(application(1), 5, ReportedResult::Signed);
    let Err(HubClientError::Conflict(first)) = report().await else {
        panic!("409");
    };
    assert_eq!(first.code(), "illegal");
    assert!(matches!(report().await, Err(HubClientError::NotFound(_))));
    let Err(HubClientError::Invalid(third)) = report().await else {
        panic!("422");
    };
    assert_eq!(third.errors[0].pointer, "/reason");
    let Err(HubClientError::Unauthorized(fourth)) = report().await else {
        panic!("401");
    };
    assert_eq!(fourth.code(), "signature");
    assert_eq!(requests.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn the_same_result_on_the_same_version_is_the_same_report() {
    let (client, _) = client("http://127.0.0.1:1");
    let id = |seen, result| client.sign(application(1), seen, result).unwrap().id();
    let reason = |text: &str| ReportedResult::NotIssued { reason: text.to_owned() };
    assert_eq!(id(4, reason("a")), id(4, reason("a")));
    assert_eq!(id(4, ReportedResult::Signed).as_uuid().get_version_num(), 8);
    let others = [id(4, reason("b")), id(5, reason("a")), id(4, ReportedResult::Signed)];
    let elsewhere = client.sign(application(2), 4, reason("a")).unwrap().id();
    let mut all: Vec<_> = others.into_iter().chain([elsewhere, id(4, reason("a"))]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5, "whatever differs makes another report");
}

#[tokio::test]
async fn an_old_signature_is_renewed_under_the_same_id() {
    let (url, requests) = test_server(|turn, request| match turn {
        1 => problem(401, "signature_expired"),
        _ => receipt(request),
    })
    .await;
    let (client, config) = client(&url);
    let mut stored = client.sign(application(1), 5, ReportedResult::Signed).unwrap();
    assert!(stored.is_fresh(Timestamp::now()));
    stored.report.iat -= 601;
    assert!(!stored.is_fresh(Timestamp::now()));
    let text = serde_json::to_string(&stored).unwrap();
    let stored: SignedReport = serde_json::from_str(&text).unwrap();
    client.send(&stored).await.unwrap();
    // The hub's clock may be ahead, so the hub may refuse a fresh signature as expired.
    let receipt = client.send(&client.renew(&stored).unwrap()).await.unwrap();
    let requests = requests.lock().unwrap();
    assert_eq!((requests.len(), receipt.report_id), (3, stored.id()));
    let now = Timestamp::now().as_second();
    for request in requests.iter() {
        let report: Report =
            protocol::jose::verify(REPORT_TYP, &request.text(), [config.keys.signing.public()]).unwrap();
        assert!(now - report.iat < 60 && report.report_id == stored.id());
    }
}

#[tokio::test]
async fn a_wrong_clock_is_reported_after_one_retry() {
    let (url, requests) = test_server(|_, _| problem(401, "signature_expired")).await;
    let error = client(&url).0.report(application(1), 5, ReportedResult::Signed).await;
    assert!(matches!(error, Err(HubClientError::Unauthorized(_))), "{error:?}");
    assert_eq!(requests.lock().unwrap().len(), 2);
}

fn open_case(number: u8) -> serde_json::Value {
    json!({
        "application": application(number), "version": 5, "message": 4, "notice": "opened", "sent": true,
        "purpose": "decide", "service": "first_identity_card", "stage": "received", "overdue": false,
        "opened_at": "2026-03-01T08:00:00Z",
    })
}

#[tokio::test]
async fn open_cases_are_listed_page_by_page_within_a_bound() {
    let (url, requests) = test_server(|_, request| {
        let request: serde_json::Value = payload(request);
        let page = match request["after"].as_str() {
            None => json!({ "cases": [open_case(1), open_case(2)], "next": "c2" }),
            Some("c2") => json!({ "cases": [open_case(3)], "next": "c3" }),
            Some("c3") => json!({ "cases": [] }),
            _ => json!({ "cases": [], "next": "loop" }),
        };
        Json(page).into_response()
    })
    .await;
    let (client, config) = client(&url);
    let all = client.all_cases(None, 1000).await.unwrap();
    assert_eq!((all.cases.len(), all.next), (3, None));
    {
        let requests = requests.lock().unwrap();
        assert_eq!((requests.len(), requests[0].path.as_str()), (3, "/v1/agency/cases"));
        let request: CasesRequest =
            verify(CASES_TYP, &requests[1].text(), [config.keys.signing.public()]).unwrap();
        assert_eq!((request.after.as_deref(), request.limit), (Some("c2"), Some(100)));
    }
    let some = client.all_cases(None, 2).await.unwrap();
    assert_eq!((some.cases.len(), some.next.as_deref()), (2, Some("c2")));
    let error = client.all_cases(Some("loop"), 9).await;
    assert!(matches!(error, Err(HubClientError::InvalidResponse)), "a page without an end");
}

#[tokio::test]
async fn a_resend_request_names_at_most_100_cases() {
    let (url, requests) = test_server(|turn, request| {
        let request: serde_json::Value = payload(request);
        let told =
            |case: &serde_json::Value| json!({ "application": case["application"], "outcome": "accepted" });
        let mut cases: Vec<_> = request["cases"].as_array().unwrap().iter().map(told).collect();
        if turn == 2 {
            cases.pop();
        }
        Json(json!({ "cases": cases })).into_response()
    })
    .await;
    let (client, config) = client(&url);
    let case = |number| ResendCase { application: application(number), message: Some(4) };
    let cases: Vec<_> = (1..=150).map(case).collect();
    let answer = client.resend(&cases).await.unwrap();
    assert_eq!(answer.cases.len(), 150);
    assert!(answer.cases.iter().all(|told| told.outcome == ResendOutcome::Accepted));
    {
        let requests = requests.lock().unwrap();
        assert_eq!((requests.len(), requests[0].path.as_str()), (2, "/v1/agency/resend"));
        let request: ResendRequest =
            verify(RESEND_TYP, &requests[1].text(), [config.keys.signing.public()]).unwrap();
        assert_eq!(request.cases.len(), 50);
    }
    let error = client.resend(&cases[..2]).await;
    assert!(matches!(error, Err(HubClientError::InvalidResponse)), "one is not answered");
}

#[tokio::test]
async fn a_report_before_the_dispatch_is_recorded_is_retried() {
    let (url, requests) = test_server(|turn, request| match turn {
        0 | 1 => problem(409, "illegal"),
        _ => receipt(request),
    })
    .await;
    let answer = client(&url).0.report(application(1), 4, ReportedResult::Received).await.unwrap();
    let requests = requests.lock().unwrap();
    assert_eq!((answer.version, requests.len()), (5, 3));
    assert!(requests.iter().all(|request| request.body == requests[0].body));
}

#[tokio::test]
async fn an_answer_that_is_not_a_receipt_is_an_error() {
    let bodies = || [b"{}".to_vec(), vec![b' '; 300_000]];
    let (url, requests) = test_server(move |turn, _| match bodies().get(turn) {
        Some(body) => body.clone().into_response(),
        None => (StatusCode::FOUND, [("location", "/v1/elsewhere")]).into_response(),
    })
    .await;
    let (client, _) = client(&url);
    let report = || client.report(application(1), 5, ReportedResult::Signed);
    assert!(matches!(report().await, Err(HubClientError::InvalidResponse)));
    assert!(matches!(report().await, Err(HubClientError::InvalidResponse)), "over the bound");
    let redirected = report().await;
    assert!(
        matches!(redirected, Err(HubClientError::Unavailable { .. })),
        "not followed, and no answer of the hub"
    );
    assert_eq!(requests.lock().unwrap().len(), 2 + usize::try_from(NO_PAUSE.tries).unwrap());
}

fn document(bytes: &[u8]) -> CaseDocument {
    CaseDocument {
        id: "d1".parse().unwrap(),
        requirement: "household_register".to_owned(),
        kind: domain::catalogue::DocumentKind::named("household_register").unwrap(),
        media_type: "application/pdf".to_owned(),
        size: bytes.len() as u64,
        sha256: STANDARD.encode(Sha256::digest(bytes)),
    }
}

/// A server that answers document requests with a link to itself, and serves `object` at the link.
fn links(
    object: &'static [u8],
    method: &'static str,
) -> impl Fn(usize, &RecordedRequest) -> Response + Clone {
    move |_, request| {
        if request.path != "/v1/agency/documents" {
            return object.into_response();
        }
        let host = request.headers["host"].to_str().unwrap();
        let url = format!("http://{host}/object");
        let headers = json!({ "host": host, "content-length": "4", "x-amz-meta-kind": "k" });
        let expires_at = "2026-01-01T00:00:00Z";
        Json(json!({ "url": url, "method": method, "headers": headers, "expires_at": expires_at }))
            .into_response()
    }
}

#[tokio::test]
async fn a_document_is_fetched_by_a_signed_request_and_checked() {
    let (url, requests) = test_server(links(b"%PDF", "GET")).await;
    let (client, config) = client(&url);
    let fetched = client.fetch_document(application(1), &document(b"%PDF")).await.unwrap();
    assert_eq!(fetched, b"%PDF");
    let request: DocumentRequest = {
        let requests = requests.lock().unwrap();
        assert_eq!(requests[1].headers["x-amz-meta-kind"], "k");
        verify(DOCUMENT_TYP, &requests[0].text(), [config.keys.signing.public()]).unwrap()
    };
    let DocumentAction::Fetch { document: id } = request.action else {
        panic!("{request:?}");
    };
    assert_eq!(id.to_string(), "d1");
    // Different bytes, more bytes, fewer bytes.
    for other in [&b"%PDG"[..], b"%PDF-", b"%PD"] {
        let error = client.fetch_document(application(1), &document(other)).await;
        assert!(matches!(error, Err(HubClientError::DocumentMismatch)), "{error:?}");
    }
    let by_id = client.fetch_by_id(application(1), "d1".parse().unwrap()).await.unwrap();
    assert_eq!((by_id.bytes.as_slice(), by_id.sha256), (&b"%PDF"[..], document(b"%PDF").sha256));
    let mut huge = document(b"%PDF");
    huge.size = domain::limits::DOCUMENT_BYTES + 1;
    let error = client.fetch_document(application(1), &huge).await;
    assert!(matches!(error, Err(HubClientError::DocumentMismatch)));
}

#[tokio::test]
async fn a_certificate_is_uploaded_once() {
    let link = links(b"", "PUT");
    let (url, requests) = test_server(move |turn, request| match turn {
        // The first try succeeds but its response is lost. The second try finds the object and gets 412.
        1 => status(503),
        2 => status(412),
        _ => link(turn, request),
    })
    .await;
    let (client, _) = client(&url);
    let slot = "d4".parse().unwrap();
    let uploaded = client.upload_document(application(1), slot, "application/pdf", b"%PDF");
    uploaded.await.unwrap();
    let empty = client.upload_document(application(1), slot, "application/pdf", b"");
    assert!(matches!(empty.await, Err(HubClientError::DocumentMismatch)));
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[1].method.as_str(), &requests[1].body[..]), ("PUT", &b"%PDF"[..]));
    assert_eq!(requests[1].headers["content-length"], "4");
}

#[tokio::test]
async fn d1_an_upload_in_progress_is_awaited() {
    let link = links(b"", "PUT");
    let (url, requests) = test_server(move |turn, request| match turn {
        1 | 2 => status(409),
        3 => status(412),
        _ => link(turn, request),
    })
    .await;
    let (client, _) = client(&url);
    client.upload_document(application(1), "d4".parse().unwrap(), "application/pdf", b"%PDF").await.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn results_are_submitted_by_the_configured_way() {
    let (url, requests) = test_server(|_, request| {
        if request.path == "/v1/reports" {
            return status(503);
        }
        (StatusCode::OK, Json(json!({ "MessageId": "1" }))).into_response()
    })
    .await;
    let (client, mut config) = client(&url);
    let over_http = client.submit(application(1), 5, ReportedResult::Signed).await;
    assert!(matches!(over_http, Err(HubClientError::Unavailable { .. })));
    let sqs = SqsAccess::from_variables(|name| {
        (name != "AWS_SESSION_TOKEN")
            .then(|| if name == "AWS_ENDPOINT_URL" { url.clone() } else { "x".to_owned() })
    });
    let sqs = sqs.unwrap().sqs(&config.network);
    config.reports_queue_url = Some(format!("{url}/1/reports"));
    assert!(ReportsQueue::configured(&config, sqs.clone()).is_none(), "the queue is there, and not used");
    config.reports_by = ReportsBy::Queue;
    let client = client.with_reports_queue(ReportsQueue::configured(&config, sqs));
    requests.lock().unwrap().clear();
    let next = client.submit(application(1), 5, ReportedResult::Signed).await.unwrap();
    assert_eq!(next, 5, "by the queue every report names the version of the message");
    let log = requests.lock().unwrap();
    assert_eq!(log.len(), 1, "and nothing goes over HTTP");
    assert!(log[0].text().contains("MessageBody"), "{}", log[0].text());
}

#[tokio::test]
async fn a_report_by_queue_needs_a_reports_queue() {
    let (client, _) = client("http://127.0.0.1:1");
    let error = client.report_by_queue(application(1), 5, ReportedResult::Signed).await;
    assert!(matches!(error, Err(HubClientError::NoReportsQueue)));
}

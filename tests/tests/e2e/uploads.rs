//! The bucket of documents: browsers, and files that are erased.

use std::sync::Arc;

use domain::stage::Stage;
use protocol::app::ApplicationView;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tongban_tests::forms::{HOHHOT, adult_documents, first_card};
use tongban_tests::people::Citizen;
use tongban_tests::until::until;

use crate::app::{App, SOON};
use crate::test_hub::{ORIGIN, TestHub};

pub(crate) async fn d6_a_browser_may_upload_from_a_configured_origin_only(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "uploads-browser").await;
    let body = first_card(&Citizen::aged(30), HOHHOT, "110105");
    let created: ApplicationView = app.create(body, &adult_documents()).await.read(StatusCode::CREATED);
    let link = created.documents[0].upload.as_ref().expect("a link");
    let headers: Vec<&str> = link.headers.keys().map(String::as_str).filter(|name| *name != "host").collect();
    for (origin, method, expected) in [
        (ORIGIN, "PUT", StatusCode::OK),
        (ORIGIN, "DELETE", StatusCode::FORBIDDEN),
        ("https://another.example.cn", "PUT", StatusCode::FORBIDDEN),
    ] {
        let preflight = test_hub.http().request(Method::OPTIONS, &link.url);
        let preflight = preflight.header("origin", origin).header("access-control-request-method", method);
        let preflight = preflight.header("access-control-request-headers", headers.join(","));
        let answer = preflight.send().await.expect("an answer of the bucket");
        assert_eq!(answer.status(), expected, "{method} from {origin}");
    }
}

/// The bucket locks every object for 30 days, and the sweeper has its own role.
pub(crate) async fn d4_the_sweepers_role_erases_what_the_bucket_locks(test_hub: Arc<TestHub>) {
    let app = App::open(&test_hub, "uploads-withdrawn").await;
    let body = first_card(&Citizen::aged(31), HOHHOT, "110105");
    let filed = app.file(body, &adult_documents()).await;
    let complete = || async { app.view(filed.id).await.missing.is_empty().then_some(()) };
    until("the documents", SOON, complete).await;
    let path = format!("/v1/applications/{}/documents/d1", filed.id);
    let read: protocol::report::Link = app.get(&path).send().await.read(StatusCode::OK);
    app.fetch(&read).await;
    let withdrawn = app.step(filed.id, "withdraw", &json!({})).await;
    assert_eq!(withdrawn.stage, Stage::Withdrawn);
    let swept: Value = test_hub.stack().sweep().await.expect("a response of the sweeper");
    assert!(swept["erased"].as_u64().is_some_and(|erased| erased >= 2), "{swept}");
    let gone = test_hub.http().get(&read.url).send().await.expect("an answer of the bucket");
    assert_eq!(gone.status(), StatusCode::NOT_FOUND, "the link to read ends with the file");
}

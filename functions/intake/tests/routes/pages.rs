//! Public documents: the OpenAPI description and the problem pages.

use axum::body::Body;
use http::Request;
use http_kit::problem::Code;
use http_kit::testing::{Answer, TestHub};

use crate::support::new_hub;

async fn read(test_hub: &TestHub, path: &str, name: &'static str, value: &str) -> Answer {
    test_hub.send(Request::get(path).header(name, value).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_description_is_served_with_an_entity_tag() {
    let test_hub = new_hub();
    let full = read(&test_hub, "/v1/openapi.json", "accept", "*/*").await;
    assert_eq!((full.status, full.body["openapi"].as_str()), (200, Some("3.1.0")));
    assert_eq!(full.headers["content-type"], "application/json");
    assert_eq!(full.headers["cache-control"], "public, max-age=300");
    let tag = full.headers["etag"].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let same = read(&test_hub, "/v1/openapi.json", "if-none-match", &known).await;
        assert_eq!((same.status, same.bytes.len()), (304, 0), "{known}");
        assert_eq!(same.headers["etag"], tag.as_str());
    }
    assert_eq!(read(&test_hub, "/v1/openapi.json", "if-none-match", "\"other\"").await.status, 200);
}

/// The `type` of a problem is a path of the API that serves the problem's page.
#[tokio::test]
async fn the_type_of_every_problem_resolves() {
    let test_hub = new_hub();
    for code in Code::ALL {
        let path = format!("/problems/{}", code.name());
        let page = read(&test_hub, &path, "accept", "application/json").await;
        assert_eq!((page.status, page.body["type"].as_str()), (200, Some(path.as_str())));
        assert_eq!(page.body["status"], code.status().as_u16());
        let html = read(&test_hub, &path, "accept", "text/html").await;
        assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
        let text = String::from_utf8(html.bytes).unwrap();
        assert!(text.contains(code.title().zh) && text.contains(code.title().en), "{text}");
    }
    let unknown = test_hub.send(Request::get("/problems/no_such_kind").body(Body::empty()).unwrap()).await;
    assert_eq!((unknown.status, unknown.body["type"].as_str()), (404, Some("/problems/not_found")));
}

//! Public documents: the OpenAPI description and the problem pages.

use axum::body::Body;
use http::Request;
use http_kit::problem::Code;
use http_kit::problem::texts::fields;
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

/// The table names every code that the hub can answer with, in both languages, and stays far below what a function may
/// answer (6 MB). Case K4 of `tests/FIELD_CASES.md`.
#[tokio::test]
async fn the_table_lists_every_code_of_problems_and_of_fields() {
    let test_hub = new_hub();
    let table = read(&test_hub, "/problems", "accept", "application/json").await;
    assert_eq!(table.status, 200);
    let problems = table.body["problems"].as_array().unwrap();
    let names: Vec<&str> = problems.iter().filter_map(|row| row["type"].as_str()).collect();
    let expected: Vec<String> = Code::ALL.iter().map(|code| format!("/problems/{}", code.name())).collect();
    assert_eq!(names, expected);
    let rows = table.body["fields"].as_array().unwrap();
    let codes: Vec<&str> = rows.iter().filter_map(|row| row["code"].as_str()).collect();
    assert_eq!(codes, fields().map(|(code, _)| code).collect::<Vec<_>>());
    assert!(codes.contains(&"guardian_required"));
    let html = read(&test_hub, "/problems", "accept", "text/html").await;
    assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
    assert!(table.bytes.len() < 64 << 10 && html.bytes.len() < 64 << 10, "{}", html.bytes.len());
    let page = String::from_utf8(html.bytes).unwrap();
    for (code, text) in fields() {
        assert!([code, text.zh, text.en].iter().all(|part| page.contains(part)), "{code}");
    }
    for problem in problems {
        for part in ["/zh/title", "/zh/advice", "/en/title", "/en/advice"] {
            let text = problem.pointer(part).and_then(|text| text.as_str()).unwrap();
            assert!(page.contains(text), "{text}");
        }
    }
}

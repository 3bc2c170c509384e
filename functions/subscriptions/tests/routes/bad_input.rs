//! Requests that are rejected before a subscription is read or changed.

use axum::body::Body;
use http::Request;
use http_kit::rate_limit::Limits;
use serde_json::json;

use crate::support::new_hub;

#[tokio::test]
async fn a_request_without_a_token_is_401_with_a_challenge() {
    let test_hub = new_hub();
    for (method, path) in [
        ("GET", "/v1/subscriptions"),
        ("POST", "/v1/subscriptions"),
        ("PATCH", "/v1/subscriptions/x"),
        ("POST", "/v1/subscriptions/x/rotate"),
        ("GET", "/v1/subscriptions/x/deliveries"),
        ("GET", "/v1/notices"),
    ] {
        for token in [None, Some("Bearer a.b.c")] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = test_hub.send(request.body(Body::from("{")).unwrap()).await;
            answer.assert_problem(401, "unauthorized");
            assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
        }
    }
}

#[tokio::test]
async fn a_token_without_the_scope_is_403_naming_the_scope() {
    let test_hub = new_hub();
    for (method, path, scopes) in [
        ("GET", "/v1/subscriptions", "applications:read applications:write"),
        ("DELETE", "/v1/subscriptions/x", ""),
        ("GET", "/v1/notices", "applications:read"),
    ] {
        let token = format!("Bearer {}", test_hub.token("hohhot-app", scopes));
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let answer = test_hub.send(request.body(Body::empty()).unwrap()).await;
        answer.assert_problem(403, "insufficient_scope");
        assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("subscriptions:write"));
    }
}

#[tokio::test]
async fn an_unknown_route_is_404_and_another_method_405_with_allow() {
    let test_hub = new_hub();
    test_hub.get("/v1/applications").await.assert_problem(404, "not_found");
    for (method, path, allow) in [
        ("PUT", "/v1/subscriptions/x", "DELETE,GET,HEAD,PATCH"),
        ("DELETE", "/v1/subscriptions", "GET,HEAD,POST"),
        ("GET", "/v1/subscriptions/x/pause", "POST"),
    ] {
        let request = test_hub.request(method, path, "hohhot-app").body(Body::empty()).unwrap();
        let answer = test_hub.send(request).await;
        answer.assert_problem(405, "method_not_allowed");
        let mut allowed: Vec<&str> = answer.headers["allow"].to_str().unwrap().split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{path}");
    }
}

#[tokio::test]
async fn a_malformed_subscription_id_is_404() {
    let test_hub = new_hub();
    for id in ["x", "..%2F..", "%E4%BD%A0", "a%00b"] {
        test_hub.get(&format!("/v1/subscriptions/{id}")).await.assert_problem(404, "not_found");
        let paused = test_hub.post(&format!("/v1/subscriptions/{id}/pause"), "k", &json!({})).await;
        paused.assert_problem(404, "not_found");
    }
}

#[tokio::test]
async fn every_change_needs_an_idempotency_key() {
    let test_hub = new_hub();
    let id = "0190f4c0-0000-8000-8000-000000000001";
    for path in ["/v1/subscriptions".to_owned(), format!("/v1/subscriptions/{id}/pause")] {
        let request =
            test_hub.request("POST", &path, "hohhot-app").header("content-type", "application/json");
        let answer = test_hub.send(request.body(Body::from("{}")).unwrap()).await;
        answer.assert_problem(400, "idempotency_key_required");
        for key in [String::new(), "a b".to_owned(), "x".repeat(300)] {
            test_hub.post(&path, &key, &json!({})).await.assert_problem(400, "idempotency_key_invalid");
        }
    }
}

#[tokio::test]
async fn query_parameters_are_bounded() {
    let test_hub = new_hub();
    for query in ["limit=0", "limit=101", "limit=x", "after=%21", "page=2"] {
        test_hub.get(&format!("/v1/notices?{query}")).await.assert_problem(422, "invalid_fields");
    }
    assert_eq!(test_hub.get("/v1/notices?limit=100").await.status, 200);
}

#[tokio::test]
async fn requests_beyond_the_rate_limit_are_429() {
    let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
    let test_hub = new_hub().with_limits(limits);
    for path in ["/v1/subscriptions", "/v1/notices"] {
        assert_eq!(test_hub.get(path).await.status, 200);
    }
    test_hub.get("/v1/notices").await.assert_problem(429, "too_many_requests");
    assert_eq!(test_hub.get_as("another-app", "/v1/notices").await.status, 200);
}

//! The middleware around every route: answers in the caller's language, adds the trace id, writes one log line, and
//! turns the framework's own refusals into problems.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::request::RequestContext;

use crate::problem::{Code, Language, Problem};
use crate::rate_limit::Slot;

/// The header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Adds the middleware to a function's routes. Call it after every route is added.
pub fn edge<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(async |request: Request| unknown_path(request.uri().path()))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed))
        .layer(from_fn(finish))
}

/// 404 for a path that no operation has.
fn unknown_path(path: &str) -> Problem {
    if path.len() > 1 && path.ends_with('/') {
        return Problem::not_found()
            .with_detail("地址末尾不带斜杠。", "No address of this interface ends with a slash.");
    }
    Problem::not_found()
}

async fn finish(mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let language = Language::of(request.headers());
    let trace = trace_id(&request);
    let method = request.method().clone();
    // The log has the route, not the path: a caller may put personal data into a path.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    request.extensions_mut().insert(Trace(trace.clone()));
    let answer = next.run(request).await;
    let problem = answer.extensions().get::<Problem>().map(|problem| problem.code().name());
    let mut answer = match Problem::restate(&answer, language, trace.as_deref()) {
        Some(restated) => restated,
        None => answer,
    };
    let headers = answer.headers_mut();
    if let Some(decision) = slot.get() {
        decision.write_headers(headers);
    }
    // Answers contain one citizen's data, so no cache may store them.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The id that a caller quotes to support; the log line below has it as `trace`.
    if let Some(id) = trace.as_deref().and_then(|trace| HeaderValue::from_str(trace).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        method = method.as_str(),
        route,
        status = answer.status().as_u16(),
        problem,
        milliseconds,
        trace,
        "request answered"
    );
    answer
}

/// The request's id in the hub's log, for a handler whose answer contains several problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(pub Option<String>);

/// The id of API Gateway, otherwise the id of the tracing header.
fn trace_id(request: &Request) -> Option<String> {
    match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => header_trace_id(request.headers()),
    }
}

/// The root of `X-Amzn-Trace-Id`. A caller can forge this header, so its form is checked.
fn header_trace_id(headers: &HeaderMap) -> Option<String> {
    let given = headers.get("x-amzn-trace-id")?.to_str().ok()?;
    let root = given.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let hex = |sign: u8| sign.is_ascii_hexdigit() || sign == b'-';
    (root.len() == 35 && root.bytes().all(hex)).then(|| root.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use axum::body::{Body, to_bytes};
    use axum::routing::{get, post};
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::fields;

    async fn send(method: &str, uri: &str, accept: &str) -> (u16, HeaderMap, Value) {
        let routes = Router::new()
            .route("/v1/health", get(async || "{}"))
            .route("/v1/things", post(async |_: fields::Body<fields::Nothing>| "{}"))
            .route("/v1/things/{n}", get(async |_: axum::extract::Path<u8>| "{}"));
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("accept-language", accept)
            .header("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678;Sampled=0")
            .body(Body::from(if method == "POST" { "{\"extra\":1}" } else { "" }));
        let answer = edge(routes).oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 10_000).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn the_frameworks_refusals_are_problems() {
        for (method, uri, status, code) in [
            ("GET", "/nowhere", 404, "not_found"),
            ("DELETE", "/v1/health", 405, "method_not_allowed"),
            ("GET", "/v1/things/x", 400, "bad_request"),
            ("POST", "/v1/things", 415, "unsupported_media_type"),
        ] {
            let (answered, headers, body) = send(method, uri, "zh").await;
            assert_eq!(answered, status, "{uri}");
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["content-language"], "zh-CN");
            assert_eq!(body["type"], format!("/problems/{code}"));
            assert_eq!(body["trace"], "1-67891233-abcdef012345678912345678");
            assert_eq!(headers["request-id"], "1-67891233-abcdef012345678912345678");
        }
        assert_eq!(send("DELETE", "/v1/health", "").await.1["allow"], "GET,HEAD");
    }

    #[tokio::test]
    async fn i10_an_unknown_path_is_a_problem_with_a_trace_and_a_final_slash_is_named() {
        for (uri, detail) in [
            ("/v1/health/", Value::from("No address of this interface ends with a slash.")),
            ("/", Value::Null),
            ("/v2/health", Value::Null),
            ("//v1/health", Value::Null),
        ] {
            let (answered, headers, body) = send("GET", uri, "en").await;
            assert_eq!((answered, &body["type"]), (404, &Value::from("/problems/not_found")), "{uri}");
            assert_eq!(body["trace"], "1-67891233-abcdef012345678912345678");
            assert_eq!(
                (&headers["content-type"], &body["detail"]),
                (&"application/problem+json".parse().unwrap(), &detail)
            );
        }
    }

    #[tokio::test]
    async fn k5_an_answer_without_a_problem_has_the_id_to_quote() {
        let (answered, headers, _) = send("GET", "/v1/health", "en").await;
        assert_eq!(
            (answered, &headers["request-id"]),
            (200, &HeaderValue::from_static("1-67891233-abcdef012345678912345678"))
        );
    }

    #[tokio::test]
    async fn no_answer_is_cached_or_sniffed() {
        for uri in ["/v1/health", "/nowhere"] {
            let (_, headers, _) = send("GET", uri, "en").await;
            assert_eq!(
                (&headers["cache-control"], &headers["x-content-type-options"]),
                (&HeaderValue::from_static("no-store"), &HeaderValue::from_static("nosniff"))
            );
        }
    }

    #[test]
    fn a_malformed_trace_id_is_not_repeated() {
        let of = |text: &'static str| {
            header_trace_id(&HeaderMap::from_iter([(
                "x-amzn-trace-id".parse().unwrap(),
                HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(of("Root=110101202311012176"), None);
        assert_eq!(of("Self=1-2;Root=<script>"), None);
        assert!(of("Self=1-2;Root=1-67891233-abcdef012345678912345678").is_some());
    }
}

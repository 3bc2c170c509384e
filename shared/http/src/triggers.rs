//! Serves API Gateway requests and, for some functions, batches of an SQS queue.

use std::future::Future;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderName, HeaderValue};
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use lambda_runtime::tower::{Service as _, ServiceExt as _};
use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use platform::batch::{deadline, is_batch};

/// The characters that a path parameter must encode: all but the unreserved ones (RFC 3986, section 2.3).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters that no URI contains (RFC 3986, section 2). `%` is not one of them: the caller's own encoding stays.
const NOT_IN_URI: AsciiSet = CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Maximum size of an encoded path or query in bytes. API Gateway accepts 10 KiB of request line and headers.
const URI_PART_BYTES: usize = 24 * 1024;

/// Serves requests until Lambda ends the process.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn serve_http(routes: Router) -> Result<(), Error> {
    let routes = &routes;
    run(service_fn(async |LambdaEvent { payload, context }| http(routes.clone(), payload, context).await))
        .await
}

/// Serves requests and queue batches until Lambda ends the process.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn serve<Q, F>(routes: Router, queue: Q) -> Result<(), Error>
where
    Q: Fn(SqsEvent, tokio::time::Instant) -> F,
    F: Future<Output = SqsBatchResponse>,
{
    let (routes, queue) = (&routes, &queue);
    run(service_fn(|event: LambdaEvent<Value>| answer(routes.clone(), queue, event))).await
}

/// Answers one event.
///
/// # Errors
/// When the event is neither a request nor a queue batch.
pub async fn answer<Q, F>(routes: Router, queue: &Q, event: LambdaEvent<Value>) -> Result<Value, Error>
where
    Q: Fn(SqsEvent, tokio::time::Instant) -> F,
    F: Future<Output = SqsBatchResponse>,
{
    let LambdaEvent { payload, context } = event;
    if is_batch(&payload) {
        let batch: SqsEvent = serde_json::from_value(payload)?;
        return Ok(serde_json::to_value(queue(batch, deadline(&context)).await)?);
    }
    http(routes, payload, context).await
}

async fn http(routes: Router, payload: Value, context: Context) -> Result<Value, Error> {
    let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(read_request(payload)?), context);
    Ok(serde_json::to_value(Adapter::from(routes).ready().await?.call(event).await?)?)
}

/// Reads a request so that nothing in it can end the process. `lambda_http` builds a URI from path, query, `Host` and
/// `X-Forwarded-Proto` and panics when the result is not a URI; it also panics on a body that is not valid base64
/// although the event says so. The hub reads neither header.
fn read_request(mut payload: Value) -> Result<ApiGatewayV2httpRequest, Error> {
    if let Some(headers) = payload.get_mut("headers").and_then(Value::as_object_mut) {
        headers.retain(|name, value| is_header(name, value));
    }
    let mut request: ApiGatewayV2httpRequest = serde_json::from_value(payload)?;
    request.headers.remove(HOST);
    request.headers.remove("x-forwarded-proto");
    request.request_context.domain_name = None;
    let path = path(&request).unwrap_or_else(|| for_uri(request.raw_path.as_deref().unwrap_or_default()));
    request.raw_path = Some(if path.starts_with('/') { path } else { format!("/{path}") });
    request.raw_query_string = request.raw_query_string.as_deref().map(for_uri);
    if request.is_base64_encoded && request.body.as_deref().is_some_and(|body| STANDARD.decode(body).is_err())
    {
        request.body = None;
    }
    Ok(request)
}

fn is_header(name: &str, value: &Value) -> bool {
    HeaderName::from_bytes(name.as_bytes()).is_ok()
        && value.as_str().is_some_and(|value| HeaderValue::from_str(value).is_ok())
}

/// Percent-encodes what no URI contains, and cuts the part at [`URI_PART_BYTES`]: no handler accepts a longer one.
fn for_uri(part: &str) -> String {
    utf8_percent_encode(part, &NOT_IN_URI).flat_map(str::chars).take(URI_PART_BYTES).collect()
}

/// The path of the request, encoded again from the matched route and its parameters. API Gateway passes the path
/// decoded, so that a `?` or `#` in a parameter would end the path.
fn path(request: &ApiGatewayV2httpRequest) -> Option<String> {
    let (_, route) = request.route_key.as_deref()?.split_once(' ')?;
    let mut path = String::new();
    for part in route.split('/').skip(1) {
        path.push('/');
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => {
                path.extend(utf8_percent_encode(request.path_parameters.get(name)?, &UNRESERVED));
            }
            None => path.push_str(part),
        }
    }
    (path.len() <= URI_PART_BYTES).then_some(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use axum::extract::Path;
    use axum::routing::get;
    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    async fn invoke(payload: Value) -> Result<Value, Error> {
        let routes =
            Router::new().route("/v1/health", get(async || axum::Json(json!({ "status": "ok" })))).route(
                "/v1/things/{id}/parts/{part}",
                get(async |Path(both): Path<(String, String)>| axum::Json(both)),
            );
        let queue = async |batch: SqsEvent, _| {
            let mut response = SqsBatchResponse::default();
            response.add_failure(batch.records[0].message_id.clone().unwrap_or_default());
            response
        };
        answer(routes, &queue, LambdaEvent::new(payload, Context::default())).await
    }

    fn event(route: &str, path: &str, parameters: &Value) -> Value {
        json!({
            "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "Records=1",
            "pathParameters": parameters,
            "headers": { "host": "a.example" }, "isBase64Encoded": false, "body": "{\"Records\":[]}",
            "requestContext": {
                "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r-1", "routeKey": route,
                "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                    "userAgent": "t" },
                "time": "02/Mar/2026:01:00:00 +0000", "timeEpoch": 1_772_413_200_000_i64,
            },
        })
    }

    /// Row 37 of `tests/FAULTS.md`.
    #[tokio::test]
    async fn a_path_parameter_that_the_gateway_decoded_is_encoded_again() {
        let route = "ANY /v1/things/{id}/parts/{part}";
        for id in ["a?b", "a#b", "a/../b", "../../x", "%2F", "50%", "a b", "名", "\u{0}", "a;b&c=d+e", "~-._"]
        {
            let (raw, parameters) = (format!("/v1/things/{id}/parts/d1"), json!({ "id": id, "part": "d1" }));
            let answered = invoke(event(route, &raw, &parameters)).await.unwrap();
            assert_eq!(answered["statusCode"], 200, "{id:?}: {answered}");
            assert_eq!(answered["body"], json!([id, "d1"]).to_string());
        }
        let nowhere = invoke(event("$default", "/v1/elsewhere", &json!({}))).await.unwrap();
        assert_eq!(nowhere["statusCode"], 404);
    }

    /// Events with texts that a caller controls: path, query, parameter, headers, body.
    fn hostile() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            ".{0,40}",
            "[ -~]{0,40}",
            Just("x=<y>".to_owned()),
            Just("service=\"first_identity_card\"".to_owned()),
            Just("%".to_owned()),
            Just("a".repeat(70_000)),
        ];
        let header = prop_oneof![
            Just("host"),
            Just("x-forwarded-proto"),
            Just("x-forwarded-port"),
            Just("content-type"),
            Just("accept-language"),
            Just("authorization"),
            Just("x-amzn-trace-id"),
            Just("a b"),
            Just(""),
        ];
        let headers = prop::collection::vec((header, text.clone()), 0..5);
        (text.clone(), text.clone(), text.clone(), text, headers, any::<bool>(), any::<bool>()).prop_map(
            |(path, query, parameter, body, headers, encoded, matched)| {
                let route = if matched { "GET /v1/things/{id}/parts/{part}" } else { "$default" };
                let mut event = event(route, &path, &json!({ "id": parameter, "part": "d1" }));
                event["rawQueryString"] = query.into();
                event["body"] = body.into();
                event["isBase64Encoded"] = encoded.into();
                for (name, value) in headers {
                    event["headers"][name] = value.into();
                }
                event
            },
        )
    }

    proptest! {
        #[test]
        fn i1_no_request_ends_the_process(event in hostile()) {
            let answered = invoke(event).now_or_never().unwrap().unwrap();
            prop_assert!([200, 404].contains(&answered["statusCode"].as_u64().unwrap()), "{}", answered);
        }
    }

    #[tokio::test]
    async fn i1_a_query_with_characters_of_no_uri_is_answered() {
        let mut event = event("GET /v1/health", "/v1/health", &json!({}));
        for query in ["x=<y>", "service=\"first_identity_card\"", "a b", "名", "%zz", "\u{0}"] {
            event["rawQueryString"] = query.into();
            assert_eq!(invoke(event.clone()).await.unwrap()["statusCode"], 200, "{query}");
        }
    }

    #[tokio::test]
    async fn a_batch_and_a_request_are_distinguished() {
        let batch = invoke(json!({ "Records": [{ "messageId": "m-1", "body": "{}" }] })).await.unwrap();
        assert_eq!(batch, json!({ "batchItemFailures": [{ "itemIdentifier": "m-1" }] }));
        let answered = invoke(event("ANY /v1/health", "/v1/health", &json!({}))).await.unwrap();
        assert_eq!(
            (&answered["statusCode"], &answered["body"]),
            (&json!(200), &json!("{\"status\":\"ok\"}"))
        );
    }

    #[tokio::test]
    async fn an_unknown_event_is_an_error() {
        assert!(invoke(json!({ "hello": 1 })).await.is_err());
    }
}

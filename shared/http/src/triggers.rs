//! Serves API Gateway requests and, for some functions, batches of an SQS queue.
//!
//! Lambda passes the event unchanged. A queue batch has the member `Records`. A request does not, and a caller cannot add it,
//! because API Gateway nests everything from the caller in other members.

use std::future::Future;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use axum::Router;
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use lambda_runtime::tower::{Service as _, ServiceExt as _};
use lambda_runtime::{Context, Error, LambdaEvent, run, service_fn};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

use platform::batch::deadline;

/// The characters that a path parameter must encode: all but the unreserved ones (RFC 3986, section 2.3).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Serves requests until Lambda ends the process.
///
/// # Errors
/// When the Lambda runtime cannot be reached.
pub async fn serve_http(routes: Router) -> Result<(), Error> {
    let routes = &routes;
    run(service_fn(async |LambdaEvent { payload, context }| {
        let answer = http(routes.clone(), payload, context).await?;
        Ok::<_, Error>(answer)
    }))
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
    if payload.get("Records").is_some() {
        let batch: SqsEvent = serde_json::from_value(payload)?;
        return Ok(serde_json::to_value(queue(batch, deadline(&context)).await)?);
    }
    let answer = http(routes, serde_json::from_value(payload)?, context).await?;
    Ok(serde_json::to_value(answer)?)
}

async fn http(
    routes: Router,
    mut request: ApiGatewayV2httpRequest,
    context: Context,
) -> Result<impl Serialize, Error> {
    if let Some(path) = path(&request) {
        request.raw_path = Some(path);
    }
    let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(request), context);
    Ok(Adapter::from(routes).ready().await?.call(event).await?)
}

/// The path of the request, encoded again from the matched route and its parameters. API Gateway passes the path decoded, so
/// that a `?` or `#` in a parameter would end the path.
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
    Some(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use axum::extract::Path;
    use axum::routing::get;
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

    fn request(route: &str, path: &str, parameters: &Value) -> Value {
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

    #[tokio::test]
    async fn row_37_a_parameter_is_what_it_was_before_the_gateway_decoded_it() {
        let route = "ANY /v1/things/{id}/parts/{part}";
        for id in ["a?b", "a#b", "a/../b", "../../x", "%2F", "50%", "a b", "名", "\u{0}", "a;b&c=d+e", "~-._"]
        {
            let (raw, parameters) = (format!("/v1/things/{id}/parts/d1"), json!({ "id": id, "part": "d1" }));
            let answered = invoke(request(route, &raw, &parameters)).await.unwrap();
            assert_eq!(answered["statusCode"], 200, "{id:?}: {answered}");
            assert_eq!(answered["body"], json!([id, "d1"]).to_string());
        }
        let nowhere = invoke(request("$default", "/v1/elsewhere", &json!({}))).await.unwrap();
        assert_eq!(nowhere["statusCode"], 404);
    }

    #[tokio::test]
    async fn a_batch_and_a_request_are_distinguished() {
        let batch = invoke(json!({ "Records": [{ "messageId": "m-1", "body": "{}" }] })).await.unwrap();
        assert_eq!(batch, json!({ "batchItemFailures": [{ "itemIdentifier": "m-1" }] }));
        let answered = invoke(request("ANY /v1/health", "/v1/health", &json!({}))).await.unwrap();
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

//! One function behind two triggers: HTTP through API Gateway, and a queue.
//!
//! Lambda gives a function its event as it is. A batch of a queue has `Records`; a request has none, and a
//! caller cannot make it have: what API Gateway passes on of a request lies within its own members.

use std::future::Future;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use axum::Router;
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use lambda_runtime::tower::{Service as _, ServiceExt as _};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

use crate::batch::deadline;

/// Serves both triggers until Lambda ends the process.
///
/// # Errors
/// Where the Lambda runtime cannot be reached.
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
/// An event that is neither a request nor a batch.
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
    let request: LambdaRequest = serde_json::from_value(payload)?;
    let mut adapter = Adapter::from(routes);
    let answer = adapter.ready().await?.call(LambdaEvent::new(request, context)).await?;
    Ok(serde_json::to_value(answer)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use axum::routing::get;
    use lambda_runtime::Context;
    use serde_json::json;

    use super::*;

    async fn ask(payload: Value) -> Result<Value, Error> {
        let routes = Router::new().route("/v1/health", get(async || axum::Json(json!({ "status": "ok" }))));
        let queue = async |batch: SqsEvent, _| {
            let mut response = SqsBatchResponse::default();
            response.add_failure(batch.records[0].message_id.clone().unwrap_or_default());
            response
        };
        answer(routes, &queue, LambdaEvent::new(payload, Context::default())).await
    }

    #[tokio::test]
    async fn a_batch_and_a_request_are_told_apart() {
        let batch = ask(json!({ "Records": [{ "messageId": "m-1", "body": "{}" }] })).await.unwrap();
        assert_eq!(batch, json!({ "batchItemFailures": [{ "itemIdentifier": "m-1" }] }));
        let request = json!({
            "version": "2.0", "routeKey": "ANY /v1/health", "rawPath": "/v1/health", "rawQueryString": "Records=1",
            "headers": { "host": "a.example" }, "isBase64Encoded": false, "body": "{\"Records\":[]}",
            "requestContext": {
                "accountId": "1", "apiId": "a", "stage": "$default", "requestId": "r-1", "routeKey": "ANY /v1/health",
                "http": { "method": "GET", "path": "/v1/health", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                    "userAgent": "t" },
                "time": "02/Mar/2026:01:00:00 +0000", "timeEpoch": 1_772_413_200_000_i64,
            },
        });
        let answered = ask(request).await.unwrap();
        assert_eq!(
            (&answered["statusCode"], &answered["body"]),
            (&json!(200), &json!("{\"status\":\"ok\"}"))
        );
    }

    #[tokio::test]
    async fn anything_else_is_an_error() {
        assert!(ask(json!({ "hello": 1 })).await.is_err());
    }
}

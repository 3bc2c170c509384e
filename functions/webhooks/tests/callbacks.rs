//! Callbacks against a real endpoint.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use domain::ids::{SubscriptionId, TenantId};
use domain::partners::{AgencyRow, AgencyState, Partners};
use domain::stage::Stage;
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::contract::sample;
use platform::hub::{FakeHub, Hub as _};
use platform::settings::{SECRET, Settings as _, Subscription};
use platform::vault::Vault as _;
use protocol::callback::{Callback, Due, Secret};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;
use uuid::Uuid;
use webhooks::delivery::Courier;
use webhooks::handler::callbacks;

/// What an endpoint heard: id, timestamp, signature, body.
type Heard = Arc<Mutex<Vec<(String, String, String, Vec<u8>)>>>;

#[derive(Clone)]
struct Endpoint {
    heard: Heard,
    answer: fn() -> Response,
}

async fn hear(State(endpoint): State<Endpoint>, headers: axum::http::HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    endpoint.heard.lock().unwrap().push((
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
        body.to_vec(),
    ));
    (endpoint.answer)()
}

async fn endpoint(answer: fn() -> Response) -> (String, Heard) {
    let heard = Heard::default();
    let routes =
        Router::new().route("/hook", post(hear)).with_state(Endpoint { heard: heard.clone(), answer });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, heard)
}

fn hub() -> FakeHub {
    let row = AgencyRow {
        code: "11".parse().unwrap(),
        zh: "北京市".into(),
        en: "Beijing".into(),
        state: AgencyState::Active,
        offers: Default::default(),
        capabilities: Vec::new(),
        signing_keys: Vec::new(),
        encryption_keys: Vec::new(),
    };
    FakeHub::new(Partners::new(vec![row]).unwrap())
}

fn tenant() -> TenantId {
    sample::tenant("hohhot-app")
}

async fn subscribe(hub: &FakeHub, url: &str, events: &[&str]) -> Secret {
    let id: SubscriptionId = Uuid::new_v4().to_string().parse().unwrap();
    let secret = Secret::from_bytes(&[9; 32]).unwrap();
    let sealed = hub.vault().seal(SECRET, &id.to_string(), secret.as_bytes()).await.unwrap();
    let subscription = Subscription {
        id,
        tenant: tenant(),
        url: url.to_owned(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        created: hub.clock().now(),
        secret: sealed,
    };
    hub.settings().put_subscription(&subscription).await.unwrap();
    secret
}

fn callback(version: u32, kind: &str) -> Callback {
    Callback {
        tenant: tenant(),
        application: sample::id(1),
        version,
        kind: format!("application.{kind}"),
        at: sample::start(),
        stage: Stage::Received,
    }
}

fn batch(callbacks: &[Callback], receives: u32) -> SqsEvent {
    let records: Vec<_> = callbacks
        .iter()
        .map(|callback| {
            json!({
                "messageId": callback.id(),
                "receiptHandle": format!("receipt-{}", callback.version),
                "body": serde_json::to_string(&Due::V1(callback.clone())).unwrap(),
                "attributes": {
                    "MessageGroupId": callback.application.to_string(),
                    "ApproximateReceiveCount": receives.to_string(),
                },
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// The ids of the messages that come again.
async fn deliver(courier: &Courier<FakeHub>, event: SqsEvent) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let response = callbacks(courier, event, deadline).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

#[tokio::test]
async fn a_callback_is_signed_thin_and_delivered() {
    let (url, heard) = endpoint(|| "thanks".into_response()).await;
    let hub = hub();
    let secret = subscribe(&hub, &url, &[]).await;
    let courier = Courier::new(hub.clone(), Mode::Local).unwrap();
    let due = [callback(4, "dispatched"), callback(5, "received")];
    assert!(deliver(&courier, batch(&due, 1)).await.is_empty());
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2);
    for ((id, timestamp, signature, body), due) in heard.iter().zip(&due) {
        assert_eq!(id, &due.id());
        assert_eq!(secret.verify(id, timestamp, signature, body, hub.clock().now()), Ok(()));
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body["type"], due.kind);
        assert_eq!(body["data"]["version"], due.version);
        assert_eq!(body.as_object().unwrap().len(), 3, "type, timestamp, data: nothing else");
    }
}

#[tokio::test]
async fn row_38_a_refusal_is_tried_again_by_the_schedule_and_in_order() {
    let (url, heard) = endpoint(|| axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let hub = hub();
    subscribe(&hub, &url, &[]).await;
    let courier = Courier::new(hub.clone(), Mode::Local).unwrap();
    let due = [callback(4, "dispatched"), callback(5, "received")];
    let again = deliver(&courier, batch(&due, 3)).await;
    assert_eq!(again, [due[0].id(), due[1].id()]);
    assert_eq!(heard.lock().unwrap().len(), 1, "the later event of the application waits");
    assert_eq!(hub.queues.postponed(), [("receipt-4".to_owned(), Duration::from_secs(120))]);
}

#[tokio::test]
async fn row_40_a_redirect_is_not_followed() {
    let (inner, reached) = endpoint(|| "inside".into_response()).await;
    static TARGET: Mutex<String> = Mutex::new(String::new());
    *TARGET.lock().unwrap() = inner;
    let (url, _) = endpoint(|| Redirect::temporary(&TARGET.lock().unwrap()).into_response()).await;
    let hub = hub();
    subscribe(&hub, &url, &[]).await;
    let courier = Courier::new(hub.clone(), Mode::Local).unwrap();
    let due = [callback(4, "dispatched")];
    assert_eq!(deliver(&courier, batch(&due, 1)).await, [due[0].id()]);
    assert!(reached.lock().unwrap().is_empty());
}

/// The status says it all: an answer that never ends holds up nobody.
#[tokio::test]
async fn row_39_an_endless_body_is_not_read() {
    fn endless() -> Response {
        Response::new(Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]))
        })))
    }
    let (url, heard) = endpoint(endless).await;
    let hub = hub();
    subscribe(&hub, &url, &[]).await;
    let courier = Courier::new(hub.clone(), Mode::Local).unwrap();
    assert!(deliver(&courier, batch(&[callback(4, "dispatched")], 1)).await.is_empty());
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn only_events_that_are_wanted_are_delivered() {
    let (url, heard) = endpoint(|| "thanks".into_response()).await;
    let hub = hub();
    subscribe(&hub, &url, &["application.signed"]).await;
    let courier = Courier::new(hub.clone(), Mode::Local).unwrap();
    let due = [callback(4, "dispatched"), callback(6, "signed")];
    assert!(deliver(&courier, batch(&due, 1)).await.is_empty());
    let ids: Vec<String> = heard.lock().unwrap().iter().map(|heard| heard.0.clone()).collect();
    assert_eq!(ids, [due[1].id()]);
}

#[tokio::test]
async fn live_calls_nobody_in_clear_text() {
    let (url, heard) = endpoint(|| "thanks".into_response()).await;
    let hub = hub();
    subscribe(&hub, &url, &[]).await;
    let courier = Courier::new(hub.clone(), Mode::Live).unwrap();
    assert_eq!(deliver(&courier, batch(&[callback(4, "dispatched")], 1)).await.len(), 1);
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_is_none_is_left_to_the_dead_letters() {
    let courier = Courier::new(hub(), Mode::Local).unwrap();
    let mut event = batch(&[callback(4, "dispatched")], 1);
    event.records[0].body = Some(r#"{"v":"9"}"#.to_owned());
    assert_eq!(deliver(&courier, event).await.len(), 1);
}

//! A hub in memory, HTTP endpoints on 127.0.0.1, and batches of the queue.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use callbacks::connector::Connector;
use callbacks::delivery::CallbackSender;
use callbacks::handler::callbacks;
use callbacks::resolve::SystemLookup;
use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::endpoint::EndpointState;
use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use domain::stage::Stage;
use futures_util::FutureExt as _;
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::contract::{self, sample};
use platform::deliveries::Deliveries as _;
use platform::hub::{FakeHub, Hub as _};
use platform::internal_queue::proven;
use platform::queues::{Outgoing, Queue};
use platform::stored_responses::StoredResponse;
use platform::subscriptions::{Changes, SECRET, Subscription, Subscriptions as _};
use platform::vault::Vault as _;
use protocol::callback::{Callback, CallbackMessage, EndpointKeys};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;
use uuid::Uuid;

/// A callback that an endpoint received.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedCallback {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

/// An HTTP endpoint that records callbacks and answers as the test chooses.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<ReceivedCallback>>>,
    answer: Arc<dyn Fn(&str) -> Response + Send + Sync>,
}

impl Endpoint {
    pub(crate) async fn answering(answer: impl Fn() -> Response + Send + Sync + 'static) -> Endpoint {
        Endpoint::answering_to(move |_| answer()).await
    }

    /// An endpoint whose answer depends on the callback's id.
    pub(crate) async fn answering_to(answer: impl Fn(&str) -> Response + Send + Sync + 'static) -> Endpoint {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let endpoint = Endpoint { url, received: Arc::default(), answer: Arc::new(answer) };
        let routes = Router::new().route("/hook", post(receive)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        endpoint
    }

    /// An endpoint whose status the test can change.
    pub(crate) async fn with_status(status: u16) -> (Endpoint, Arc<AtomicU16>) {
        let current = Arc::new(AtomicU16::new(status));
        let read = current.clone();
        let answer = move || StatusCode::from_u16(read.load(Ordering::SeqCst)).unwrap().into_response();
        (Endpoint::answering(answer).await, current)
    }

    pub(crate) fn received(&self) -> Vec<ReceivedCallback> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.received().into_iter().map(|callback| callback.id).collect()
    }

    pub(crate) fn clear(&self) {
        self.received.lock().unwrap().clear();
    }
}

async fn receive(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    endpoint.received.lock().unwrap().push(ReceivedCallback {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: body.to_vec(),
    });
    (endpoint.answer)(&header("webhook-id"))
}

pub(crate) fn hub() -> FakeHub {
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
    FakeHub::new(Agencies::new(vec![row]).unwrap())
}

pub(crate) fn sender(hub: &FakeHub) -> CallbackSender<FakeHub> {
    CallbackSender::new(hub.restarted(), Mode::Local).unwrap()
}

pub(crate) fn connector() -> Connector {
    Connector::new(Mode::Local, Arc::new(SystemLookup)).unwrap()
}

/// A new process that shares the connector, because building an HTTP client takes most of a test's time.
pub(crate) fn sender_over(hub: &FakeHub, connector: &Connector) -> CallbackSender<FakeHub> {
    CallbackSender::over(hub.restarted(), connector.clone())
}

pub(crate) fn tenant() -> TenantId {
    sample::tenant("hohhot-app")
}

pub(crate) fn keys(byte: u8) -> EndpointKeys {
    EndpointKeys::from_bytes(&[byte; EndpointKeys::BYTES]).unwrap()
}

pub(crate) async fn encrypted(hub: &FakeHub, id: SubscriptionId, byte: u8) -> Vec<u8> {
    hub.vault().encrypt(SECRET, &id.to_string(), &[byte; EndpointKeys::BYTES]).await.unwrap()
}

/// Subscribes a tenant, with keys of bytes 9.
pub(crate) async fn subscribe_as(
    hub: &FakeHub,
    tenant: TenantId,
    url: &str,
    events: &[&str],
) -> SubscriptionId {
    let id: SubscriptionId = Uuid::new_v4().to_string().parse().unwrap();
    let subscription = Subscription {
        id,
        tenant,
        url: url.to_owned(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        created: hub.clock().now(),
        secret: encrypted(hub, id, 9).await,
        public_key: keys(9).public().map(|key| key.reveal()),
        former: None,
        own_messages_from: None,
        state: EndpointState::default(),
        revision: 0,
    };
    assert!(contract::subscribe(hub.subscriptions(), &subscription).await);
    id
}

pub(crate) async fn subscribe(hub: &FakeHub, url: &str, events: &[&str]) -> SubscriptionId {
    subscribe_as(hub, tenant(), url, events).await
}

/// Deletes a subscription, as an app's request does.
pub(crate) async fn remove(hub: &FakeHub, id: SubscriptionId) {
    let changes = Changes { removed: Some(id), ..Changes::default() };
    let response = StoredResponse { key: id.to_string(), request_hash: String::new(), encrypted: Vec::new() };
    assert!(hub.subscriptions().commit(&tenant(), &changes, &response).await.unwrap());
}

pub(crate) async fn stored(hub: &FakeHub, id: SubscriptionId) -> Subscription {
    hub.subscriptions().get(&tenant(), id).await.unwrap().unwrap()
}

/// Writes a state, as an app's request or another process does.
pub(crate) async fn set_state(hub: &FakeHub, id: SubscriptionId, state: EndpointState) {
    let before = stored(hub, id).await;
    let changed = Subscription { state, revision: before.revision + 1, ..before };
    assert!(hub.subscriptions().replace(&changed).await.unwrap());
}

/// The ids of the stored callbacks.
pub(crate) async fn stored_ids(hub: &FakeHub, id: SubscriptionId) -> Vec<String> {
    let stored = hub.deliveries().stored_callbacks(id, None, 1_000).await.unwrap();
    stored.iter().map(Callback::id).collect()
}

/// The id of an application. Stored callbacks are ordered by this number.
pub(crate) fn application(number: u8) -> ApplicationId {
    ApplicationId::from_bytes16([number; 16])
}

pub(crate) fn callback_of(application: ApplicationId, version: u32) -> Callback {
    Callback {
        tenant: tenant(),
        application,
        version,
        kind: "application.received".to_owned(),
        at: sample::start(),
        stage: Stage::Received,
    }
}

pub(crate) fn callback(version: u32) -> Callback {
    callback_of(application(1), version)
}

/// The body of a message of the hub. Its proof is not counted among the calls of the hub under test.
pub(crate) fn proven_body(message: &CallbackMessage) -> String {
    static WRITER: OnceLock<FakeHub> = OnceLock::new();
    proven(WRITER.get_or_init(hub), message).now_or_never().unwrap().unwrap()
}

pub(crate) fn batch_of(messages: &[(String, CallbackMessage)], receives: u32) -> SqsEvent {
    let records: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, (group, message))| {
            let attributes =
                json!({ "MessageGroupId": group, "ApproximateReceiveCount": receives.to_string() });
            json!({
                "messageId": index.to_string(), "receiptHandle": format!("receipt-{index}"),
                "body": proven_body(message), "attributes": attributes,
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// A batch with one message that the hub has sent.
pub(crate) fn batch_of_sent(message: Outgoing) -> SqsEvent {
    let attributes = json!({ "MessageGroupId": message.group, "ApproximateReceiveCount": "1" });
    let record = json!({
        "messageId": "0", "receiptHandle": "receipt-0", "body": message.body, "attributes": attributes,
    });
    serde_json::from_value(json!({ "Records": [record] })).unwrap()
}

pub(crate) fn batch(callbacks: &[Callback], receives: u32) -> SqsEvent {
    let messages: Vec<_> = callbacks
        .iter()
        .map(|callback| (callback.application.to_string(), CallbackMessage::V1(callback.clone())))
        .collect();
    batch_of(&messages, receives)
}

/// Delivers a batch and returns the ids of the failed messages.
pub(crate) async fn deliver(sender: &CallbackSender<FakeHub>, event: SqsEvent) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let response = callbacks(sender, event, deadline).await;
    response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

/// Delivers the messages in a queue of the hub and returns their number.
pub(crate) async fn deliver_queue(sender: &CallbackSender<FakeHub>, hub: &FakeHub, queue: &Queue) -> usize {
    let messages = hub.queues.drain(queue);
    let count = messages.len();
    for message in messages {
        assert!(deliver(sender, batch_of_sent(message)).await.is_empty());
    }
    count
}

/// Runs the schedule and the drainers that it wakes; returns the number of drainers.
pub(crate) async fn run_schedule(sender: &CallbackSender<FakeHub>, hub: &FakeHub) -> usize {
    sender.wake_due().await;
    deliver_queue(sender, hub, &Queue::Drains).await
}

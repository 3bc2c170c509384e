//! An app backend for tests: the shared client, which fails the test on an unexpected response.

use std::time::Duration;

use app_client::{AppClient, AppRequest, AppResponse, SampleDocument};
use domain::ids::ApplicationId;
use domain::stage::Stage;
use protocol::app::{ApplicationView, EventView, SubscriptionView};
use protocol::report::Link;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tongban::local::LocalStack;
use tongban::secrets::SCOPES;
use uuid::Uuid;

use crate::receiver::Receiver;
use crate::until::until;

/// Deadline for a step that the hub or an agency takes without a request of the test.
pub const SOON: Duration = Duration::from_secs(90);

/// One tenant with every scope.
#[derive(Clone, Debug)]
pub struct AppBackend {
    client: AppClient,
}

/// A request under construction. The test decides which status of the response is right.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct TestRequest(AppRequest);

/// A response of any status.
#[derive(Clone, Debug)]
pub struct TestResponse(AppResponse);

impl TestRequest {
    /// Sets a header; an empty value removes it.
    pub fn header(self, name: &str, value: impl Into<String>) -> TestRequest {
        TestRequest(self.0.header(name, value))
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> TestRequest {
        TestRequest(self.0.json(body))
    }

    /// Sets a body of any media type.
    pub fn text(self, content_type: &str, body: impl Into<String>) -> TestRequest {
        TestRequest(self.0.text(content_type, body))
    }

    /// Sends the request once.
    ///
    /// # Panics
    /// The hub does not answer.
    pub async fn send(self) -> TestResponse {
        TestResponse(self.0.send().await.expect("a response of the hub"))
    }
}

impl std::ops::Deref for TestResponse {
    type Target = AppResponse;

    fn deref(&self) -> &AppResponse {
        &self.0
    }
}

impl TestResponse {
    /// The body as JSON.
    ///
    /// # Panics
    /// The body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a response with this status.
    ///
    /// # Panics
    /// The status is another, or the body is not of this type.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, status: StatusCode) -> T {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl AppBackend {
    /// A tenant of the hub.
    ///
    /// # Panics
    /// The tenant's name is not valid.
    #[must_use]
    pub fn open(stack: &LocalStack, tenant: &str) -> AppBackend {
        let token = stack.token(tenant, &SCOPES).expect("a token");
        let api = stack.api_url().expect("an address of the API");
        AppBackend { client: AppClient::new(stack.http(), api, token) }
    }

    /// Subscribes a new receiver to every event.
    ///
    /// # Panics
    /// The hub refuses.
    pub async fn subscribe(&self) -> (Receiver, SubscriptionView) {
        let receiver = Receiver::listen().await;
        let created = self.post("/v1/subscriptions").json(&json!({ "url": receiver.url() })).send().await;
        let created: SubscriptionView = created.read(StatusCode::CREATED);
        receiver.trust(created.secret.as_deref().expect("a secret, shown once"));
        (receiver, created)
    }

    /// A request with this tenant's token.
    pub fn request(&self, method: Method, path: impl AsRef<str>) -> TestRequest {
        TestRequest(self.client.request(method, path.as_ref()))
    }

    /// A GET with this tenant's token.
    pub fn get(&self, path: impl AsRef<str>) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// A POST with a new idempotency key.
    pub fn post(&self, path: impl AsRef<str>) -> TestRequest {
        self.request(Method::POST, path).header("idempotency-key", Uuid::new_v4().to_string())
    }

    /// Creates an application with these documents declared.
    pub async fn create(&self, mut body: Value, documents: &[SampleDocument]) -> TestResponse {
        body["documents"] = documents.iter().map(SampleDocument::declaration).collect();
        self.post("/v1/applications").json(&body).send().await
    }

    /// Uploads every declared document of an application.
    ///
    /// # Panics
    /// The number of links differs from the number of documents, or the store refuses an upload.
    pub async fn upload_all(&self, created: &ApplicationView, documents: &[SampleDocument]) {
        let links = created.documents.iter().filter(|slot| slot.upload.is_some()).count();
        assert_eq!(links, documents.len(), "every declared document has a link: {created:?}");
        self.client.upload_all(created, documents).await.expect("uploaded documents");
    }

    /// Uploads a document to a signed link.
    ///
    /// # Panics
    /// The store refuses the upload.
    pub async fn upload(&self, link: &Link, document: &SampleDocument) {
        self.client.upload(link, &document.bytes).await.expect("an uploaded document");
    }

    /// Downloads the object behind a signed link.
    ///
    /// # Panics
    /// The store refuses the download.
    pub async fn fetch(&self, link: &Link) -> Vec<u8> {
        self.client.download(link).await.expect("a downloaded document")
    }

    /// Reads an application.
    ///
    /// # Panics
    /// The hub refuses.
    pub async fn view(&self, id: ApplicationId) -> ApplicationView {
        self.get(format!("/v1/applications/{id}")).send().await.read(StatusCode::OK)
    }

    /// Takes one of the app's own steps: `submit`, `supplement`, `withdraw` or `confirm`.
    ///
    /// # Panics
    /// The hub refuses.
    pub async fn step(&self, id: ApplicationId, step: &str, body: &Value) -> ApplicationView {
        self.post(format!("/v1/applications/{id}/{step}")).json(body).send().await.read(StatusCode::OK)
    }

    /// Waits until the application is at a stage.
    ///
    /// # Panics
    /// The application does not reach the stage soon.
    pub async fn reaches(&self, id: ApplicationId, stage: Stage) -> ApplicationView {
        let name = format!("{id} at {}", stage.name());
        until(&name, SOON, async || Some(self.view(id).await).filter(|view| view.stage == stage)).await
    }

    /// Waits until the hub has recorded every required document.
    ///
    /// # Panics
    /// A document is still missing at the deadline.
    pub async fn has_everything(&self, id: ApplicationId) -> ApplicationView {
        let complete = async || Some(self.view(id).await).filter(|view| view.missing.is_empty());
        until(&format!("every document of {id}"), SOON, complete).await
    }

    /// The complete event feed of an application and its hash, read page by page.
    ///
    /// # Panics
    /// The hub refuses.
    pub async fn feed(&self, id: ApplicationId) -> (Vec<EventView>, String) {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page = self.client.events(id, after, 3).await.expect("a page of events");
            events.extend(page.events);
            after = page.after;
            if !page.more {
                return (events, page.hash);
            }
        }
    }
}

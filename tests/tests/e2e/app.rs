//! An app backend: a tenant with a token, a subscription and a receiver of callbacks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::ApplicationId;
use domain::stage::Stage;
use protocol::app::{ApplicationView, EventView, EventsPage, SubscriptionView};
use protocol::report::Link;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tongban::secrets::SCOPES;
use tongban_tests::papers::Paper;
use tongban_tests::receiver::Receiver;
use tongban_tests::until::until;
use uuid::Uuid;

use crate::test_hub::TestHub;

/// How long anything may take that the hub or an agency does by itself.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, where the status is this one.
    pub(crate) fn read<T: DeserializeOwned>(&self, status: StatusCode) -> T {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A request that is put together step by step.
pub(crate) struct Request<'a> {
    app: &'a App,
    method: Method,
    path: String,
    headers: BTreeMap<&'static str, String>,
    body: Option<String>,
}

impl Request<'_> {
    /// Sets a header; an empty value leaves it out.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// Sets a JSON body.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    /// Sets any body.
    pub(crate) fn text(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Sends it.
    pub(crate) async fn send(self) -> Answer {
        let url = format!("{}{}", self.app.test_hub.api(), self.path);
        let mut request = self.app.test_hub.http().request(self.method, url);
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let answer = request.send().await.expect("an answer of the API");
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Answer {
            status: answer.status(),
            headers: headers.collect(),
            text: answer.text().await.expect("a body that can be read"),
        }
    }
}

/// An app backend.
pub(crate) struct App {
    test_hub: Arc<TestHub>,
    token: String,
    pub(crate) receiver: Receiver,
}

/// An application that was created, and its papers uploaded.
pub(crate) struct Filed {
    pub(crate) id: ApplicationId,
    pub(crate) created: ApplicationView,
}

impl App {
    /// A tenant of its own, with every scope, subscribed to everything.
    pub(crate) async fn open(test_hub: &Arc<TestHub>, tenant: &str) -> App {
        let app = App {
            test_hub: test_hub.clone(),
            token: test_hub.stack().token(tenant, &SCOPES).expect("a token"),
            receiver: Receiver::listen().await,
        };
        let body = json!({ "url": app.receiver.url() });
        let made = app.post("/v1/subscriptions").json(&body).send().await;
        let made: SubscriptionView = made.read(StatusCode::CREATED);
        app.receiver.trust(&made.secret.expect("a secret, shown once"));
        app
    }

    pub(crate) fn test_hub(&self) -> &Arc<TestHub> {
        &self.test_hub
    }

    /// A request with this tenant's token.
    pub(crate) fn request(&self, method: Method, path: impl Into<String>) -> Request<'_> {
        let request = Request { app: self, method, path: path.into(), headers: BTreeMap::new(), body: None };
        request.header("authorization", format!("Bearer {}", self.token))
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// A POST with a new idempotency key.
    pub(crate) fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, path).header("idempotency-key", Uuid::new_v4().to_string())
    }

    /// Creates an application with these papers declared, and uploads them.
    pub(crate) async fn file(&self, mut body: Value, papers: &[Paper]) -> Filed {
        body["documents"] = papers.iter().map(Paper::json).collect();
        let created = self.post("/v1/applications").json(&body).send().await;
        let created: ApplicationView = created.read(StatusCode::CREATED);
        let mut placed = 0;
        for document in &created.documents {
            let Some(link) = &document.upload else { continue };
            let paper = papers
                .iter()
                .find(|paper| link.headers.get("x-amz-checksum-sha256") == Some(&paper.sha256()))
                .unwrap_or_else(|| panic!("{}: a link for something not declared: {link:?}", document.id));
            self.upload(link, paper).await;
            placed += 1;
        }
        assert_eq!(placed, papers.len(), "every declared paper has a slot: {created:?}");
        Filed { id: created.id, created }
    }

    /// Puts a paper where a link says, with exactly the headers it gives.
    pub(crate) async fn upload(&self, link: &Link, paper: &Paper) {
        let method: Method = link.method.parse().expect("a method");
        let mut request = self.test_hub.http().request(method, &link.url).body(paper.bytes.clone());
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.expect("an answer of the bucket");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert_eq!(status, StatusCode::OK, "the upload was refused: {text}");
    }

    /// Fetches what a link leads to.
    pub(crate) async fn fetch(&self, link: &Link) -> Vec<u8> {
        let method: Method = link.method.parse().expect("a method");
        let mut request = self.test_hub.http().request(method, &link.url);
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.expect("an answer of the bucket");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.expect("a body that can be read").to_vec()
    }

    /// The application as it is now.
    pub(crate) async fn view(&self, id: ApplicationId) -> ApplicationView {
        self.get(format!("/v1/applications/{id}")).send().await.read(StatusCode::OK)
    }

    /// One of the app's own steps: `submit`, `supplement`, `withdraw`, `confirm`.
    pub(crate) async fn step(&self, id: ApplicationId, step: &str, body: &Value) -> ApplicationView {
        self.post(format!("/v1/applications/{id}/{step}")).json(body).send().await.read(StatusCode::OK)
    }

    /// Waits until the application is at a stage.
    pub(crate) async fn reaches(&self, id: ApplicationId, stage: Stage) -> ApplicationView {
        let name = format!("{id} at {}", stage.name());
        until(&name, SOON, async || Some(self.view(id).await).filter(|view| view.stage == stage)).await
    }

    /// Waits until every document of the app is recorded.
    pub(crate) async fn has_everything(&self, id: ApplicationId) -> ApplicationView {
        let complete = async || Some(self.view(id).await).filter(|view| view.missing.is_empty());
        until(&format!("{id} complete"), SOON, complete).await
    }

    /// The whole feed of an application and its seal, read page by page.
    pub(crate) async fn feed(&self, id: ApplicationId) -> (Vec<EventView>, String) {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let path = format!("/v1/applications/{id}/events?after={after}&limit=3");
            let page: EventsPage = self.get(path).send().await.read(StatusCode::OK);
            events.extend(page.events);
            after = page.after;
            if !page.more {
                return (events, page.seal);
            }
        }
    }
}

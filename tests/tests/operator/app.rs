//! An app backend, as far as operators' work shows to it.

use std::time::Duration;

use domain::ids::ApplicationId;
use domain::stage::Stage;
use protocol::app::ApplicationView;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tongban::secrets::SCOPES;
use tongban_tests::forms;
use tongban_tests::papers::Paper;
use tongban_tests::people::Citizen;
use tongban_tests::until::until;
use uuid::Uuid;

use crate::test_hub::TestHub;

/// How long anything may take that the hub does by itself.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// An app backend.
pub(crate) struct App<'w> {
    test_hub: &'w TestHub,
    token: String,
}

impl App<'_> {
    pub(crate) fn open<'w>(test_hub: &'w TestHub, tenant: &str) -> App<'w> {
        App { test_hub, token: test_hub.stack().token(tenant, &SCOPES).expect("a token") }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.test_hub.stack().api_url().expect("an address"));
        let request = self.test_hub.stack().http().request(method, url).bearer_auth(&self.token);
        request.header("idempotency-key", Uuid::new_v4().to_string())
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        read(request.body(body.to_string())).await
    }

    /// Opens an adult's first card and uploads its papers; answers what came of opening it.
    pub(crate) async fn file(
        &self,
        registered_at: &str,
        when_complete: bool,
    ) -> Result<ApplicationId, Value> {
        let papers = forms::adult_papers();
        let mut body = forms::first_card(&Citizen::aged(34), forms::HOHHOT, registered_at);
        body["documents"] = papers.iter().map(Paper::json).collect();
        if when_complete {
            body = forms::when_complete(body);
        }
        let (status, created) = self.post("/v1/applications", &body).await;
        if status != StatusCode::CREATED {
            return Err(created);
        }
        let created: ApplicationView = serde_json::from_value(created).expect("an application");
        for link in created.documents.iter().filter_map(|document| document.upload.as_ref()) {
            let hash = link.headers.get("x-amz-checksum-sha256");
            let paper = papers.iter().find(|paper| hash == Some(&paper.sha256())).expect("a declared paper");
            let mut put = self.test_hub.stack().http().put(&link.url).body(paper.bytes.clone());
            for (name, value) in &link.headers {
                put = put.header(name, value);
            }
            assert_eq!(put.send().await.expect("an answer of the bucket").status(), StatusCode::OK);
        }
        Ok(created.id)
    }

    /// Hands a complete application in.
    pub(crate) async fn submit(&self, id: ApplicationId) {
        let complete = async || self.view(id).await.missing.is_empty().then_some(());
        until("every document recorded", SOON, complete).await;
        let (status, told) = self.post(&format!("/v1/applications/{id}/submit"), &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{told}");
    }

    pub(crate) async fn view(&self, id: ApplicationId) -> ApplicationView {
        let (status, view) = read(self.request(Method::GET, &format!("/v1/applications/{id}"))).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        serde_json::from_value(view).expect("an application")
    }

    /// Waits until the application is at a stage.
    pub(crate) async fn reaches(&self, id: ApplicationId, stage: Stage) -> ApplicationView {
        let there = async || Some(self.view(id).await).filter(|view| view.stage == stage);
        until(&format!("{id} at {}", stage.name()), SOON, there).await
    }

    /// Whether first cards of a place are taken.
    pub(crate) async fn covers(&self, to: &str) -> bool {
        let path = format!("/v1/coverage?service=first_identity_card&from={}&to={to}", forms::HOHHOT);
        let (status, answer) = read(self.request(Method::GET, &path)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["offered"].as_bool().unwrap_or_else(|| panic!("no answer: {answer}"))
    }
}

async fn read(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer of the API");
    let status = answer.status();
    let text = answer.text().await.expect("a body that can be read");
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

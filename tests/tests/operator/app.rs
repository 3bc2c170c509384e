//! An app backend, for the effects of an operator's commands on apps.

use std::ops::Deref;

use domain::ids::ApplicationId;
use protocol::app::ApplicationView;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tongban_tests::app_backend::AppBackend;
use tongban_tests::forms;
use tongban_tests::people::Citizen;

use crate::test_hub::TestHub;

pub(crate) use tongban_tests::app_backend::SOON;

pub(crate) struct App(AppBackend);

impl App {
    pub(crate) fn open(test_hub: &TestHub, tenant: &str) -> App {
        App(AppBackend::open(test_hub.stack(), tenant))
    }

    /// Creates an adult's first card and uploads its documents. Returns the problem when the hub refuses.
    pub(crate) async fn file(
        &self,
        registered_at: &str,
        when_complete: bool,
    ) -> Result<ApplicationId, Value> {
        let documents = forms::adult_documents();
        let mut body = forms::first_card(&Citizen::aged(34), forms::HOHHOT, registered_at);
        if when_complete {
            body = forms::when_complete(body);
        }
        let response = self.create(body, &documents).await;
        if response.status != StatusCode::CREATED {
            return Err(response.json());
        }
        let created: ApplicationView = response.read(StatusCode::CREATED);
        self.upload_all(&created, &documents).await;
        Ok(created.id)
    }

    /// Submits an application once every document is recorded.
    pub(crate) async fn submit(&self, id: ApplicationId) {
        self.has_everything(id).await;
        self.step(id, "submit", &json!({})).await;
    }

    /// Whether the hub offers first cards for this place.
    pub(crate) async fn covers(&self, to: &str) -> bool {
        let path = format!("/v1/coverage?service=first_identity_card&from={}&to={to}", forms::HOHHOT);
        let coverage: Value = self.get(path).send().await.read(StatusCode::OK);
        coverage["offered"].as_bool().unwrap_or_else(|| panic!("no answer: {coverage}"))
    }
}

impl Deref for App {
    type Target = AppBackend;

    fn deref(&self) -> &AppBackend {
        &self.0
    }
}

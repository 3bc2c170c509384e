//! The app backend of certification: the shared app client, with the errors of certification.

use std::sync::{Arc, Mutex, PoisonError};

use agency::AgencyConfig;
use agency::hub_client::http_client;
use app_client::{AppClient, AppClientError, SampleDocument};
use domain::ids::{ApplicationId, DocumentId};
use protocol::app::{ApplicationView, EventsPage};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::citation::{CITED, CitedRefusal};
use super::error::CertifyError;

/// Most events that one call reads; no application of certification has as many.
const EVENTS: u32 = 100;

/// A document to upload: a small PDF that names its kind.
#[derive(Clone, Debug)]
pub struct UploadDocument(SampleDocument);

impl UploadDocument {
    /// Makes a document of this kind.
    #[must_use]
    pub fn new(kind: &'static str) -> UploadDocument {
        UploadDocument(SampleDocument::pdf(kind, "CERTIFICATION, invented"))
    }
}

/// An app backend. Every method fails with [`CertifyError`] when the hub refuses or does not answer.
#[derive(Clone, Debug)]
pub struct App {
    client: AppClient,
    hub: Url,
    /// The refusals that [`App::take_refusals`] has not taken yet.
    refusals: Arc<Mutex<Vec<CitedRefusal>>>,
}

impl App {
    /// A backend with an access token. Nothing is sent yet.
    ///
    /// # Errors
    /// [`CertifyError::Client`].
    pub fn new(config: &AgencyConfig, token: &str) -> Result<App, CertifyError> {
        let hub = &config.hub_url;
        let http = http_client(hub, &config.network).map_err(CertifyError::Client)?;
        let client = AppClient::new(&http, hub.as_str(), token);
        Ok(App { client, hub: hub.clone(), refusals: Arc::default() })
    }

    /// The refusals since the last call.
    pub(super) fn take_refusals(&self) -> Vec<CitedRefusal> {
        std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The error of certification, with a note of a refusal.
    fn failed(&self, error: AppClientError) -> CertifyError {
        let error = failed(error);
        if let CertifyError::Refused { what, problem } = &error {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if refusals.len() < CITED {
                refusals.push(CitedRefusal::new(what.clone(), None, problem));
            }
        }
        error
    }

    /// The hub's address.
    #[must_use]
    pub fn hub(&self) -> &Url {
        &self.hub
    }

    /// Reads a resource; `path` has no slash at its beginning.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CertifyError> {
        self.client.get(&format!("/{path}")).await.map_err(|error| self.failed(error))
    }

    /// Posts a signed object, as an agency does; `path` has no slash at its beginning.
    pub(super) async fn signed<T: DeserializeOwned>(&self, path: &str, jws: &str) -> Result<T, CertifyError> {
        self.client.post_signed(&format!("/{path}"), jws).await.map_err(|error| self.failed(error))
    }

    /// Creates an application, reports its id, and uploads its documents. The last upload submits the application.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn file(
        &self,
        mut body: Value,
        documents: &[UploadDocument],
        created: impl FnOnce(ApplicationId),
    ) -> Result<ApplicationView, CertifyError> {
        let documents: Vec<SampleDocument> = documents.iter().map(|document| document.0.clone()).collect();
        body["submit"] = "when_complete".into();
        let view = self.client.create(body, &documents).await.map_err(|error| self.failed(error))?;
        created(view.id);
        self.client.upload_all(&view, &documents).await.map_err(|error| self.failed(error))?;
        Ok(view)
    }

    /// Uploads one more document.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn add(
        &self,
        id: ApplicationId,
        slot: DocumentId,
        document: &UploadDocument,
    ) -> Result<(), CertifyError> {
        self.client.add_document(id, slot, &document.0).await.map_err(|error| self.failed(error))
    }

    /// Downloads a document.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn document(&self, id: ApplicationId, document: DocumentId) -> Result<Vec<u8>, CertifyError> {
        self.client.document(id, document).await.map_err(|error| self.failed(error))
    }

    /// Reads an application.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn view(&self, id: ApplicationId) -> Result<ApplicationView, CertifyError> {
        self.client.application(id).await.map_err(|error| self.failed(error))
    }

    /// Posts an action of the app on an application.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn step(
        &self,
        id: ApplicationId,
        step: &str,
        body: &Value,
    ) -> Result<ApplicationView, CertifyError> {
        self.client.step(id, step, body).await.map_err(|error| self.failed(error))
    }

    /// Reads the first hundred events of an application.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn events(&self, id: ApplicationId) -> Result<EventsPage, CertifyError> {
        self.client.events(id, 0, EVENTS).await.map_err(|error| self.failed(error))
    }
}

fn failed(error: AppClientError) -> CertifyError {
    match error {
        AppClientError::Refused { request, status, problem } => {
            let problem = problem.and_then(|problem| serde_json::to_value(problem).ok());
            let problem = problem.unwrap_or_else(|| json!({ "status": status.as_u16() }));
            match serde_json::from_value(problem) {
                Ok(problem) => CertifyError::Refused { what: request, problem: Box::new(problem) },
                Err(_) => CertifyError::Answer(request),
            }
        }
        AppClientError::NoResponse { request, .. } | AppClientError::Unavailable { request, .. } => {
            CertifyError::Unavailable(request)
        }
        AppClientError::Unreadable { request, .. } => CertifyError::Answer(request),
        AppClientError::LinkMethod(_)
        | AppClientError::MissingUploadLink(_)
        | AppClientError::MissingSecret => CertifyError::Answer("the upload links".to_owned()),
    }
}

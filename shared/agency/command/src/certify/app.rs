//! The app backend that certification plays: it files, answers and withdraws over the hub's HTTP interface.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ids::{ApplicationId, DocumentId};
use protocol::app::{ApplicationView, EventsPage, Link};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::CertifyError;

use crate::certificate;
use agency::hub_client::{http_client, link_request};
use agency::problem::HubProblem;
use agency::retry_policy::{RetryPolicy, retry_after};

/// Media type of a body that is one signed object.
const JOSE: &str = "application/jose";

/// A page to hand in.
#[derive(Clone, Debug)]
pub struct Paper {
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Paper {
    /// A small real PDF that says what it stands for.
    #[must_use]
    pub fn new(kind: &'static str) -> Paper {
        Paper { kind, bytes: certificate::page(&["CERTIFICATION, invented", kind]) }
    }

    fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }

    fn json(&self) -> Value {
        json!({
            "kind": self.kind, "media_type": certificate::MEDIA_TYPE, "size": self.bytes.len(),
            "sha256": self.sha256(),
        })
    }
}

/// An app backend.
#[derive(Clone, Debug)]
pub struct App {
    http: Client,
    hub: Url,
    token: String,
    retry_policy: RetryPolicy,
}

impl App {
    /// A backend with a token. Nothing is called.
    ///
    /// # Errors
    /// [`CertifyError::Client`].
    pub fn new(hub: &Url, token: &str) -> Result<App, CertifyError> {
        let http = http_client(hub).map_err(CertifyError::Client)?;
        let retry_policy = RetryPolicy { longest: Duration::from_secs(10), ..RetryPolicy::default() };
        Ok(App { http, hub: hub.clone(), token: token.to_owned(), retry_policy })
    }

    /// The hub's address.
    #[must_use]
    pub fn hub(&self) -> &Url {
        &self.hub
    }

    /// Reads.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CertifyError> {
        self.ask(Method::GET, path, None).await
    }

    /// Asks for a change. It is sent again under the same key while the hub is not available, so it happens once.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CertifyError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, CertifyError> {
        let what = format!("{method} /{path}");
        let key = Uuid::new_v4().to_string();
        self.send(&what, || {
            let mut request = self.http.request(method.clone(), self.url(path)?).bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.header("idempotency-key", &key).header(CONTENT_TYPE, "application/json");
                request = request.body(body.to_string());
            }
            Ok(request)
        })
        .await
    }

    /// Posts a signed object, as an agency does.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub(super) async fn signed<T: DeserializeOwned>(&self, path: &str, jws: &str) -> Result<T, CertifyError> {
        self.send(&format!("POST /{path}"), || {
            Ok(self.http.post(self.url(path)?).header(CONTENT_TYPE, JOSE).body(jws.to_owned()))
        })
        .await
    }

    fn url(&self, path: &str) -> Result<Url, CertifyError> {
        self.hub.join(path).map_err(|_| CertifyError::Answer(path.to_owned()))
    }

    /// Sends until there is an answer, and reads it.
    async fn send<T: DeserializeOwned>(
        &self,
        what: &str,
        request: impl Fn() -> Result<reqwest::RequestBuilder, CertifyError>,
    ) -> Result<T, CertifyError> {
        let bytes = self.exchange(what, request).await?;
        serde_json::from_slice(&bytes).map_err(|_| CertifyError::Answer(what.to_owned()))
    }

    async fn exchange(
        &self,
        what: &str,
        request: impl Fn() -> Result<reqwest::RequestBuilder, CertifyError>,
    ) -> Result<Vec<u8>, CertifyError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let answer = request()?.send().await;
            let mut after = None;
            if let Ok(answer) = answer {
                let status = answer.status();
                let header = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                after = retry_after(header);
                let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                match answer.bytes().await {
                    Ok(bytes) if status.is_success() => return Ok(bytes.to_vec()),
                    Ok(bytes) if !passing => {
                        let problem = Box::new(HubProblem::read(status.as_u16(), &bytes));
                        return Err(CertifyError::Refused { what: what.to_owned(), problem });
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            if !self.retry_policy.pause(tried, after).await {
                return Err(CertifyError::Unavailable(what.to_owned()));
            }
        }
    }

    /// Creates an application with these papers declared, tells its id, and uploads them; with the last one it is handed
    /// in.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn file(
        &self,
        mut body: Value,
        papers: &[Paper],
        made: impl FnOnce(ApplicationId),
    ) -> Result<ApplicationView, CertifyError> {
        body["documents"] = papers.iter().map(Paper::json).collect();
        body["submit"] = "when_complete".into();
        let created: ApplicationView = self.post("v1/applications", &body).await?;
        made(created.id);
        for link in created.documents.iter().filter_map(|document| document.upload.as_ref()) {
            let wanted = link.headers.get("x-amz-checksum-sha256");
            let paper = papers.iter().find(|paper| wanted == Some(&paper.sha256()));
            let paper = paper.ok_or_else(|| CertifyError::Answer("the upload links".to_owned()))?;
            self.follow(link, Some(&paper.bytes)).await?;
        }
        Ok(created)
    }

    /// Hands in one more paper.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn add(&self, id: ApplicationId, slot: DocumentId, paper: &Paper) -> Result<(), CertifyError> {
        let path = format!("v1/applications/{id}/documents/{slot}/upload");
        let link: Link = self.post(&path, &paper.json()).await?;
        self.follow(&link, Some(&paper.bytes)).await?;
        Ok(())
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn document(&self, id: ApplicationId, document: DocumentId) -> Result<Vec<u8>, CertifyError> {
        let link: Link = self.get(&format!("v1/applications/{id}/documents/{document}")).await?;
        self.follow(&link, None).await
    }

    async fn follow(&self, link: &Link, bytes: Option<&[u8]>) -> Result<Vec<u8>, CertifyError> {
        let what = format!("{} of a document", link.method);
        let sent = self.exchange(&what, || {
            link_request(&self.http, link, bytes).ok_or_else(|| CertifyError::Answer(what.clone()))
        });
        match sent.await {
            // The link never overwrites: an earlier try arrived.
            Err(refused) if refused.status() == Some(StatusCode::PRECONDITION_FAILED.as_u16()) => {
                Ok(Vec::new())
            }
            other => other,
        }
    }

    /// The application as it is now.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn view(&self, id: ApplicationId) -> Result<ApplicationView, CertifyError> {
        self.get(&format!("v1/applications/{id}")).await
    }

    /// One of the app's own steps.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn step(
        &self,
        id: ApplicationId,
        step: &str,
        body: &Value,
    ) -> Result<ApplicationView, CertifyError> {
        self.post(&format!("v1/applications/{id}/{step}"), body).await
    }

    /// The events of an application, the first hundred.
    ///
    /// # Errors
    /// [`CertifyError`].
    pub async fn events(&self, id: ApplicationId) -> Result<EventsPage, CertifyError> {
        self.get(&format!("v1/applications/{id}/events?after=0&limit=100")).await
    }
}

//! An app backend: one tenant that knows the hub's HTTP interface and nothing else of the hub.

use std::fmt;

use domain::ids::{ApplicationId, DocumentId, SubscriptionId};
use protocol::app::{ApplicationView, EventsPage, SubscriptionView};
use protocol::callback::Secret;
use protocol::report::Link;
use reqwest::{Body, Client, Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::document::SampleDocument;
use crate::error::AppClientError;
use crate::request::AppRequest;
use crate::retry;

/// Calls the hub for one tenant. Clones share the connections.
///
/// Requests through the hub are retried for up to 30 seconds while the hub answers 429 or 5xx or does not answer; each
/// change carries an idempotency key, so the hub does it once.
#[derive(Clone)]
pub struct AppClient {
    http: Client,
    api: String,
    token: String,
}

impl fmt::Debug for AppClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppClient").field("api", &self.api).finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
struct SubscriptionList {
    subscriptions: Vec<SubscriptionView>,
}

impl AppClient {
    /// A client of the API at this address, with an access token of the tenant. Nothing is sent yet.
    #[must_use]
    pub fn new(http: &Client, api: &str, token: impl Into<String>) -> AppClient {
        AppClient { http: http.clone(), api: api.trim_end_matches('/').to_owned(), token: token.into() }
    }

    /// Address of the API, without a slash at the end.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// A request of any kind with this tenant's token, for callers that look at refusals themselves. `path` begins with
    /// a slash.
    pub fn request(&self, method: Method, path: &str) -> AppRequest {
        let request = AppRequest::new(self.http.clone(), method, format!("{}{path}", self.api));
        request.header("authorization", format!("Bearer {}", self.token))
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// The hub refuses, does not answer, or answers something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AppClientError> {
        self.exchange(Method::GET, path, None).await
    }

    /// Requests a change under a new idempotency key.
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, AppClientError> {
        self.post_with_key(&Uuid::new_v4().to_string(), path, body).await
    }

    /// Requests a change under the caller's idempotency key.
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn post_with_key<T: DeserializeOwned>(
        &self,
        key: &str,
        path: &str,
        body: &Value,
    ) -> Result<T, AppClientError> {
        self.exchange(Method::POST, path, Some((key, body))).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        change: Option<(&str, &Value)>,
    ) -> Result<T, AppClientError> {
        let name = format!("{method} {path}");
        let bytes = retry::send(&name, || {
            let request = self.authorized(method.clone(), path);
            match change {
                None => request,
                Some((key, body)) => request
                    .header("idempotency-key", key)
                    .header("content-type", "application/json")
                    .body(body.to_string()),
            }
        })
        .await?;
        serde_json::from_slice(&bytes).map_err(|source| AppClientError::Unreadable { request: name, source })
    }

    /// Posts a signed object (`application/jose`) without the tenant's token, as an agency does. The hub does a
    /// repeated one once.
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn post_signed<T: DeserializeOwned>(&self, path: &str, jws: &str) -> Result<T, AppClientError> {
        let name = format!("POST {path}");
        let url = format!("{}{path}", self.api);
        let request = || self.http.post(&url).header("content-type", "application/jose").body(jws.to_owned());
        let bytes = retry::send(&name, request).await?;
        serde_json::from_slice(&bytes).map_err(|source| AppClientError::Unreadable { request: name, source })
    }

    fn authorized(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.api)).bearer_auth(&self.token)
    }

    /// Creates an application with these documents declared. The hub submits the application by itself once every
    /// required document is uploaded, if the body says `"submit": "when_complete"`.
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn create(
        &self,
        mut body: Value,
        documents: &[SampleDocument],
    ) -> Result<ApplicationView, AppClientError> {
        if let Some(members) = body.as_object_mut() {
            let documents = documents.iter().map(SampleDocument::declaration).collect();
            members.insert("documents".to_owned(), documents);
        }
        self.post("/v1/applications", &body).await
    }

    /// Uploads the declared documents of an application, each to the link that was signed for its content.
    ///
    /// # Errors
    /// The hub gave no link for one of them, or the store refuses one.
    pub async fn upload_all(
        &self,
        created: &ApplicationView,
        documents: &[SampleDocument],
    ) -> Result<(), AppClientError> {
        let links: Vec<&Link> = created.documents.iter().filter_map(|slot| slot.upload.as_ref()).collect();
        for document in documents {
            let sha256 = document.sha256();
            let link = links.iter().find(|link| link.headers.get("x-amz-checksum-sha256") == Some(&sha256));
            let link = link.ok_or_else(|| AppClientError::MissingUploadLink(document.kind.clone()))?;
            self.upload(link, &document.bytes).await?;
        }
        Ok(())
    }

    /// Requests an upload link for one more document of an application and uploads the document.
    ///
    /// # Errors
    /// The hub or the store refuses, or does not answer.
    pub async fn add_document(
        &self,
        application: ApplicationId,
        slot: DocumentId,
        document: &SampleDocument,
    ) -> Result<(), AppClientError> {
        let path = format!("/v1/applications/{application}/documents/{slot}/upload");
        let link: Link = self.post(&path, &document.declaration()).await?;
        self.upload(&link, &document.bytes).await
    }

    /// Uploads bytes to a signed link. An upload that arrived before counts as done: the link never overwrites. An
    /// upload that is still in progress is awaited.
    ///
    /// # Errors
    /// The store refuses or does not answer.
    pub async fn upload(&self, link: &Link, bytes: &[u8]) -> Result<(), AppClientError> {
        self.upload_with(link, || bytes.to_vec().into()).await
    }

    /// Uploads a body that is made again for each try, for example one that reports progress.
    ///
    /// # Errors
    /// As for [`AppClient::upload`].
    pub async fn upload_with(&self, link: &Link, body: impl Fn() -> Body) -> Result<(), AppClientError> {
        let method = method(link)?;
        let name = format!("{method} to a signed link");
        retry::upload(&name, || self.along(&method, link).body(body())).await
    }

    /// Downloads what a signed link leads to.
    ///
    /// # Errors
    /// The store refuses or does not answer.
    pub async fn download(&self, link: &Link) -> Result<Vec<u8>, AppClientError> {
        let method = method(link)?;
        retry::send(&format!("{method} to a signed link"), || self.along(&method, link)).await
    }

    /// Downloads a document of an application.
    ///
    /// # Errors
    /// The hub or the store refuses, or does not answer.
    pub async fn document(
        &self,
        application: ApplicationId,
        document: DocumentId,
    ) -> Result<Vec<u8>, AppClientError> {
        let link: Link = self.get(&format!("/v1/applications/{application}/documents/{document}")).await?;
        self.download(&link).await
    }

    /// A request along a signed link, with exactly the link's headers: they are part of the signature.
    fn along(&self, method: &Method, link: &Link) -> RequestBuilder {
        // The HTTP client writes these two by itself, with the same values.
        let own =
            |name: &str| name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("content-length");
        let request = self.http.request(method.clone(), &link.url);
        let headers = link.headers.iter().filter(|(name, _)| !own(name));
        headers.fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Reads an application.
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn application(&self, id: ApplicationId) -> Result<ApplicationView, AppClientError> {
        self.get(&format!("/v1/applications/{id}")).await
    }

    /// Takes one of the app's own steps: `submit`, `supplement`, `withdraw` or `confirm`.
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn step(
        &self,
        id: ApplicationId,
        step: &str,
        body: &Value,
    ) -> Result<ApplicationView, AppClientError> {
        self.post(&format!("/v1/applications/{id}/{step}"), body).await
    }

    /// Reads a page of an application's events after a version, at most `limit` of them (1 to 100).
    ///
    /// # Errors
    /// As for [`AppClient::get`].
    pub async fn events(
        &self,
        id: ApplicationId,
        after: u32,
        limit: u32,
    ) -> Result<EventsPage, AppClientError> {
        self.get(&format!("/v1/applications/{id}/events?after={after}&limit={limit}")).await
    }

    /// Subscribes an address to events of these types, or to all events if no type is given. Returns the subscription
    /// and the secret that verifies its callbacks.
    ///
    /// # Errors
    /// The hub refuses, or gives no secret.
    pub async fn subscribe(
        &self,
        url: &str,
        events: &[String],
    ) -> Result<(SubscriptionId, Secret), AppClientError> {
        let body =
            if events.is_empty() { json!({ "url": url }) } else { json!({ "url": url, "events": events }) };
        let created: SubscriptionView = self.post("/v1/subscriptions", &body).await?;
        let secret = created.secret.and_then(|secret| Secret::parse(&secret).ok());
        Ok((created.id, secret.ok_or(AppClientError::MissingSecret)?))
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// The hub refuses or does not answer.
    pub async fn unsubscribe(&self, subscription: SubscriptionId) -> Result<(), AppClientError> {
        let path = format!("/v1/subscriptions/{subscription}");
        let key = Uuid::new_v4().to_string();
        let request = || self.authorized(Method::DELETE, &path).header("idempotency-key", &key);
        retry::send(&format!("DELETE {path}"), request).await.map(drop)
    }

    /// Ends every subscription of the tenant that goes to this address.
    ///
    /// # Errors
    /// The hub refuses or does not answer.
    pub async fn unsubscribe_url(&self, url: &str) -> Result<(), AppClientError> {
        let list: SubscriptionList = self.get("/v1/subscriptions").await?;
        for subscription in list.subscriptions.iter().filter(|subscription| subscription.url == url) {
            self.unsubscribe(subscription.id).await?;
        }
        Ok(())
    }
}

fn method(link: &Link) -> Result<Method, AppClientError> {
    link.method.parse().map_err(|_| AppClientError::LinkMethod(link.method.clone()))
}

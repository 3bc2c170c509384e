//! The app backend: a tenant that knows the hub's HTTP interface and nothing else of it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::ids::SubscriptionId;
use protocol::app::SubscriptionView;
use protocol::callback::Secret;
use protocol::report::Link;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::receiver::Receiver;
use super::until::until;
use crate::local::LocalStack;
use crate::secrets::SCOPES;

/// How long the hub may take to answer with anything else than that it cannot now.
const ANSWER: Duration = Duration::from_secs(30);

/// An app backend with its token.
pub(crate) struct App<'h> {
    http: &'h reqwest::Client,
    api: &'h str,
    token: String,
}

/// What is told of an error (RFC 9457).
#[derive(Debug, Default, Deserialize)]
struct Told {
    #[serde(default)]
    title: String,
    #[serde(default)]
    errors: Vec<Wrong>,
}

#[derive(Debug, Deserialize)]
struct Wrong {
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    code: String,
}

impl<'h> App<'h> {
    /// An app backend that may do everything.
    ///
    /// # Errors
    /// There is no hub.
    pub(crate) fn new(hub: &'h LocalStack, tenant: &str) -> Result<App<'h>> {
        Ok(App { http: hub.http(), api: hub.api_url()?, token: hub.token(tenant, &SCOPES)? })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Another answer than a success, with what it says.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.patiently(Method::GET, path, self.request(Method::GET, path)).await
    }

    /// Asks that something be done, under a new idempotency key.
    ///
    /// # Errors
    /// As for [`App::get`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", Uuid::new_v4().to_string())
            .header("content-type", "application/json")
            .body(body.to_string());
        self.patiently(Method::POST, path, request).await
    }

    /// Follows a link with exactly the headers it gives.
    ///
    /// # Errors
    /// Another answer than a success.
    pub(crate) async fn follow(&self, link: &Link, body: Vec<u8>) -> Result<Vec<u8>> {
        let method: Method = link.method.parse().context("a link has no method")?;
        let mut request = self.http.request(method.clone(), &link.url);
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let what = format!("{method} to a signed link");
        let (status, body) = send(&what, request).await?;
        taken(&what, status, body)
    }

    /// Has the hub call the receiver about everything, and the receiver believe the hub alone.
    ///
    /// # Errors
    /// The hub refuses, or gives no secret.
    pub(crate) async fn subscribe(&self, receiver: &Receiver) -> Result<SubscriptionId> {
        let body = json!({ "url": receiver.url() });
        let made: SubscriptionView = self.post("/v1/subscriptions", &body).await?;
        let secret = made.secret.context("the subscription came without its secret")?;
        receiver.trust(Secret::parse(&secret).context("the subscription's secret is none")?);
        Ok(made.id)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// The hub refuses.
    pub(crate) async fn unsubscribe(&self, subscription: SubscriptionId) -> Result<()> {
        let path = format!("/v1/subscriptions/{subscription}");
        let what = format!("DELETE {path}");
        let (status, body) = send(&what, self.request(Method::DELETE, &path)).await?;
        taken(&what, status, body).map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.api))
            .header("authorization", format!("Bearer {}", self.token))
    }

    /// Sends a request that may be repeated, again while the hub says that it cannot now.
    async fn patiently<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        request: RequestBuilder,
    ) -> Result<T> {
        let what = format!("{method} {path}");
        let answer = until(&format!("an answer to {what}"), ANSWER, async || {
            let again = request.try_clone().with_context(|| format!("{what} cannot be sent again"))?;
            let (status, body) = send(&what, again).await?;
            if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
                return Ok(None);
            }
            taken(&what, status, body).map(Some)
        })
        .await?;
        serde_json::from_slice(&answer).with_context(|| format!("the answer to {what} cannot be read"))
    }
}

async fn send(what: &str, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>)> {
    let answer = request.send().await.with_context(|| format!("{what} got no answer"))?;
    let status = answer.status();
    let body = answer.bytes().await.with_context(|| format!("{what} broke off"))?;
    Ok((status, body.to_vec()))
}

fn taken(what: &str, status: StatusCode, body: Vec<u8>) -> Result<Vec<u8>> {
    if !status.is_success() {
        bail!("{what} was answered {}{}", status.as_u16(), told(&body));
    }
    Ok(body)
}

/// What a problem says, in one line.
fn told(body: &[u8]) -> String {
    let told: Told = serde_json::from_slice(body).unwrap_or_default();
    let wrong = told.errors.iter().map(|wrong| format!("{} {}", wrong.pointer, wrong.code));
    let parts: Vec<String> = [told.title].into_iter().chain(wrong).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_in_one_line() {
        let body = json!({
            "title": "Fields are wrong",
            "status": 422,
            "errors": [{ "pointer": "/address", "code": "required", "detail": "…" }],
        });
        assert_eq!(told(body.to_string().as_bytes()), ": Fields are wrong; /address required");
        assert_eq!(told(b"<html>"), "");
    }
}

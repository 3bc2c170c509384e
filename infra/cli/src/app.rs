//! An app backend: a tenant that knows the hub's HTTP interface and nothing else of it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::ids::SubscriptionId;
use protocol::app::SubscriptionView;
use protocol::callback::Secret;
use protocol::problem::Problem;
use protocol::report::Link;
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use crate::until::until;

/// How long the hub may take to answer with anything else than that it cannot now.
const ANSWER: Duration = Duration::from_secs(30);

/// An app backend with its token.
pub struct App {
    http: reqwest::Client,
    api: String,
    token: String,
}

/// An answer that is no success.
#[derive(Debug, Error)]
#[error("{what} was answered {}{}", status.as_u16(), told(problem.as_ref()))]
pub struct Refused {
    /// What was asked.
    pub what: String,
    /// The answer's status.
    pub status: StatusCode,
    /// What it says of itself, where it does (RFC 9457).
    pub problem: Option<Problem>,
}

/// A tenant's subscriptions.
#[derive(Debug, Deserialize)]
struct Subscriptions {
    subscriptions: Vec<SubscriptionView>,
}

impl App {
    /// An app backend that asks the API at this address, without a slash at its end.
    #[must_use]
    pub fn new(http: &reqwest::Client, api: &str, token: String) -> App {
        App { http: http.clone(), api: api.to_owned(), token }
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
        self.post_under(&Uuid::new_v4().to_string(), path, body).await
    }

    /// The same under an idempotency key of the caller's.
    ///
    /// # Errors
    /// As for [`App::get`].
    pub(crate) async fn post_under<T: DeserializeOwned>(
        &self,
        key: &str,
        path: &str,
        body: &Value,
    ) -> Result<T> {
        let request = self
            .request(Method::POST, path)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body.to_string());
        self.patiently(Method::POST, path, request).await
    }

    /// Follows a link with exactly the headers it gives.
    ///
    /// # Errors
    /// Another answer than a success.
    pub(crate) async fn follow(&self, link: &Link, body: Option<Body>) -> Result<Vec<u8>> {
        let method: Method = link.method.parse().context("a link has no method")?;
        let mut request = self.http.request(method.clone(), &link.url);
        for (name, value) in &link.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let what = format!("{method} to a signed link");
        let (status, body) = send(&what, request).await?;
        taken(&what, status, body)
    }

    /// Has the hub call an address about events of these types, all without any; with what callbacks are verified.
    ///
    /// # Errors
    /// The hub refuses, or gives no secret.
    pub async fn subscribe(&self, url: &str, events: &[String]) -> Result<(SubscriptionId, Secret)> {
        let body = json!({ "url": url, "events": events });
        let made: SubscriptionView = self.post("/v1/subscriptions", &body).await?;
        let secret = made.secret.context("the subscription came without its secret")?;
        Ok((made.id, Secret::parse(&secret).context("the subscription's secret is none")?))
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// The hub refuses.
    pub async fn unsubscribe(&self, subscription: SubscriptionId) -> Result<()> {
        let path = format!("/v1/subscriptions/{subscription}");
        let what = format!("DELETE {path}");
        let request =
            self.request(Method::DELETE, &path).header("idempotency-key", Uuid::new_v4().to_string());
        let (status, body) = send(&what, request).await?;
        taken(&what, status, body).map(drop)
    }

    /// Ends every subscription of the tenant that goes to this address.
    ///
    /// # Errors
    /// The hub refuses.
    pub async fn unsubscribe_url(&self, url: &str) -> Result<()> {
        let all: Subscriptions = self.get("/v1/subscriptions").await?;
        for subscription in all.subscriptions.iter().filter(|subscription| subscription.url == url) {
            self.unsubscribe(subscription.id).await?;
        }
        Ok(())
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
        let problem = serde_json::from_slice(&body).ok();
        return Err(Refused { what: what.to_owned(), status, problem }.into());
    }
    Ok(body)
}

/// What a problem says, in one line.
fn told(problem: Option<&Problem>) -> String {
    let Some(problem) = problem else { return String::new() };
    let wrong = problem.errors.iter().map(|wrong| format!("; {} {}", wrong.pointer, wrong.code));
    format!(": {}{}", problem.title, wrong.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_in_one_line() {
        let body = json!({
            "type": "urn:tongban:problem:invalid_fields",
            "title": "Fields are wrong",
            "status": 422,
            "errors": [{ "pointer": "/address", "code": "required", "detail": "…" }],
        });
        let refused = |body: &str| {
            let refused =
                taken("POST /v1", StatusCode::UNPROCESSABLE_ENTITY, body.into()).expect_err("refused");
            refused.to_string()
        };
        let told = "POST /v1 was answered 422: Fields are wrong; /address required";
        assert_eq!(refused(&body.to_string()), told);
        assert_eq!(refused("<html>"), "POST /v1 was answered 422");
    }
}

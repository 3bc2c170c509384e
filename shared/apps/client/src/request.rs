//! One request with any header and body, sent once. For callers that look at the response themselves, refusals
//! included.

use std::collections::BTreeMap;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::error::AppClientError;

/// A request under construction.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct AppRequest {
    http: Client,
    method: Method,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// A complete response, whatever its status.
#[derive(Clone, Debug)]
pub struct AppResponse {
    pub status: StatusCode,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Body as text.
    pub text: String,
}

impl AppRequest {
    pub(crate) fn new(http: Client, method: Method, url: String) -> AppRequest {
        AppRequest { http, method, url, headers: BTreeMap::new(), body: None }
    }

    /// Sets a header; an empty value removes it.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> AppRequest {
        let value = value.into();
        if value.is_empty() {
            self.headers.remove(name);
        } else {
            self.headers.insert(name.to_owned(), value);
        }
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> AppRequest {
        self.text("application/json", body.to_string())
    }

    /// Sets a body of any media type.
    pub fn text(mut self, content_type: &str, body: impl Into<String>) -> AppRequest {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Sends the request once.
    ///
    /// # Errors
    /// [`AppClientError::NoResponse`] alone: a refusal is a response.
    pub async fn send(self) -> Result<AppResponse, AppClientError> {
        let name = format!("{} {}", self.method, self.url);
        let no_response = |source| AppClientError::NoResponse { request: name.clone(), source };
        let mut request = self.http.request(self.method, self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(no_response)?;
        let status = response.status();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect();
        Ok(AppResponse { status, headers, text: response.text().await.map_err(no_response)? })
    }
}

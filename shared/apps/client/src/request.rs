//! One request with any header and body, sent once. For callers that look at the response themselves, refusals
//! included.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::error::AppClientError;
use crate::retry::no_response;

/// A request under construction. `Debug` leaves out the query, the headers and the body: a URL may be a signed link,
/// and a header has the token.
#[derive(Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct AppRequest {
    http: Client,
    method: Method,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// A complete response, whatever its status. `Debug` shows the text of a refusal only: another one may have links or
/// secrets.
#[derive(Clone)]
pub struct AppResponse {
    pub status: StatusCode,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Body as text.
    pub text: String,
}

impl fmt::Debug for AppRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl fmt::Debug for AppResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.status.is_success() { "…" } else { &self.text };
        write!(f, "AppResponse({}, {text})", self.status)
    }
}

impl AppRequest {
    /// Method and URL, without the query.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.url.split('?').next().unwrap_or_default())
    }

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
        let name = self.name();
        let no_response = |source| no_response(&name, source);
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

//! One HTTP exchange with the hub: bounded in time, in size and in tries.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Once;
use std::time::Duration;

use protocol::jose::sign;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{HubClient, HubClientError};
use crate::problem::Problem;
use crate::retry_policy::retry_after;

/// Bound on opening a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Bound on one exchange, its body included: 20 MiB over a slow line.
const EXCHANGE: Duration = Duration::from_secs(60);
/// Bytes of an answer that is not a document: a page of 100 cases is the longest.
const ANSWER: u64 = 256 * 1024;

static RING: Once = Once::new();

/// Whether a host is this machine (RFC 6761 section 6.3 gives it every name under `localhost`).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some(host) => {
            host == "localhost"
                || host.ends_with(".localhost")
                || host == "[::1]"
                || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

/// An HTTP client for the hub at an address, with bounds on connecting and on a whole exchange. It follows no redirect.
///
/// # Errors
/// No TLS provider is available.
pub fn http_client(hub: &Url) -> reqwest::Result<Client> {
    RING.call_once(|| {
        // An error means that the program has chosen a provider already: it may.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = Client::builder()
        .connect_timeout(CONNECT)
        .timeout(EXCHANGE)
        // A signed report goes where it was addressed to, or nowhere.
        .redirect(Policy::none());
    if is_loopback(hub) {
        builder = builder.no_proxy();
        // Not every system resolves names under `localhost`.
        if let Some(host) = hub.host_str().filter(|host| host.ends_with(".localhost")) {
            builder = builder.resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        if hub.scheme() == "http" {
            // Reading the system's certificates is most of the start-up, and nothing here needs them.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build()
}

/// How one try ended, where it did not succeed.
pub(crate) enum Failed {
    /// Try again.
    Passing(Option<Duration>),
    /// Do not.
    Final(HubClientError),
}

/// Sorts an answer: the body's bytes are still to be read where it is a success.
pub(crate) async fn sort(answer: reqwest::Result<Response>) -> Result<Response, Failed> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.is_builder() => return Err(Failed::Final(HubClientError::Client(error))),
        // Refused, reset, timed out: what was sent may have been taken, and is the same when sent again.
        Err(_) => return Err(Failed::Passing(None)),
    };
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = retry_after(after);
    if status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
    {
        return Err(Failed::Passing(after));
    }
    let body = body(answer, ANSWER).await.unwrap_or_default();
    let problem = Box::new(Problem::read(status.as_u16(), &body));
    Err(Failed::Final(match status {
        StatusCode::CONFLICT => HubClientError::Overtaken(problem),
        StatusCode::UNAUTHORIZED => HubClientError::Unauthorized(problem),
        StatusCode::NOT_FOUND => HubClientError::NotFound(problem),
        StatusCode::UNPROCESSABLE_ENTITY => HubClientError::Invalid(problem),
        _ => HubClientError::Refused(problem),
    }))
}

/// Reads a body of at most `most` bytes. A longer one is [`HubClientError::Answer`], and its rest is not read.
pub(crate) async fn body(mut answer: Response, most: u64) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                bytes.extend_from_slice(&chunk);
                if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
                    return Err(Failed::Final(HubClientError::Answer));
                }
            }
            Ok(None) => return Ok(bytes),
            Err(_) => return Err(Failed::Passing(None)),
        }
    }
}

impl HubClient {
    /// Posts a signed object and reads the answer, trying again while the hub is not available.
    pub(super) async fn post(&self, path: &str, jws: &str) -> Result<Vec<u8>, HubClientError> {
        let url = self.hub.join(path).map_err(|_| HubClientError::Answer)?;
        let mut tried = 0;
        loop {
            match self.post_once(url.clone(), jws).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => self.again(&mut tried, failed).await?,
            }
        }
    }

    async fn post_once(&self, url: Url, jws: &str) -> Result<Vec<u8>, Failed> {
        let request = self.http.post(url).header(CONTENT_TYPE, "application/jose");
        let answer = request.body(jws.to_owned()).send().await;
        body(sort(answer).await?, ANSWER).await
    }

    /// Signs a request, posts it, and reads the answer.
    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        typ: &str,
        request: &impl Serialize,
    ) -> Result<A, HubClientError> {
        let jws = sign(typ, request, &self.key)?;
        let answer = self.post(path, &jws).await?;
        serde_json::from_slice(&answer).map_err(|_| HubClientError::Answer)
    }

    /// Waits before the next try of what failed in passing.
    ///
    /// # Errors
    /// Where it did not fail in passing, or the patience is at its end.
    pub(super) async fn again(&self, tried: &mut u32, failed: Failed) -> Result<(), HubClientError> {
        *tried += 1;
        match failed {
            Failed::Final(error) => Err(error),
            Failed::Passing(after) if self.retry_policy.pause(*tried, after).await => Ok(()),
            Failed::Passing(after) => Err(HubClientError::Unavailable { retry_after: after }),
        }
    }
}

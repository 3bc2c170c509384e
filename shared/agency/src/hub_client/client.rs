//! Construction of the client, signed requests and retries.

use std::sync::Arc;
use std::time::Duration;

use domain::ids::AgencyCode;
use protocol::jose::{JoseError, PrivateKey, sign};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::AgencyConfig;
use crate::error::HubClientError;
use crate::exchange::{FailedTry, RESPONSE_BYTES, check_status, http_client, read_body};
use crate::hub_keys::HubKeys;
use crate::journal::ConsumerJournal;
use crate::queue::ReportsQueue;
use crate::retry_policy::RetryPolicy;
use crate::stop::Stop;

/// Code of the problem for a signature that is too old.
pub(super) const EXPIRED: &str = "signature_expired";

/// Calls the hub for one agency. Clones share the connections.
#[derive(Clone, Debug)]
pub struct HubClient {
    pub(super) agency: AgencyCode,
    pub(super) key: Arc<PrivateKey>,
    pub(super) hub: Url,
    pub(super) http: reqwest::Client,
    pub(super) retry_policy: RetryPolicy,
    pub(super) reports: Option<ReportsQueue>,
    /// Ends the pauses between two tries.
    stop: Option<Stop>,
    pub(super) journal: ConsumerJournal,
    hub_keys: HubKeys,
}

impl HubClient {
    /// A client for the configured agency. Makes no call.
    ///
    /// # Errors
    /// [`HubClientError::HttpClient`] when no TLS provider is available.
    pub fn new(config: &AgencyConfig) -> Result<HubClient, HubClientError> {
        let http = http_client(&config.hub_url, &config.network).map_err(HubClientError::HttpClient)?;
        Ok(HubClient {
            hub_keys: HubKeys::with_http(&http, config)?,
            agency: config.agency.clone(),
            key: Arc::new(config.keys.signing.clone()),
            hub: config.hub_url.clone(),
            http,
            retry_policy: RetryPolicy::default(),
            reports: None,
            stop: None,
            journal: ConsumerJournal::default(),
        })
    }

    /// The same client with another retry policy.
    #[must_use]
    pub fn with_retry_policy(mut self, retry_policy: RetryPolicy) -> Self {
        self.retry_policy = retry_policy;
        self
    }

    /// The same client, which submits results by the reports queue: see [`HubClient::submit`].
    #[must_use]
    pub fn with_reports_queue(mut self, queue: Option<ReportsQueue>) -> Self {
        self.reports = queue;
        self
    }

    /// The same client, which retries no call after a stop was requested.
    #[must_use]
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The same client, which writes the hub's receipts into another journal. A consumer sets its own.
    #[must_use]
    pub fn with_journal(mut self, journal: ConsumerJournal) -> Self {
        self.journal = journal;
        self
    }

    /// The agency that this client signs for.
    #[must_use]
    pub fn agency(&self) -> &AgencyCode {
        &self.agency
    }

    /// The hub's public keys that this client knows.
    #[must_use]
    pub fn hub_keys(&self) -> &HubKeys {
        &self.hub_keys
    }

    /// Posts a signed object and reads the response. Retries while the hub is not available.
    pub(super) async fn post(&self, path: &str, jws: &str) -> Result<Vec<u8>, HubClientError> {
        let url = self.hub.join(path).map_err(|_| HubClientError::InvalidResponse)?;
        let mut tried = 0;
        loop {
            match self.post_once(url.clone(), jws).await {
                Ok(body) => return Ok(body),
                Err(failed) => self.pause_before_retry(&mut tried, failed).await?,
            }
        }
    }

    async fn post_once(&self, url: Url, jws: &str) -> Result<Vec<u8>, FailedTry> {
        let request = self.http.post(url).header(CONTENT_TYPE, "application/jose");
        let response = request.body(jws.to_owned()).send().await;
        let response = check_status(response).await.map_err(|failed| match failed {
            // A proxy may answer anything, in any status. Only a problem of the hub is an answer to the request.
            FailedTry::Permanent(error) if error.problem().is_some_and(|problem| !problem.is_hubs()) => {
                FailedTry::Retryable(None)
            }
            other => other,
        })?;
        read_body(response, RESPONSE_BYTES).await
    }

    /// Signs a request, posts it and parses the response.
    pub(super) async fn post_signed<A: DeserializeOwned>(
        &self,
        path: &str,
        typ: &str,
        request: &impl Serialize,
    ) -> Result<A, HubClientError> {
        let mut jws = sign(typ, request, &self.key)?;
        let mut renewed = false;
        loop {
            let refused = match self.post(path, &jws).await {
                Ok(body) => {
                    return serde_json::from_slice(&body).map_err(|_| HubClientError::InvalidResponse);
                }
                Err(refused) => refused,
            };
            // Such a request is valid for a minute. A wrong clock or long retries make it expire: the hub's time is in
            // the answer.
            let now =
                refused.problem().filter(|problem| problem.code() == EXPIRED).and_then(|p| p.now.clone());
            let Some(now) = now.filter(|_| !renewed) else { return Err(refused) };
            renewed = true;
            let mut claims = serde_json::to_value(request).map_err(|_| JoseError::Payload)?;
            if let Some(members) = claims.as_object_mut() {
                members.insert("iat".to_owned(), now);
            }
            jws = sign(typ, &claims, &self.key)?;
        }
    }

    /// Waits after a failed try.
    ///
    /// # Errors
    /// The failure is permanent, or the retry policy allows no further try.
    pub(super) async fn pause_before_retry(
        &self,
        tried: &mut u32,
        failed: FailedTry,
    ) -> Result<(), HubClientError> {
        *tried = tried.saturating_add(1);
        match failed {
            FailedTry::Permanent(error) => Err(error),
            FailedTry::Retryable(after) if self.may_retry(*tried, after).await => Ok(()),
            FailedTry::Retryable(after) => Err(HubClientError::Unavailable { retry_after: after }),
        }
    }

    /// Waits before the next try. Returns `false` when there is none.
    async fn may_retry(&self, tried: u32, after: Option<Duration>) -> bool {
        let pause = self.retry_policy.pause(tried, after);
        match &self.stop {
            None => pause.await,
            Some(stop) => tokio::select! {
                biased;
                () = stop.requested() => false,
                paused = pause => paused,
            },
        }
    }
}

//! The hub's public keys: configured, or fetched from the hub and refreshed when the hub signs with a new key.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use protocol::jose::{JoseError, PublicKey};
use reqwest::Url;
use reqwest::header::DATE;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::AgencyConfig;
use crate::error::HubClientError;
use crate::exchange::{FailedTry, check_status, http_client, read_body};
use crate::network::Obstacle;

/// Path of the hub's JWK set, relative to the hub's address.
pub const JWKS: &str = ".well-known/jwks.json";
/// Shortest time between two fetches, failed ones included.
pub const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// Bound on one fetch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Age at which known keys are fetched again. A key that the hub has withdrawn is trusted until the next successful
/// fetch.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// Most bytes of a JWK set.
const JWKS_BYTES: u64 = 64 * 1024;

/// Why the hub's keys are not available now.
#[derive(Debug, Error)]
pub enum HubKeysError {
    /// The hub did not answer, or the response holds no usable key.
    #[error("the hub's keys cannot be fetched")]
    Fetch(#[source] HubClientError),
    /// The last fetch failed less than 10 seconds ago, so no new fetch was made.
    #[error("the last fetch of the hub's keys failed a moment ago")]
    RecentlyFailed,
}

/// The hub's keys. Clones share one cache.
#[derive(Clone, Debug)]
pub struct HubKeys(Arc<KeyCache>);

#[derive(Debug)]
struct KeyCache {
    known: RwLock<Arc<[PublicKey]>>,
    source: Option<JwksSource>,
}

/// The address of a JWK set. The mutex allows one fetch at a time.
#[derive(Debug)]
struct JwksSource {
    http: reqwest::Client,
    url: Url,
    min_interval: Duration,
    last: Mutex<Option<LastFetch>>,
}

#[derive(Clone, Copy, Debug)]
struct LastFetch {
    at: Instant,
    succeeded: bool,
}

impl HubKeys {
    /// The configured keys, or the keys that the hub publishes when none are configured. Makes no call.
    ///
    /// # Errors
    /// [`HubClientError::HttpClient`] when no TLS provider is available.
    pub fn new(config: &AgencyConfig) -> Result<HubKeys, HubClientError> {
        let http = http_client(&config.hub_url, &config.network).map_err(HubClientError::HttpClient)?;
        HubKeys::with_http(&http, config)
    }

    /// As [`HubKeys::new`], with an existing HTTP client.
    pub(crate) fn with_http(
        http: &reqwest::Client,
        config: &AgencyConfig,
    ) -> Result<HubKeys, HubClientError> {
        if !config.keys.hub.is_empty() {
            return Ok(HubKeys::fixed(config.keys.hub.clone()));
        }
        let url = config.hub_url.join(JWKS).map_err(|_| HubClientError::InvalidResponse)?;
        Ok(HubKeys::fetched(http.clone(), url, MIN_INTERVAL))
    }

    /// A fixed set of keys, never refreshed.
    #[must_use]
    pub fn fixed(keys: Vec<PublicKey>) -> HubKeys {
        HubKeys(Arc::new(KeyCache { known: RwLock::new(keys.into()), source: None }))
    }

    /// The keys of the JWK set at a URL, fetched at most once in `min_interval`.
    fn fetched(http: reqwest::Client, url: Url, min_interval: Duration) -> HubKeys {
        let source = JwksSource { http, url, min_interval, last: Mutex::new(None) };
        HubKeys(Arc::new(KeyCache { known: RwLock::new(Vec::new().into()), source: Some(source) }))
    }

    /// The known keys. Fetches them first when none are known yet or the last fetch is over an hour old.
    ///
    /// # Errors
    /// [`HubKeysError`] when no key is known and the fetch failed. After a failed refresh the old keys stay in use.
    pub async fn current(&self) -> Result<Arc<[PublicKey]>, HubKeysError> {
        let known = self.known();
        let Some(source) = &self.0.source else {
            return Ok(known);
        };
        let fetched = *source.last.lock().await;
        let recent = fetched.is_some_and(|fetched| fetched.at.elapsed() < MAX_AGE);
        if recent && !known.is_empty() {
            return Ok(known);
        }
        match self.refresh(source).await {
            Ok(keys) => Ok(keys),
            Err(error) if known.is_empty() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "hub keys could not be refreshed, the known keys stay in use");
                Ok(known)
            }
        }
    }

    /// The known keys, for a message that names `kid`. Fetches them first when `kid` is unknown, at most once in 10
    /// seconds: the result may still lack the key.
    ///
    /// # Errors
    /// [`HubKeysError`] when the last fetch failed. The message may be valid: leave it in the queue.
    pub async fn containing(&self, kid: &str) -> Result<Arc<[PublicKey]>, HubKeysError> {
        let known = self.known();
        match &self.0.source {
            Some(source) if !known.iter().any(|key| key.kid() == kid) => self.refresh(source).await,
            _ => Ok(known),
        }
    }

    fn known(&self) -> Arc<[PublicKey]> {
        Arc::clone(&self.0.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the keys unless the last fetch is too recent. Concurrent callers wait for one fetch and share its
    /// result.
    async fn refresh(&self, source: &JwksSource) -> Result<Arc<[PublicKey]>, HubKeysError> {
        let mut last = source.last.lock().await;
        if let Some(fetched) = *last
            && fetched.at.elapsed() < source.min_interval
        {
            return fetched.succeeded.then(|| self.known()).ok_or(HubKeysError::RecentlyFailed);
        }
        let keys = source.fetch().await;
        *last = Some(LastFetch { at: Instant::now(), succeeded: keys.is_ok() });
        let keys: Arc<[PublicKey]> = keys.map_err(HubKeysError::Fetch)?.into();
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(keys)
    }
}

/// The hub's published keys and clock.
#[derive(Clone, Debug)]
pub struct PublishedHubKeys {
    /// The keys that verify signatures.
    pub keys: Vec<PublicKey>,
    /// The response's `Date`; `None` when missing or malformed.
    pub date: Option<Timestamp>,
}

/// Fetches the hub's published keys once, without retry: a check whether the hub is reachable.
///
/// # Errors
/// [`HubClientError`].
pub async fn fetch_published(config: &AgencyConfig) -> Result<PublishedHubKeys, HubClientError> {
    let url = config.hub_url.join(JWKS).map_err(|_| HubClientError::InvalidResponse)?;
    let http = http_client(&url, &config.network).map_err(HubClientError::HttpClient)?;
    fetch_keys(&http, url).await
}

async fn fetch_keys(http: &reqwest::Client, url: Url) -> Result<PublishedHubKeys, HubClientError> {
    let response = match http.get(url).timeout(TIMEOUT).send().await {
        Err(error) if !error.is_builder() => return Err(HubClientError::Unreachable(Obstacle::of(&error))),
        response => response,
    };
    let exchange = async {
        let response = check_status(response).await?;
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()).map(|date| date.timestamp());
        Ok((read_body(response, JWKS_BYTES).await?, date))
    };
    let (bytes, date) = exchange.await.map_err(|failed| match failed {
        FailedTry::Retryable(retry_after) => HubClientError::Unavailable { retry_after },
        FailedTry::Permanent(error) => error,
    })?;
    Ok(PublishedHubKeys { keys: parse_jwks(&bytes).map_err(|_| HubClientError::InvalidResponse)?, date })
}

/// A JWK set (RFC 7517 section 5).
#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

impl JwksSource {
    async fn fetch(&self) -> Result<Vec<PublicKey>, HubClientError> {
        Ok(fetch_keys(&self.http, self.url.clone()).await?.keys)
    }
}

/// The keys of a set that verify signatures. Other keys are ignored (RFC 7517 section 5); a set without a usable key is
/// an error.
fn parse_jwks(bytes: &[u8]) -> Result<Vec<PublicKey>, JoseError> {
    let set: JwkSet = protocol::json::from_slice(bytes, bytes.len()).map_err(|_| JoseError::Payload)?;
    let signing = |jwk: &&Value| jwk.get("use").is_none_or(|usage| usage == "sig");
    let keys: Vec<PublicKey> =
        set.keys.iter().filter(signing).filter_map(|jwk| PublicKey::from_jwk(jwk).ok()).collect();
    if keys.is_empty() { Err(JoseError::Key) } else { Ok(keys) }
}

#[cfg(test)]
mod tests;

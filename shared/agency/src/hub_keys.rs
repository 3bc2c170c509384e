//! The hub's public keys: as configured, or fetched from the hub and fetched again when it signs with a new one.

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

use crate::config::Config;
use crate::hub_client::{Failed, HubClientError, body, http_client, sort};

/// Where the hub publishes them, below its address.
pub const JWKS: &str = ".well-known/jwks.json";
/// Shortest time between two fetches, failed ones included.
const BETWEEN: Duration = Duration::from_secs(10);
/// Bound on one fetch.
const FETCH: Duration = Duration::from_secs(10);
/// Age at which they are fetched again though none is missing: a key that the hub has withdrawn is not believed for
/// longer.
const OLD: Duration = Duration::from_secs(60 * 60);
/// Bytes of a JWK set.
const BYTES: u64 = 64 * 1024;

/// The hub's keys cannot be had now.
#[derive(Debug, Error)]
pub enum HubKeysError {
    /// The hub did not answer, or not with keys.
    #[error("the hub's keys cannot be fetched")]
    Fetch(#[source] HubClientError),
    /// The last try failed a moment ago.
    #[error("the hub's keys could not be fetched a moment ago")]
    Lately,
}

/// The hub's keys. Clones share them.
#[derive(Clone, Debug)]
pub struct HubKeys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    known: RwLock<Arc<[PublicKey]>>,
    source: Option<Source>,
}

/// Where they are fetched from, one fetch at a time.
#[derive(Debug)]
struct Source {
    http: reqwest::Client,
    url: Url,
    between: Duration,
    last: Mutex<Option<Fetched>>,
}

/// The last fetch.
#[derive(Clone, Copy, Debug)]
struct Fetched {
    at: Instant,
    succeeded: bool,
}

impl HubKeys {
    /// The configured keys, or those that the hub publishes where none are configured. Nothing is called.
    ///
    /// # Errors
    /// [`HubClientError::Client`] where there is no TLS to build on.
    pub fn new(config: &Config) -> Result<HubKeys, HubClientError> {
        HubKeys::through(&http_client(&config.hub_url).map_err(HubClientError::Client)?, config)
    }

    /// The same over a client that is there already.
    pub(crate) fn through(http: &reqwest::Client, config: &Config) -> Result<HubKeys, HubClientError> {
        if !config.keys.hub.is_empty() {
            return Ok(HubKeys::fixed(config.keys.hub.clone()));
        }
        let url = config.hub_url.join(JWKS).map_err(|_| HubClientError::Answer)?;
        Ok(HubKeys::fetched(http.clone(), url, BETWEEN))
    }

    /// These keys and never others.
    #[must_use]
    pub fn fixed(keys: Vec<PublicKey>) -> HubKeys {
        HubKeys(Arc::new(Shared { known: RwLock::new(keys.into()), source: None }))
    }

    /// The keys of the set at an address, fetched at most once in `between`.
    fn fetched(http: reqwest::Client, url: Url, between: Duration) -> HubKeys {
        let source = Source { http, url, between, last: Mutex::new(None) };
        HubKeys(Arc::new(Shared { known: RwLock::new(Vec::new().into()), source: Some(source) }))
    }

    /// What is known now, after a fetch where nothing is known yet or what is known has grown old.
    ///
    /// # Errors
    /// [`HubKeysError`] where nothing is known and the fetch failed. Old keys are kept where it failed.
    pub async fn current(&self) -> Result<Arc<[PublicKey]>, HubKeysError> {
        let known = self.known();
        let Some(source) = &self.0.source else {
            return Ok(known);
        };
        let fetched = *source.last.lock().await;
        let young = fetched.is_some_and(|fetched| fetched.at.elapsed() < OLD);
        if young && !known.is_empty() {
            return Ok(known);
        }
        match self.refreshed(source).await {
            Ok(keys) => Ok(keys),
            Err(error) if known.is_empty() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the hub's keys are kept as they are");
                Ok(known)
            }
        }
    }

    /// The keys among which that of a message with this `kid` should be: those known where it is one of them, else
    /// after a fetch, at most one every 10 seconds.
    ///
    /// # Errors
    /// [`HubKeysError`] where the last fetch failed: the message may be good, and is to come again.
    pub async fn naming(&self, kid: &str) -> Result<Arc<[PublicKey]>, HubKeysError> {
        let known = self.known();
        match &self.0.source {
            Some(source) if !known.iter().any(|key| key.kid() == kid) => self.refreshed(source).await,
            _ => Ok(known),
        }
    }

    fn known(&self) -> Arc<[PublicKey]> {
        Arc::clone(&self.0.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches, where that is due. Whoever comes meanwhile waits for the one fetch and takes what it brought.
    async fn refreshed(&self, source: &Source) -> Result<Arc<[PublicKey]>, HubKeysError> {
        let mut last = source.last.lock().await;
        if let Some(fetched) = *last
            && fetched.at.elapsed() < source.between
        {
            return fetched.succeeded.then(|| self.known()).ok_or(HubKeysError::Lately);
        }
        let keys = source.fetch().await;
        *last = Some(Fetched { at: Instant::now(), succeeded: keys.is_ok() });
        let keys: Arc<[PublicKey]> = keys.map_err(HubKeysError::Fetch)?.into();
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(keys)
    }
}

/// What the hub shows to anybody who asks for its keys.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its keys.
    pub keys: Vec<PublicKey>,
    /// Its clock; none where the answer carries no date that can be read.
    pub date: Option<Timestamp>,
}

/// Asks the hub once for its published keys, for whoever wants to know whether it can be reached.
///
/// # Errors
/// [`HubClientError`].
pub async fn published(config: &Config) -> Result<Published, HubClientError> {
    let url = config.hub_url.join(JWKS).map_err(|_| HubClientError::Answer)?;
    let http = http_client(&url).map_err(HubClientError::Client)?;
    asked(&http, url).await
}

async fn asked(http: &reqwest::Client, url: Url) -> Result<Published, HubClientError> {
    let answer = http.get(url).timeout(FETCH).send().await;
    let answer = async {
        let answer = sort(answer).await?;
        let date = answer.headers().get(DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()).map(|date| date.timestamp());
        Ok((body(answer, BYTES).await?, date))
    };
    let (bytes, date) = answer.await.map_err(|failed| match failed {
        Failed::Passing(retry_after) => HubClientError::Unavailable { retry_after },
        Failed::Final(error) => error,
    })?;
    Ok(Published { keys: read(&bytes).map_err(|_| HubClientError::Answer)?, date })
}

/// A JWK set (RFC 7517 section 5).
#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Source {
    async fn fetch(&self) -> Result<Vec<PublicKey>, HubClientError> {
        Ok(asked(&self.http, self.url.clone()).await?.keys)
    }
}

/// The keys of a set that verify signatures. What is of another kind is passed over (RFC 7517 section 5), but a set
/// without one that can be used is none.
fn read(bytes: &[u8]) -> Result<Vec<PublicKey>, JoseError> {
    let set: Set = serde_json::from_slice(bytes).map_err(|_| JoseError::Payload)?;
    let signing = |jwk: &&Value| jwk.get("use").is_none_or(|usage| usage == "sig");
    let keys: Vec<PublicKey> =
        set.keys.iter().filter(signing).filter_map(|jwk| PublicKey::from_jwk(jwk).ok()).collect();
    if keys.is_empty() { Err(JoseError::Key) } else { Ok(keys) }
}

#[cfg(test)]
mod tests;

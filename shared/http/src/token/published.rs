//! A cache of the keys that an issuer publishes as a JWKS (RFC 7517, section 5). The keys are fetched again after
//! [`FRESH`], and when a token names an unknown key.
//!
//! A key that the issuer removes is rejected after [`FRESH`]. While the issuer does not answer, the keys fetched last
//! remain usable for [`STALE`]: an issuer that is down must not stop every app at once.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use platform::log_fault;
use protocol::json;
use serde::Deserialize;
use thiserror::Error;

use super::issuer_key::{Key, key};

/// Time for which fetched keys are used without another fetch: ten minutes.
pub(super) const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Time for which fetched keys are used while the issuer does not answer: a day.
pub(super) const STALE: SignedDuration = SignedDuration::from_hours(24);
/// Minimum time between two fetches from one issuer: 10 seconds. Tokens with unknown keys cannot cause more.
pub(super) const COOLDOWN: SignedDuration = SignedDuration::from_secs(10);
/// Maximum size of a JWKS: 64 KiB.
pub(super) const SET_BYTES: usize = 64 * 1024;
/// Number of keys in a JWKS that are read; the others are ignored.
const KEYS: usize = 32;
/// Deadline for connection, headers and body together. A request of an app waits for the fetch.
const DEADLINE: Duration = Duration::from_secs(3);

/// Fetches a JWKS: takes the address, returns the bytes of the answer.
pub type Fetch =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send>> + Send + Sync>;

/// Cause for which a JWKS could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// The issuer does not answer within the deadline.
    #[error("the issuer does not answer")]
    NoAnswer,
    /// The issuer answers with another status than 200.
    #[error("the issuer answers with status {0}")]
    Status(u16),
    /// The answer is larger than [`SET_BYTES`].
    #[error("the issuer's answer is too large")]
    TooLarge,
    /// The answer is not a JWKS, or has no usable key.
    #[error("the issuer publishes no usable key")]
    NoKeys,
}

type Keys = Arc<HashMap<String, Arc<Key>>>;

/// Cached keys of an issuer, and the state of the last fetch.
#[derive(Default)]
struct CachedKeys {
    keys: Keys,
    fetched_at: Option<Timestamp>,
    attempted_at: Option<Timestamp>,
    /// Cause for which the last fetch failed.
    failure: Option<FetchError>,
}

impl CachedKeys {
    /// Whether the keys fetched last may still be used.
    fn is_usable(&self, now: Timestamp) -> bool {
        self.fetched_at.is_some_and(|at| now.duration_since(at) < STALE)
    }

    fn find(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<Key>>, FetchError> {
        match self.failure {
            Some(failure) if !self.is_usable(now) => Err(failure),
            Some(_) | None => Ok(self.keys.get(kid).cloned()),
        }
    }
}

/// The keys of one issuer.
pub(super) struct Published {
    url: String,
    issuer: String,
    audience: String,
    fetch: Fetch,
    cache: Mutex<CachedKeys>,
    /// Held during a fetch, so that concurrent requests wait for one fetch and use its result.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Published {
    pub(super) fn new(url: String, issuer: String, audience: String, fetch: Fetch) -> Self {
        let fetching = tokio::sync::Mutex::default();
        Published { url, issuer, audience, fetch, cache: Mutex::default(), fetching }
    }

    /// The key with this `kid`; `None` when the issuer does not publish it.
    ///
    /// # Errors
    /// [`FetchError`] when the fetch failed and no usable keys are cached.
    pub(super) async fn key(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<Key>>, FetchError> {
        if let Some(cached) = self.cached(kid, now) {
            return cached;
        }
        let _guard = self.fetching.lock().await;
        if let Some(cached) = self.cached(kid, now) {
            return cached;
        }
        self.cache().attempted_at = Some(now);
        let answer = (self.fetch)(self.url.clone()).await.and_then(|bytes| self.read(&bytes));
        let mut cache = self.cache();
        match answer {
            Ok(keys) => {
                cache.keys = Arc::new(keys);
                cache.fetched_at = Some(now);
                cache.failure = None;
            }
            Err(error) => {
                let usable = cache.is_usable(now);
                log_fault!(!usable, &format!("keys of {}", self.issuer), issuer = self.issuer, %error, usable, "the published keys of a token issuer could not be fetched; cached keys are used for at most a day");
                cache.failure = Some(error);
            }
        }
        cache.find(kid, now)
    }

    /// The result without a fetch; `None` when a fetch is needed.
    fn cached(&self, kid: &str, now: Timestamp) -> Option<Result<Option<Arc<Key>>, FetchError>> {
        let cache = self.cache();
        // During the first fetch the cache has neither keys nor a failure; the caller then waits for that fetch.
        let cooling = cache.attempted_at.is_some_and(|at| now.duration_since(at) < COOLDOWN)
            && (cache.is_usable(now) || cache.failure.is_some());
        let fresh = cache.fetched_at.is_some_and(|at| now.duration_since(at) < FRESH);
        (cooling || (fresh && cache.keys.contains_key(kid))).then(|| cache.find(kid, now))
    }

    /// Reads the usable keys of a JWKS. Keys of another type or use are ignored (RFC 7517, section 5).
    fn read(&self, bytes: &[u8]) -> Result<HashMap<String, Arc<Key>>, FetchError> {
        let set: Set = json::from_slice(bytes, bytes.len()).map_err(|_| FetchError::NoKeys)?;
        let mut keys = HashMap::new();
        for value in set.keys.iter().take(KEYS) {
            match key(value, &self.issuer, &self.audience) {
                Ok((kid, key)) => drop(keys.entry(kid).or_insert_with(|| Arc::new(key))),
                Err(reason) => {
                    tracing::warn!(issuer = self.issuer, %reason, "a published key of a token issuer cannot be used and is ignored")
                }
            }
        }
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, CachedKeys> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches over HTTP with one deadline, no redirects and a bounded body. The client is built on the first fetch.
pub(super) fn over_http() -> Fetch {
    let client = Arc::new(OnceLock::new());
    Arc::new(move |url| {
        let client = client.clone();
        Box::pin(async move {
            let client: &reqwest::Client = match client.get() {
                Some(client) => client,
                None => {
                    let built = http_client().map_err(|_| FetchError::NoAnswer)?;
                    client.get_or_init(|| built)
                }
            };
            let mut answer = client.get(url).send().await.map_err(|_| FetchError::NoAnswer)?;
            if answer.status() != http::StatusCode::OK {
                return Err(FetchError::Status(answer.status().as_u16()));
            }
            let mut bytes = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(|_| FetchError::NoAnswer)? {
                if bytes.len().saturating_add(part.len()) > SET_BYTES {
                    return Err(FetchError::TooLarge);
                }
                bytes.extend_from_slice(&part);
            }
            Ok(bytes)
        })
    })
}

fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // reqwest needs a process-wide provider. An error means that the program has already installed one.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .no_proxy()
        .user_agent("tongban")
        .build()
}

#[cfg(test)]
mod tests;

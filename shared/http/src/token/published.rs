//! The keys that an issuer publishes as a JWKS (RFC 7517, section 5): asked for rarely, kept, and asked for again where a
//! token names one that is not known.
//!
//! A key that the issuer takes out counts for nothing after [`FRESH`]. While the issuer does not answer, what was read
//! last goes on counting for [`KEPT`]: an issuer that is down must not stop every app at once.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use protocol::json;
use serde::Deserialize;
use thiserror::Error;

use super::issuer_key::{Key, key};

/// How long keys are used without asking again: ten minutes.
pub(super) const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// How long keys are used while the issuer does not answer: a day.
pub(super) const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The least time between two questions to one issuer, whatever tokens name: 10 seconds.
pub(super) const COOLDOWN: SignedDuration = SignedDuration::from_secs(10);
/// Bytes of a JWKS.
pub(super) const SET_BYTES: usize = 64 * 1024;
/// Keys of a JWKS that are looked at.
const KEYS: usize = 32;
/// One deadline over connecting, headers and body. A request of an app waits for it.
const DEADLINE: Duration = Duration::from_secs(3);

/// How a JWKS is read: the address, and the bytes that are there.
pub type Fetch =
    Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send>> + Send + Sync>;

/// Why there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// No answer, or not in time.
    #[error("the issuer does not answer")]
    NoAnswer,
    /// Another status than 200.
    #[error("the issuer answers {0}")]
    Status(u16),
    /// More than [`SET_BYTES`].
    #[error("the issuer answers too much")]
    TooLarge,
    /// Not a JWKS with a key that can be used.
    #[error("the issuer publishes no key that can be used")]
    NoKeys,
}

type Keys = Arc<HashMap<String, Arc<Key>>>;

/// What is known of an issuer's keys.
#[derive(Default)]
struct Known {
    keys: Keys,
    read_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    /// Why the last question was not answered.
    failure: Option<FetchError>,
}

impl Known {
    /// Whether what was read last still counts.
    fn is_usable(&self, now: Timestamp) -> bool {
        self.read_at.is_some_and(|at| now.duration_since(at) < KEPT)
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
    known: Mutex<Known>,
    /// One question at a time: whoever waits finds the answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Published {
    pub(super) fn new(url: String, issuer: String, audience: String, fetch: Fetch) -> Self {
        let asking = tokio::sync::Mutex::default();
        Published { url, issuer, audience, fetch, known: Mutex::default(), asking }
    }

    /// The key of this name; `None` where the issuer has none.
    ///
    /// # Errors
    /// [`FetchError`] where nothing is known of its keys.
    pub(super) async fn key(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<Key>>, FetchError> {
        if let Some(settled) = self.settled(kid, now) {
            return settled;
        }
        let _one = self.asking.lock().await;
        if let Some(settled) = self.settled(kid, now) {
            return settled;
        }
        self.known().asked_at = Some(now);
        let answer = (self.fetch)(self.url.clone()).await.and_then(|bytes| self.read(&bytes));
        let mut known = self.known();
        match answer {
            Ok(keys) => {
                known.keys = Arc::new(keys);
                known.read_at = Some(now);
                known.failure = None;
            }
            Err(error) => {
                let usable = known.is_usable(now);
                tracing::warn!(issuer = self.issuer, %error, usable, "the published keys of a token issuer could not be fetched");
                known.failure = Some(error);
            }
        }
        known.find(kid, now)
    }

    /// What can be said without asking the issuer.
    fn settled(&self, kid: &str, now: Timestamp) -> Option<Result<Option<Arc<Key>>, FetchError>> {
        let known = self.known();
        // While the first question is under way nothing is known, good or bad: then it is waited for.
        let cools = known.asked_at.is_some_and(|at| now.duration_since(at) < COOLDOWN)
            && (known.is_usable(now) || known.failure.is_some());
        let fresh = known.read_at.is_some_and(|at| now.duration_since(at) < FRESH);
        (cools || (fresh && known.keys.contains_key(kid))).then(|| known.find(kid, now))
    }

    /// The keys of a set. One that is for something else, or of a kind that is not taken, is passed over, as RFC 7517
    /// says.
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

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads by HTTP: one deadline, no redirect, a bound on the body. The client is made when it is first needed.
pub(super) fn over_http() -> Fetch {
    let client = Arc::new(OnceLock::new());
    Arc::new(move |url| {
        let client = client.clone();
        Box::pin(async move {
            let client: &reqwest::Client = match client.get() {
                Some(client) => client,
                None => {
                    let made = http_client().map_err(|_| FetchError::NoAnswer)?;
                    client.get_or_init(|| made)
                }
            };
            let mut answer = client.get(url).send().await.map_err(|_| FetchError::NoAnswer)?;
            if answer.status() != http::StatusCode::OK {
                return Err(FetchError::Status(answer.status().as_u16()));
            }
            let mut bytes = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(|_| FetchError::NoAnswer)? {
                if bytes.len() + part.len() > SET_BYTES {
                    return Err(FetchError::TooLarge);
                }
                bytes.extend_from_slice(&part);
            }
            Ok(bytes)
        })
    })
}

fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // A client cannot be built without; an error means that the program has chosen one already: it may.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .no_proxy()
        .user_agent("tongban")
        .build()
}

#[cfg(test)]
mod tests;

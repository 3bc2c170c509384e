//! One callback to one tenant: who wants it, signed, within one deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::TenantId;
use jiff::{SignedDuration, Timestamp};
use platform::clock::Clock as _;
use platform::config::Mode;
use platform::hub::Hub;
use platform::settings::{SECRET, Settings as _, Subscription};
use platform::store::StoreError;
use platform::vault::{Vault as _, VaultError};
use protocol::callback::{Callback, Secret};
use thiserror::Error;

/// One deadline over connecting, headers and body.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long a tenant's subscriptions are remembered: a change takes effect within it.
pub const REMEMBERED: SignedDuration = SignedDuration::from_secs(15);
/// Tenants remembered at once.
pub const TENANTS: usize = 1_000;

/// Delivers callbacks.
#[derive(Clone)]
pub struct Courier<H> {
    hub: H,
    mode: Mode,
    client: reqwest::Client,
    known: Arc<Mutex<HashMap<TenantId, Remembered>>>,
}

#[derive(Clone)]
struct Remembered {
    at: Timestamp,
    endpoints: Arc<Vec<Endpoint>>,
}

struct Endpoint {
    url: String,
    events: Vec<String>,
    secret: Secret,
}

/// Why a callback is not delivered yet. Every cause is worth another attempt.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// The subscriptions cannot be read.
    #[error("the subscriptions cannot be read")]
    Settings(#[from] StoreError),
    /// A secret cannot be opened.
    #[error("a secret cannot be opened")]
    Vault(#[from] VaultError),
    /// The endpoint answered with another status than 2xx.
    #[error("the endpoint answered {0}")]
    Status(u16),
    /// The endpoint did not answer within [`DEADLINE`], or not at all. The cause stays out: it holds the URL.
    #[error("the endpoint did not answer")]
    NoAnswer,
    /// The endpoint's address may not be called.
    #[error("the endpoint may not be called")]
    Forbidden,
    /// The body cannot be written.
    #[error("the callback cannot be written")]
    Body,
}

impl<H: Hub> Courier<H> {
    /// A courier with its own connections, which it keeps between callbacks.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(hub: H, mode: Mode) -> Result<Self, reqwest::Error> {
        // A client cannot be built without; an error means that the program has chosen one already: it may.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .https_only(mode == Mode::Live)
            .pool_max_idle_per_host(4)
            .user_agent("tongban")
            .build()?;
        Ok(Courier { hub, mode, client, known: Arc::default() })
    }

    /// Its ports.
    pub fn hub(&self) -> &H {
        &self.hub
    }

    /// Delivers to every subscription that wants this event. All are tried; the first failure is returned.
    /// On another attempt all are called again, under the same `webhook-id`.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn deliver(&self, callback: &Callback) -> Result<(), DeliveryError> {
        let endpoints = self.endpoints(&callback.tenant).await?;
        let body = serde_json::to_vec(&callback.payload()).map_err(|_| DeliveryError::Body)?;
        let mut outcome = Ok(());
        for endpoint in endpoints.iter() {
            let wanted = endpoint.events.is_empty() || endpoint.events.contains(&callback.kind);
            if !wanted {
                continue;
            }
            if let Err(error) = self.post(endpoint, callback, &body).await
                && outcome.is_ok()
            {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn post(&self, endpoint: &Endpoint, callback: &Callback, body: &[u8]) -> Result<(), DeliveryError> {
        if self.mode == Mode::Live && !endpoint.url.starts_with("https://") {
            return Err(DeliveryError::Forbidden);
        }
        let id = callback.id();
        let seconds = self.hub.clock().now().as_second();
        let answer = self
            .client
            .post(&endpoint.url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", endpoint.secret.sign(&id, seconds, body))
            .body(body.to_vec())
            .send()
            .await
            .map_err(|_| DeliveryError::NoAnswer)?;
        // The body is not read: nothing in it matters, and it may have no end.
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(DeliveryError::Status(answer.status().as_u16()))
        }
    }

    async fn endpoints(&self, tenant: &TenantId) -> Result<Arc<Vec<Endpoint>>, DeliveryError> {
        let now = self.hub.clock().now();
        let fresh = |known: &Remembered| now.duration_since(known.at) < REMEMBERED;
        if let Some(known) = self.known().get(tenant).filter(|known| fresh(known)) {
            return Ok(known.endpoints.clone());
        }
        let mut endpoints = Vec::new();
        for subscription in self.hub.settings().subscriptions(tenant).await? {
            endpoints.push(self.endpoint(subscription).await?);
        }
        let endpoints = Arc::new(endpoints);
        // A tenant without a subscription is asked for each time, so that its first one counts at once.
        if !endpoints.is_empty() {
            let mut known = self.known();
            if known.len() >= TENANTS {
                known.clear();
            }
            known.insert(tenant.clone(), Remembered { at: now, endpoints: endpoints.clone() });
        }
        Ok(endpoints)
    }

    async fn endpoint(&self, subscription: Subscription) -> Result<Endpoint, DeliveryError> {
        let owner = subscription.id.to_string();
        let bytes = self.hub.vault().open(SECRET, &owner, &subscription.secret).await?;
        let secret = Secret::from_bytes(&bytes).map_err(|_| VaultError::Corrupt)?;
        Ok(Endpoint { url: subscription.url, events: subscription.events, secret })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Remembered>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! A short-lived cache of endpoints with their decrypted keys, and uncached reads where the current state matters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::endpoint::{EndpointState, SUBSCRIPTION_CACHE_TTL};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use platform::batch::Failure;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::store::StoreError;
use platform::subscriptions::{SECRET, Subscription, Subscriptions as _};
use platform::telemetry::is_new_fault;
use platform::vault::{Vault as _, VaultError};
use protocol::callback::EndpointKeys;
use thiserror::Error;

/// Maximum number of cached tenants.
pub const TENANTS: usize = 1_000;

/// A subscription with its decrypted keys.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The subscription at the time of the read.
    pub subscription: Subscription,
    /// `None` when the vault can never decrypt them.
    keys: Option<Arc<EndpointKeys>>,
    former: Option<Arc<EndpointKeys>>,
}

impl Endpoint {
    /// State of the endpoint at the time of the read.
    #[must_use]
    pub fn state(&self) -> EndpointState {
        self.subscription.state
    }

    /// Whether callbacks can be signed. Without keys they are stored, until the tenant rotates the keys.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.keys.is_some()
    }

    /// Signs a body with the current keys and, until the overlap ends, with the former keys. Only for an endpoint that
    /// [can sign](Endpoint::can_sign).
    #[must_use]
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        let mut signatures =
            self.keys.as_ref().map(|keys| keys.sign(id, now.as_second(), body)).unwrap_or_default();
        let until = self.subscription.former.as_ref().map(|former| former.until);
        if let Some(former) = self.former.as_ref().filter(|_| until.is_some_and(|until| now < until)) {
            signatures.push(' ');
            signatures.push_str(&former.sign(id, now.as_second(), body));
        }
        signatures
    }
}

/// Cause for which endpoints cannot be read or written.
#[derive(Debug, Error)]
pub enum EndpointsError {
    #[error("the subscriptions cannot be read or written")]
    Subscriptions(#[from] StoreError),
    #[error("a key of the subscription cannot be decrypted")]
    Vault(#[from] VaultError),
}

impl From<EndpointsError> for Failure {
    fn from(error: EndpointsError) -> Self {
        let what = error.to_string();
        match error {
            EndpointsError::Subscriptions(error) => Failure::from(error).because(&what),
            EndpointsError::Vault(error) => Failure::from(error).because(&what),
        }
    }
}

#[derive(Clone)]
struct CachedEndpoints {
    at: Timestamp,
    endpoints: Vec<Arc<Endpoint>>,
}

/// The cache. Clones share its entries.
#[derive(Clone)]
pub(crate) struct Endpoints<H> {
    hub: H,
    cache: Arc<Mutex<HashMap<TenantId, CachedEndpoints>>>,
}

impl<H: Hub> Endpoints<H> {
    pub(crate) fn new(hub: H) -> Self {
        Endpoints { hub, cache: Arc::default() }
    }

    /// A tenant's endpoints, read at most [`SUBSCRIPTION_CACHE_TTL`] ago.
    pub(crate) async fn of(&self, tenant: &TenantId) -> Result<Vec<Arc<Endpoint>>, EndpointsError> {
        let now = self.hub.clock().now();
        let before = self.cache().get(tenant).cloned();
        if let Some(cached) =
            before.as_ref().filter(|cached| now.duration_since(cached.at) < SUBSCRIPTION_CACHE_TTL)
        {
            return Ok(cached.endpoints.clone());
        }
        let before = before.map(|cached| cached.endpoints).unwrap_or_default();
        let mut endpoints = Vec::new();
        for subscription in self.hub.subscriptions().of(tenant).await?.all {
            endpoints.push(Arc::new(self.decrypt(subscription, &before).await?));
        }
        // A tenant without subscriptions is not cached, so that its first subscription receives callbacks at once.
        if !endpoints.is_empty() {
            let mut cache = self.cache();
            if cache.len() >= TENANTS {
                cache.clear();
            }
            cache.insert(tenant.clone(), CachedEndpoints { at: now, endpoints: endpoints.clone() });
        }
        Ok(endpoints)
    }

    /// Reads one endpoint without the cache; `None` when its subscription is deleted.
    pub(crate) async fn fresh(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let before = self.cache().get(tenant).map(|cached| cached.endpoints.clone()).unwrap_or_default();
        let Some(subscription) = self.hub.subscriptions().get(tenant, id).await? else {
            return Ok(None);
        };
        let endpoint = Arc::new(self.decrypt(subscription, &before).await?);
        self.update_cache(&endpoint);
        Ok(Some(endpoint))
    }

    /// Writes the state. Returns the changed endpoint, or `None` when another process has changed it first.
    pub(crate) async fn change(
        &self,
        endpoint: &Endpoint,
        state: EndpointState,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let mut changed = endpoint.clone();
        changed.subscription.state = state;
        changed.subscription.revision = changed.subscription.revision.saturating_add(1);
        if !self.hub.subscriptions().replace(&changed.subscription).await? {
            return Ok(None);
        }
        let changed = Arc::new(changed);
        self.update_cache(&changed);
        Ok(Some(changed))
    }

    /// Replaces the endpoint in the cache. The entry's age does not change, because the tenant's other endpoints were
    /// not read.
    fn update_cache(&self, endpoint: &Arc<Endpoint>) {
        if let Some(cached) = self.cache().get_mut(&endpoint.subscription.tenant) {
            for old in &mut cached.endpoints {
                if old.subscription.id == endpoint.subscription.id {
                    *old = endpoint.clone();
                }
            }
        }
    }

    /// Decrypts the keys of a subscription. Unchanged keys are taken from `before`.
    async fn decrypt(
        &self,
        subscription: Subscription,
        before: &[Arc<Endpoint>],
    ) -> Result<Endpoint, EndpointsError> {
        let keys = self.keys(subscription.id, &subscription.secret, before).await?;
        let former = match &subscription.former {
            Some(former) => self.keys(subscription.id, &former.secret, before).await?,
            None => None,
        };
        Ok(Endpoint { subscription, keys, former })
    }

    /// The decrypted keys; `None` when no retry can decrypt them. The tenant's other endpoints get their callbacks
    /// nevertheless.
    async fn keys(
        &self,
        id: SubscriptionId,
        encrypted: &[u8],
        before: &[Arc<Endpoint>],
    ) -> Result<Option<Arc<EndpointKeys>>, EndpointsError> {
        for cached in before.iter().filter(|cached| cached.subscription.id == id) {
            if cached.subscription.secret == encrypted {
                return Ok(cached.keys.clone());
            }
        }
        let keys = match self.hub.vault().decrypt(SECRET, &id.to_string(), encrypted).await {
            Ok(bytes) => EndpointKeys::from_bytes(&bytes).map_err(|_| VaultError::Corrupt),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => Err(error),
        };
        Ok(match keys {
            Ok(keys) => Some(Arc::new(keys)),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                if is_new_fault(&format!("keys of {id}")) {
                    tracing::error!(subscription = %id, %error, "the keys of a subscription cannot be decrypted; its callbacks are stored until its tenant rotates the keys");
                }
                None
            }
        })
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<TenantId, CachedEndpoints>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

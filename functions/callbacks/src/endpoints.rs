//! What this process knows of endpoints: remembered for moments, read afresh where it counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::endpoint::{EndpointState, REMEMBERED};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::store::StoreError;
use platform::subscriptions::{SECRET, Subscription, Subscriptions as _};
use platform::vault::{Vault as _, VaultError};
use protocol::callback::EndpointKeys;
use thiserror::Error;

/// Tenants remembered at once.
pub const TENANTS: usize = 1_000;

/// A subscription with its keys opened.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The subscription, as it was read.
    pub subscription: Subscription,
    keys: Arc<EndpointKeys>,
    former: Option<Arc<EndpointKeys>>,
}

impl Endpoint {
    /// How it was when it was read.
    #[must_use]
    pub fn state(&self) -> EndpointState {
        self.subscription.state
    }

    /// The signatures of a body: by the keys, and by those before them while they still sign.
    #[must_use]
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> String {
        let mut signatures = self.keys.sign(id, now.as_second(), body);
        let until = self.subscription.former.as_ref().map(|former| former.until);
        if let Some(former) = self.former.as_ref().filter(|_| until.is_some_and(|until| now < until)) {
            signatures.push(' ');
            signatures.push_str(&former.sign(id, now.as_second(), body));
        }
        signatures
    }
}

/// Why endpoints cannot be read. Each is worth another attempt.
#[derive(Debug, Error)]
pub enum EndpointsError {
    /// The subscriptions cannot be read or written.
    #[error("the subscriptions cannot be reached")]
    Subscriptions(#[from] StoreError),
    /// A key cannot be opened.
    #[error("a key cannot be opened")]
    Vault(#[from] VaultError),
}

#[derive(Clone)]
struct Remembered {
    at: Timestamp,
    endpoints: Vec<Arc<Endpoint>>,
}

/// The endpoints that this process knows. Clones share them.
#[derive(Clone)]
pub(crate) struct Endpoints<H> {
    hub: H,
    known: Arc<Mutex<HashMap<TenantId, Remembered>>>,
}

impl<H: Hub> Endpoints<H> {
    pub(crate) fn new(hub: H) -> Self {
        Endpoints { hub, known: Arc::default() }
    }

    /// A tenant's endpoints, at most [`REMEMBERED`] old.
    pub(crate) async fn of(&self, tenant: &TenantId) -> Result<Vec<Arc<Endpoint>>, EndpointsError> {
        let now = self.hub.clock().now();
        let before = self.known().get(tenant).cloned();
        if let Some(known) = before.as_ref().filter(|known| now.duration_since(known.at) < REMEMBERED) {
            return Ok(known.endpoints.clone());
        }
        let before = before.map(|known| known.endpoints).unwrap_or_default();
        let mut endpoints = Vec::new();
        for subscription in self.hub.subscriptions().of(tenant).await?.all {
            endpoints.push(Arc::new(self.open(subscription, &before).await?));
        }
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

    /// One endpoint as it is now; `None` where it is gone.
    pub(crate) async fn fresh(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let before = self.known().get(tenant).map(|known| known.endpoints.clone()).unwrap_or_default();
        let Some(subscription) = self.hub.subscriptions().get(tenant, id).await? else {
            return Ok(None);
        };
        let endpoint = Arc::new(self.open(subscription, &before).await?);
        self.learn(&endpoint);
        Ok(Some(endpoint))
    }

    /// Writes another state; the endpoint with it, or `None` where somebody else was faster.
    pub(crate) async fn change(
        &self,
        endpoint: &Endpoint,
        state: EndpointState,
    ) -> Result<Option<Arc<Endpoint>>, EndpointsError> {
        let mut changed = endpoint.clone();
        changed.subscription.state = state;
        changed.subscription.revision += 1;
        if !self.hub.subscriptions().replace(&changed.subscription).await? {
            return Ok(None);
        }
        let changed = Arc::new(changed);
        self.learn(&changed);
        Ok(Some(changed))
    }

    /// What is remembered of a tenant's others stays as old as it is.
    fn learn(&self, endpoint: &Arc<Endpoint>) {
        if let Some(known) = self.known().get_mut(&endpoint.subscription.tenant) {
            for old in &mut known.endpoints {
                if old.subscription.id == endpoint.subscription.id {
                    *old = endpoint.clone();
                }
            }
        }
    }

    /// Opens what is sealed, unless the same was opened before.
    async fn open(
        &self,
        subscription: Subscription,
        before: &[Arc<Endpoint>],
    ) -> Result<Endpoint, EndpointsError> {
        let keys = self.keys(subscription.id, &subscription.secret, before).await?;
        let former = match &subscription.former {
            Some(former) => Some(self.keys(subscription.id, &former.secret, before).await?),
            None => None,
        };
        Ok(Endpoint { subscription, keys, former })
    }

    async fn keys(
        &self,
        id: SubscriptionId,
        encrypted: &[u8],
        before: &[Arc<Endpoint>],
    ) -> Result<Arc<EndpointKeys>, EndpointsError> {
        for known in before.iter().filter(|known| known.subscription.id == id) {
            if known.subscription.secret == encrypted {
                return Ok(known.keys.clone());
            }
        }
        let bytes = self.hub.vault().decrypt(SECRET, &id.to_string(), encrypted).await?;
        Ok(Arc::new(EndpointKeys::from_bytes(&bytes).map_err(|_| VaultError::Corrupt)?))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<TenantId, Remembered>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

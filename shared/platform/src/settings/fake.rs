//! Settings in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

use super::{Reserved, SUBSCRIPTIONS, Settings, Subscribed, Subscription, sort};
use crate::faults::{Faults, Turn};
use crate::store::StoreError;

type Kept = BTreeMap<(TenantId, SubscriptionId), Subscription>;
type Counters = BTreeMap<(TenantId, String), u32>;

/// Settings in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FakeSettings {
    kept: Arc<Mutex<Kept>>,
    counters: Arc<Mutex<Counters>>,
    faults: Faults,
}

impl FakeSettings {
    /// Empty settings whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeSettings { kept: Arc::default(), counters: Arc::default(), faults }
    }

    fn call<T>(&self, name: &'static str, effect: impl FnOnce(&mut Kept) -> T) -> Result<T, StoreError> {
        let turn = self.faults.turn(name);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match turn {
            Turn::Works => Ok(effect(&mut kept)),
            Turn::Fails => Err(StoreError::Unavailable),
            Turn::Throttles => Err(StoreError::Throttled),
            Turn::LosesAnswer => {
                effect(&mut kept);
                Err(StoreError::Unavailable)
            }
        }
    }
}

impl Settings for FakeSettings {
    async fn reserve(
        &self,
        tenant: &TenantId,
        counter: &str,
        limit: u32,
        wanted: u32,
        _until: i64,
    ) -> Result<Reserved, StoreError> {
        // A call over the network lets others go on; whoever takes parts must bear it.
        tokio::task::yield_now().await;
        self.call("settings.reserve", |_| {
            let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
            let used = counters.entry((tenant.clone(), counter.to_owned())).or_default();
            let granted = wanted.min(limit.saturating_sub(*used));
            *used += granted;
            Reserved { granted, left: limit.saturating_sub(*used) }
        })
    }

    async fn put_subscription(&self, subscription: &Subscription) -> Result<Subscribed, StoreError> {
        self.call("settings.put_subscription", |kept| {
            let key = (subscription.tenant.clone(), subscription.id);
            if let Some(found) = kept.get(&key) {
                return Subscribed::Existing(Box::new(found.clone()));
            }
            if kept.keys().filter(|(tenant, _)| *tenant == subscription.tenant).count() >= SUBSCRIPTIONS {
                return Subscribed::Full;
            }
            kept.insert(key, subscription.clone());
            Subscribed::New
        })
    }

    async fn subscriptions(&self, tenant: &TenantId) -> Result<Vec<Subscription>, StoreError> {
        self.call("settings.subscriptions", |kept| {
            let mut found: Vec<Subscription> =
                kept.values().filter(|subscription| subscription.tenant == *tenant).cloned().collect();
            sort(&mut found);
            found
        })
    }

    async fn subscription(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        self.call("settings.subscription", |kept| kept.get(&(tenant.clone(), id)).cloned())
    }

    async fn replace_subscription(&self, subscription: &Subscription) -> Result<bool, StoreError> {
        self.call("settings.replace_subscription", |kept| {
            let Some(found) = kept.get_mut(&(subscription.tenant.clone(), subscription.id)) else {
                return false;
            };
            if found.revision.checked_add(1) == Some(subscription.revision) {
                *found = subscription.clone();
            }
            found == subscription
        })
    }

    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, SubscriptionId)>, StoreError> {
        self.call("settings.due_subscriptions", |kept| {
            let mut due: Vec<_> = kept
                .iter()
                .filter_map(|(key, found)| Some((found.state.due()?, key.clone())))
                .filter(|(at, _)| *at <= now)
                .collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, key)| key).collect()
        })
    }

    async fn delete_subscription(&self, tenant: &TenantId, id: SubscriptionId) -> Result<bool, StoreError> {
        self.call("settings.delete_subscription", |kept| kept.remove(&(tenant.clone(), id)).is_some())
    }
}

//! Settings in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

use super::{Answered, Changes, Reserved, Roster, Settings, Subscription, sort};
use crate::faults::{Faults, Turn};
use crate::store::StoreError;

#[derive(Debug, Default)]
struct StoredApplication {
    subscriptions: BTreeMap<(TenantId, SubscriptionId), Subscription>,
    answers: BTreeMap<(TenantId, String), Answered>,
    rosters: BTreeMap<TenantId, u32>,
}

type Counters = BTreeMap<(TenantId, String), u32>;

/// Settings in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct FakeSettings {
    kept: Arc<Mutex<StoredApplication>>,
    counters: Arc<Mutex<Counters>>,
    faults: Faults,
}

impl FakeSettings {
    /// Empty settings whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        FakeSettings { kept: Arc::default(), counters: Arc::default(), faults }
    }

    fn call<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut StoredApplication) -> T,
    ) -> Result<T, StoreError> {
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

    async fn answered(&self, tenant: &TenantId, key: &str) -> Result<Option<Answered>, StoreError> {
        self.call("settings.answered", |kept| kept.answers.get(&(tenant.clone(), key.to_owned())).cloned())
    }

    async fn settle(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        answered: &Answered,
    ) -> Result<bool, StoreError> {
        self.call("settings.settle", |kept| {
            let Changes { replaced, made, removed } = changes;
            let answer = (tenant.clone(), answered.key.clone());
            let key = |id: SubscriptionId| (tenant.clone(), id);
            let as_seen = replaced.iter().all(|after| kept.precedes(after))
                && removed.is_none_or(|id| kept.subscriptions.contains_key(&key(id)))
                && made.as_ref().is_none_or(|(new, revision)| {
                    let now = kept.rosters.get(tenant).copied().unwrap_or_default();
                    now == *revision && !kept.subscriptions.contains_key(&key(new.id))
                });
            if !as_seen || kept.answers.contains_key(&answer) {
                return false;
            }
            kept.answers.insert(answer, answered.clone());
            for written in replaced.iter().chain(made.as_ref().map(|(new, _)| new)) {
                kept.subscriptions.insert(key(written.id), written.clone());
            }
            if let Some((_, revision)) = made {
                kept.rosters.insert(tenant.clone(), revision.saturating_add(1));
            }
            if let Some(id) = removed {
                kept.subscriptions.remove(&key(*id));
            }
            true
        })
    }

    async fn subscriptions(&self, tenant: &TenantId) -> Result<Roster, StoreError> {
        self.call("settings.subscriptions", |kept| {
            let of_tenant = kept.subscriptions.values().filter(|found| found.tenant == *tenant);
            let mut all: Vec<Subscription> = of_tenant.cloned().collect();
            sort(&mut all);
            Roster { all, revision: kept.rosters.get(tenant).copied().unwrap_or_default() }
        })
    }

    async fn subscription(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        self.call("settings.subscription", |kept| kept.subscriptions.get(&(tenant.clone(), id)).cloned())
    }

    async fn replace_subscription(&self, subscription: &Subscription) -> Result<bool, StoreError> {
        self.call("settings.replace_subscription", |kept| {
            let key = (subscription.tenant.clone(), subscription.id);
            if kept.precedes(subscription) {
                kept.subscriptions.insert(key.clone(), subscription.clone());
            }
            kept.subscriptions.get(&key) == Some(subscription)
        })
    }

    async fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, SubscriptionId)>, StoreError> {
        self.call("settings.due_subscriptions", |kept| {
            let mut due: Vec<_> = kept
                .subscriptions
                .iter()
                .filter_map(|(key, found)| Some((found.state.due()?, key.clone())))
                .filter(|(at, _)| *at <= now)
                .collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, key)| key).collect()
        })
    }
}

impl StoredApplication {
    /// Whether what is kept is the one before this.
    fn precedes(&self, after: &Subscription) -> bool {
        let found = self.subscriptions.get(&(after.tenant.clone(), after.id));
        found.is_some_and(|found| found.revision.checked_add(1) == Some(after.revision))
    }
}

//! The ports in memory.

use std::sync::Arc;

use domain::agencies::Agencies;

use super::Hub;
use crate::agency_registry::{CachedAgencies, FakeAgencyRegistry};
use crate::clock::FakeClock;
use crate::deliveries::FakeDeliveries;
use crate::documents::FakeDocuments;
use crate::faults::Faults;
use crate::queues::FakeQueues;
use crate::rate_limits::FakeRateLimits;
use crate::recent_states::RecentStates;
use crate::store::FakeStore;
use crate::stored_responses::FakeStoredResponses;
use crate::subscriptions::FakeSubscriptions;
use crate::tenant_rows::MemoryTenantRows;
use crate::vault::FakeVault;

/// The ports in memory. All fakes share the same [`Faults`] and the same clock.
#[derive(Clone, Debug)]
pub struct FakeHub {
    /// The faults of all ports.
    pub faults: Faults,
    /// The applications.
    pub store: FakeStore,
    pub subscriptions: FakeSubscriptions,
    pub stored_responses: FakeStoredResponses,
    /// The counters of rate limits.
    pub rate_limits: FakeRateLimits,
    /// The deliveries of callbacks.
    pub deliveries: FakeDeliveries,
    pub queues: FakeQueues,
    pub documents: FakeDocuments,
    pub vault: FakeVault,
    /// The overrides of agencies.
    pub agency_registry: FakeAgencyRegistry,
    pub clock: FakeClock,
    pub agencies: Arc<Agencies>,
    /// The cache of application states.
    pub recent: RecentStates,
    pub cached_agencies: CachedAgencies,
}

impl FakeHub {
    /// A hub without applications, subscriptions or messages.
    #[must_use]
    pub fn new(agencies: Agencies) -> Self {
        let (faults, clock) = (Faults::default(), FakeClock::default());
        let rows = MemoryTenantRows::new(faults.clone());
        FakeHub {
            store: FakeStore::new(faults.clone()),
            subscriptions: FakeSubscriptions::new(rows.clone()),
            stored_responses: FakeStoredResponses::new(rows.clone()),
            rate_limits: FakeRateLimits::new(rows),
            deliveries: FakeDeliveries::new(faults.clone()),
            queues: FakeQueues::new(faults.clone(), clock.clone()),
            documents: FakeDocuments::new(faults.clone(), clock.clone()),
            vault: FakeVault::new(faults.clone()),
            agency_registry: FakeAgencyRegistry::new(faults.clone()),
            clock,
            faults,
            agencies: Arc::new(agencies),
            recent: RecentStates::default(),
            cached_agencies: CachedAgencies::default(),
        }
    }

    /// The same ports seen by another process: one that has seen nothing yet, as after a crash.
    #[must_use]
    pub fn restarted(&self) -> Self {
        self.faults.revive();
        FakeHub {
            recent: RecentStates::default(),
            cached_agencies: CachedAgencies::default(),
            ..self.clone()
        }
    }
}

impl Hub for FakeHub {
    type Store = FakeStore;
    type Subscriptions = FakeSubscriptions;
    type StoredResponses = FakeStoredResponses;
    type RateLimits = FakeRateLimits;
    type Deliveries = FakeDeliveries;
    type Queues = FakeQueues;
    type Documents = FakeDocuments;
    type Vault = FakeVault;
    type AgencyRegistry = FakeAgencyRegistry;
    type Clock = FakeClock;

    fn store(&self) -> &FakeStore {
        &self.store
    }

    fn subscriptions(&self) -> &FakeSubscriptions {
        &self.subscriptions
    }

    fn stored_responses(&self) -> &FakeStoredResponses {
        &self.stored_responses
    }

    fn rate_limits(&self) -> &FakeRateLimits {
        &self.rate_limits
    }

    fn deliveries(&self) -> &FakeDeliveries {
        &self.deliveries
    }

    fn queues(&self) -> &FakeQueues {
        &self.queues
    }

    fn documents(&self) -> &FakeDocuments {
        &self.documents
    }

    fn vault(&self) -> &FakeVault {
        &self.vault
    }

    fn clock(&self) -> &FakeClock {
        &self.clock
    }

    fn agency_registry(&self) -> &FakeAgencyRegistry {
        &self.agency_registry
    }

    fn rows(&self) -> &Agencies {
        &self.agencies
    }

    fn cached_agencies(&self) -> &CachedAgencies {
        &self.cached_agencies
    }

    fn recent(&self) -> &RecentStates {
        &self.recent
    }
}

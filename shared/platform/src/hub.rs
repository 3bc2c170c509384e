//! All ports of a function in one value. Handlers are generic over [`Hub`], so the same code runs on AWS
//! and in memory.

use std::sync::Arc;

use domain::agencies::Agencies;
use thiserror::Error;

use crate::agency_registry::{AgencyRegistry, AwsAgencyRegistry, CachedAgencies, FakeAgencyRegistry};
use crate::aws::{Aws, Calls};
use crate::clock::{Clock, FakeClock, SystemClock};
use crate::config::Config;
use crate::deliveries::{AwsDeliveries, Deliveries, FakeDeliveries};
use crate::documents::{AwsDocuments, Documents, FakeDocuments};
use crate::faults::Faults;
use crate::queues::{AwsQueues, FakeQueues, Queues};
use crate::recent_states::RecentStates;
use crate::settings::{AwsSettings, FakeSettings, Settings};
use crate::store::{AwsStore, FakeStore, Store};
use crate::vault::{AwsVault, FakeVault, Vault};

/// The ports, and what a function knows besides. Clones are cheap and share everything.
pub trait Hub: Clone + Send + Sync + 'static {
    /// Where applications are kept.
    type Store: Store;
    /// Where subscriptions are kept.
    type Settings: Settings;
    /// Where deliveries of callbacks are kept.
    type Deliveries: Deliveries;
    /// Where messages go.
    type Queues: Queues;
    /// Where documents lie.
    type Documents: Documents;
    /// What seals personal data.
    type Vault: Vault;
    /// Where amendments of agencies are kept.
    type AgencyRegistry: AgencyRegistry;
    /// What time it is.
    type Clock: Clock;

    /// The applications.
    fn store(&self) -> &Self::Store;
    /// The subscriptions.
    fn settings(&self) -> &Self::Settings;
    /// The deliveries of callbacks.
    fn deliveries(&self) -> &Self::Deliveries;
    /// The queues.
    fn queues(&self) -> &Self::Queues;
    /// The documents.
    fn documents(&self) -> &Self::Documents;
    /// The vault.
    fn vault(&self) -> &Self::Vault;
    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// What operators have amended since the deploy.
    fn agency_registry(&self) -> &Self::AgencyRegistry;
    /// The agencies' rows as they were deployed; who takes part right now says [`crate::agency_registry::agencies`].
    fn rows(&self) -> &Agencies;
    /// What this process knows of the agencies.
    fn cached_agencies(&self) -> &CachedAgencies;
    /// The states this process saw last.
    fn recent(&self) -> &RecentStates;
}

/// The configuration has no agencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the configuration has no agencies")]
pub struct NoAgencies;

#[derive(Debug)]
struct Ports {
    store: AwsStore,
    settings: AwsSettings,
    deliveries: AwsDeliveries,
    queues: AwsQueues,
    documents: AwsDocuments,
    vault: AwsVault,
    agency_registry: AwsAgencyRegistry,
    agencies: Agencies,
}

/// The ports on AWS. A function is given what its role may use; a port that its configuration has no place
/// for answers every call with an error.
#[derive(Clone, Debug)]
pub struct AwsHub {
    ports: Arc<Ports>,
    recent: RecentStates,
    known: CachedAgencies,
    calls: Calls,
}

impl AwsHub {
    /// Prepares the ports. Nothing is called.
    ///
    /// # Errors
    /// [`NoAgencies`] where the configuration was read without [`crate::config::Variable::Agencies`].
    pub fn new(config: &Config) -> Result<Self, NoAgencies> {
        let aws = Aws::new(config.access.clone());
        let given = |name: &Option<String>| name.clone().unwrap_or_default();
        let ports = Ports {
            store: AwsStore::new(aws.dynamodb(), given(&config.tables.applications)),
            settings: AwsSettings::new(aws.dynamodb(), given(&config.tables.settings)),
            deliveries: AwsDeliveries::new(aws.dynamodb(), given(&config.tables.deliveries)),
            queues: AwsQueues::new(aws.sqs(), config.queues.clone()),
            documents: AwsDocuments::new(aws.s3(), given(&config.bucket), given(&config.key_id)),
            vault: AwsVault::new(aws.kms(), given(&config.key_id)),
            agency_registry: AwsAgencyRegistry::new(aws.dynamodb(), given(&config.tables.agencies)),
            agencies: config.agencies.clone().ok_or(NoAgencies)?,
        };
        Ok(AwsHub {
            ports: Arc::new(ports),
            recent: RecentStates::default(),
            known: CachedAgencies::default(),
            calls: aws.calls().clone(),
        })
    }

    /// The counter of AWS calls made by all ports.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }
}

impl Hub for AwsHub {
    type Store = AwsStore;
    type Settings = AwsSettings;
    type Deliveries = AwsDeliveries;
    type Queues = AwsQueues;
    type Documents = AwsDocuments;
    type Vault = AwsVault;
    type AgencyRegistry = AwsAgencyRegistry;
    type Clock = SystemClock;

    fn store(&self) -> &AwsStore {
        &self.ports.store
    }

    fn settings(&self) -> &AwsSettings {
        &self.ports.settings
    }

    fn deliveries(&self) -> &AwsDeliveries {
        &self.ports.deliveries
    }

    fn queues(&self) -> &AwsQueues {
        &self.ports.queues
    }

    fn documents(&self) -> &AwsDocuments {
        &self.ports.documents
    }

    fn vault(&self) -> &AwsVault {
        &self.ports.vault
    }

    fn clock(&self) -> &SystemClock {
        &SystemClock
    }

    fn agency_registry(&self) -> &AwsAgencyRegistry {
        &self.ports.agency_registry
    }

    fn rows(&self) -> &Agencies {
        &self.ports.agencies
    }

    fn cached_agencies(&self) -> &CachedAgencies {
        &self.known
    }

    fn recent(&self) -> &RecentStates {
        &self.recent
    }
}

/// The ports in memory. All fakes obey the same [`Faults`] and read the same clock.
#[derive(Clone, Debug)]
pub struct FakeHub {
    /// The faults of all ports.
    pub faults: Faults,
    /// The applications.
    pub store: FakeStore,
    /// The subscriptions.
    pub settings: FakeSettings,
    /// The deliveries of callbacks.
    pub deliveries: FakeDeliveries,
    /// The queues.
    pub queues: FakeQueues,
    /// The documents.
    pub documents: FakeDocuments,
    /// The vault.
    pub vault: FakeVault,
    /// The amendments of agencies.
    pub agency_registry: FakeAgencyRegistry,
    /// The clock.
    pub clock: FakeClock,
    /// The agencies.
    pub agencies: Arc<Agencies>,
    /// The states this process saw last.
    pub recent: RecentStates,
    /// What this process knows of the agencies.
    pub known: CachedAgencies,
}

impl FakeHub {
    /// A hub with nothing in it.
    #[must_use]
    pub fn new(agencies: Agencies) -> Self {
        let (faults, clock) = (Faults::default(), FakeClock::default());
        FakeHub {
            store: FakeStore::new(faults.clone()),
            settings: FakeSettings::new(faults.clone()),
            deliveries: FakeDeliveries::new(faults.clone()),
            queues: FakeQueues::new(faults.clone(), clock.clone()),
            documents: FakeDocuments::new(faults.clone(), clock.clone()),
            vault: FakeVault::new(faults.clone()),
            agency_registry: FakeAgencyRegistry::new(faults.clone()),
            clock,
            faults,
            agencies: Arc::new(agencies),
            recent: RecentStates::default(),
            known: CachedAgencies::default(),
        }
    }

    /// The same ports seen by another process: one that has seen nothing yet, as after a crash.
    #[must_use]
    pub fn restarted(&self) -> Self {
        self.faults.revive();
        FakeHub { recent: RecentStates::default(), known: CachedAgencies::default(), ..self.clone() }
    }
}

impl Hub for FakeHub {
    type Store = FakeStore;
    type Settings = FakeSettings;
    type Deliveries = FakeDeliveries;
    type Queues = FakeQueues;
    type Documents = FakeDocuments;
    type Vault = FakeVault;
    type AgencyRegistry = FakeAgencyRegistry;
    type Clock = FakeClock;

    fn store(&self) -> &FakeStore {
        &self.store
    }

    fn settings(&self) -> &FakeSettings {
        &self.settings
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
        &self.known
    }

    fn recent(&self) -> &RecentStates {
        &self.recent
    }
}

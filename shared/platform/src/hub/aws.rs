//! The ports on AWS.

use std::sync::Arc;

use domain::agencies::Agencies;
use thiserror::Error;

use super::Hub;
use crate::agency_registry::{AwsAgencyRegistry, CachedAgencies};
use crate::aws::Aws;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::deliveries::AwsDeliveries;
use crate::documents::AwsDocuments;
use crate::queues::AwsQueues;
use crate::rate_limits::AwsRateLimits;
use crate::recent_states::RecentStates;
use crate::store::AwsStore;
use crate::stored_responses::AwsStoredResponses;
use crate::subscriptions::AwsSubscriptions;
use crate::tenant_rows::AwsTenantRows;
use crate::vault::AwsVault;

/// The configuration was read without [`crate::config::Variable::Agencies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the configuration has no agencies: it must be read with the file agencies.json")]
pub struct NoAgencies;

#[derive(Debug)]
struct Ports {
    store: AwsStore,
    subscriptions: AwsSubscriptions,
    stored_responses: AwsStoredResponses,
    rate_limits: AwsRateLimits,
    deliveries: AwsDeliveries,
    queues: AwsQueues,
    documents: AwsDocuments,
    vault: AwsVault,
    agency_registry: AwsAgencyRegistry,
    agencies: Agencies,
}

/// The ports on AWS. A function configures only the ports that its role may use; a port without configuration answers
/// every call with an error.
#[derive(Clone, Debug)]
pub struct AwsHub {
    ports: Arc<Ports>,
    recent: RecentStates,
    cached_agencies: CachedAgencies,
}

impl AwsHub {
    /// Prepares the ports. Makes no call.
    ///
    /// # Errors
    /// [`NoAgencies`] when the configuration was read without [`crate::config::Variable::Agencies`].
    pub fn new(config: &Config, aws: &Aws) -> Result<Self, NoAgencies> {
        let given = |name: &Option<String>| name.clone().unwrap_or_default();
        let rows = AwsTenantRows::new(aws.dynamodb(), given(&config.tables.subscriptions));
        let ports = Ports {
            store: AwsStore::new(aws.dynamodb(), given(&config.tables.applications)),
            subscriptions: AwsSubscriptions::new(rows.clone()),
            stored_responses: AwsStoredResponses::new(rows.clone()),
            rate_limits: AwsRateLimits::new(rows),
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
            cached_agencies: CachedAgencies::default(),
        })
    }
}

impl Hub for AwsHub {
    type Store = AwsStore;
    type Subscriptions = AwsSubscriptions;
    type StoredResponses = AwsStoredResponses;
    type RateLimits = AwsRateLimits;
    type Deliveries = AwsDeliveries;
    type Queues = AwsQueues;
    type Documents = AwsDocuments;
    type Vault = AwsVault;
    type AgencyRegistry = AwsAgencyRegistry;
    type Clock = SystemClock;

    fn store(&self) -> &AwsStore {
        &self.ports.store
    }

    fn subscriptions(&self) -> &AwsSubscriptions {
        &self.ports.subscriptions
    }

    fn stored_responses(&self) -> &AwsStoredResponses {
        &self.ports.stored_responses
    }

    fn rate_limits(&self) -> &AwsRateLimits {
        &self.ports.rate_limits
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
        &self.cached_agencies
    }

    fn recent(&self) -> &RecentStates {
        &self.recent
    }
}

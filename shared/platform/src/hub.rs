//! All ports of a function in one value. Handlers are generic over [`Hub`], so the same code runs on AWS and in memory.

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;

use domain::agencies::Agencies;

pub use aws::{AwsHub, NoAgencies};
#[cfg(any(test, feature = "testing"))]
pub use fake::FakeHub;

use crate::agency_registry::{AgencyRegistry, CachedAgencies};
use crate::clock::Clock;
use crate::deliveries::Deliveries;
use crate::documents::Documents;
use crate::queues::Queues;
use crate::rate_limits::RateLimits;
use crate::recent_states::RecentStates;
use crate::store::Store;
use crate::stored_responses::StoredResponses;
use crate::subscriptions::Subscriptions;
use crate::vault::Vault;

/// The ports, the agencies and the caches of a function. Clones are cheap and share everything.
pub trait Hub: Clone + Send + Sync + 'static {
    /// The store of applications.
    type Store: Store;
    /// The table of subscriptions.
    type Subscriptions: Subscriptions;
    /// The table of responses by idempotency key.
    type StoredResponses: StoredResponses;
    /// The table of rate-limit counters.
    type RateLimits: RateLimits;
    /// The table of callback deliveries.
    type Deliveries: Deliveries;
    /// The queues.
    type Queues: Queues;
    /// The document store.
    type Documents: Documents;
    /// The vault that encrypts personal data.
    type Vault: Vault;
    /// The table of agency overrides.
    type AgencyRegistry: AgencyRegistry;
    /// The clock.
    type Clock: Clock;

    /// The applications.
    fn store(&self) -> &Self::Store;
    /// The subscriptions.
    fn subscriptions(&self) -> &Self::Subscriptions;
    /// The stored responses.
    fn stored_responses(&self) -> &Self::StoredResponses;
    /// The counters of rate limits.
    fn rate_limits(&self) -> &Self::RateLimits;
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
    /// The overrides that operators have made since the deploy.
    fn agency_registry(&self) -> &Self::AgencyRegistry;
    /// The agencies' rows as deployed, without overrides: see [`crate::agency_registry::current_agencies`] for the
    /// agencies in force.
    fn rows(&self) -> &Agencies;
    /// This process's cache of the agencies.
    fn cached_agencies(&self) -> &CachedAgencies;
    /// This process's cache of application states.
    fn recent(&self) -> &RecentStates;
}

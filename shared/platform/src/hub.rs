//! All ports of a function in one value. Handlers are generic over [`Hub`], so the same code runs on AWS
//! and in memory.

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

/// The ports, and what a function knows besides. Clones are cheap and share everything.
pub trait Hub: Clone + Send + Sync + 'static {
    /// Where applications are kept.
    type Store: Store;
    /// Where subscriptions are kept.
    type Subscriptions: Subscriptions;
    /// Where responses are stored under their idempotency keys.
    type StoredResponses: StoredResponses;
    /// Where the counters of rate limits are kept.
    type RateLimits: RateLimits;
    /// Where deliveries of callbacks are kept.
    type Deliveries: Deliveries;
    /// Where messages go.
    type Queues: Queues;
    /// Where documents lie.
    type Documents: Documents;
    /// What seals personal data.
    type Vault: Vault;
    /// Where overrides of agencies are kept.
    type AgencyRegistry: AgencyRegistry;
    /// What time it is.
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
    /// What operators have overridden since the deploy.
    fn agency_registry(&self) -> &Self::AgencyRegistry;
    /// The agencies' rows as they were deployed; who takes part right now says [`crate::agency_registry::agencies`].
    fn rows(&self) -> &Agencies;
    /// What this process knows of the agencies.
    fn cached_agencies(&self) -> &CachedAgencies;
    /// The states this process saw last.
    fn recent(&self) -> &RecentStates;
}

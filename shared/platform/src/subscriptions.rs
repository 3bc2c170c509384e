//! The callback subscriptions of tenants.

mod model;
mod table;

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

pub use model::{Changes, FormerKeys, SECRET, SUBSCRIPTIONS, Subscription, TenantSubscriptions};
#[cfg(any(test, feature = "testing"))]
pub use table::FakeSubscriptions;
pub use table::{AwsSubscriptions, SubscriptionTable};

use crate::store::StoreError;
use crate::stored_responses::StoredResponse;

/// Stores subscriptions. Reads are consistent, except [`Subscriptions::due`].
pub trait Subscriptions: Clone + Send + Sync + 'static {
    /// Writes the changes of a request and its response in one transaction. Writes nothing and returns false when a
    /// subscription has changed meanwhile or the request already has a response. After [`StoreError::Unavailable`] the
    /// transaction may have committed; the response is then stored.
    fn commit(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        response: &StoredResponse,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The subscriptions of a tenant. An unreadable one is logged and left out.
    fn of(&self, tenant: &TenantId) -> impl Future<Output = Result<TenantSubscriptions, StoreError>> + Send;

    /// One subscription. A subscription of another tenant is never found.
    fn get(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send;

    /// Replaces the revision before this one. Returns false when another process was faster or the subscription is
    /// removed, and true for a repeat of the same write.
    fn replace(&self, subscription: &Subscription) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The subscriptions whose endpoint needs a drainer at `now` ([`EndpointState::due`]), longest due first.
    /// Eventually consistent: the list may be wrong about a subscription that has just changed.
    ///
    /// [`EndpointState::due`]: domain::endpoint::EndpointState::due
    fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, SubscriptionId)>, StoreError>> + Send;
}

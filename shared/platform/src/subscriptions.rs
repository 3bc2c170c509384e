//! The callback subscriptions of tenants.

mod model;
mod table;

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

pub use model::{Changes, Former, Roster, SECRET, SUBSCRIPTIONS, Subscription};
#[cfg(any(test, feature = "testing"))]
pub use table::FakeSubscriptions;
pub use table::{AwsSubscriptions, SubscriptionTable};

use crate::store::StoreError;
use crate::stored_responses::StoredResponse;

/// Where subscriptions are kept. Reads are consistent, but for [`Subscriptions::due`].
pub trait Subscriptions: Clone + Send + Sync + 'static {
    /// Writes the changes of a request and its response in one transaction: all of it; or nothing, and false, where
    /// something is not as expected or the request has a response. After [`StoreError::Unavailable`] the transaction may
    /// have happened: then the response is stored.
    fn commit(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        response: &StoredResponse,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The subscriptions of a tenant.
    fn of(&self, tenant: &TenantId) -> impl Future<Output = Result<Roster, StoreError>> + Send;

    /// One subscription. A subscription of another tenant is never found.
    fn get(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send;

    /// Writes a subscription over the one whose revision is one less; false where another process was faster, or the
    /// subscription is gone. A repeat of the very same write is recognised.
    fn replace(&self, subscription: &Subscription) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The subscriptions whose endpoint needs a drainer by `now` ([`EndpointState::due`]), those due longest first. Read
    /// from an index: a subscription just changed may be missing or be listed in vain.
    ///
    /// [`EndpointState::due`]: domain::endpoint::EndpointState::due
    fn due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, SubscriptionId)>, StoreError>> + Send;
}

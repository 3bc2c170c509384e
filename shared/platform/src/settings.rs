//! What tenants set: the callback subscriptions.

mod aws;
mod fake;

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

pub use aws::AwsSettings;
pub use fake::FakeSettings;

use crate::store::StoreError;

/// Subscriptions of one tenant. Every change is delivered to each of them.
pub const SUBSCRIPTIONS: usize = 10;

/// The vault's name for a subscription's secret; its owner is the subscription's id.
pub const SECRET: &str = "secret";

/// Where a tenant wants to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The callback's URL.
    pub url: String,
    /// Event types it wants; empty for all.
    pub events: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The signing secret, as the vault sealed it.
    pub secret: Vec<u8>,
}

/// What became of a new subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// It is new.
    New,
    /// Its id was taken, by an earlier delivery of the same request or by another one.
    Existing(Subscription),
    /// The tenant has [`SUBSCRIPTIONS`] already.
    Full,
}

/// Where settings are kept. Reads are consistent.
pub trait Settings: Clone + Send + Sync + 'static {
    /// Keeps a new subscription. After [`StoreError::Unavailable`] it may have been kept, and repeating it
    /// is safe.
    fn put_subscription(
        &self,
        subscription: &Subscription,
    ) -> impl Future<Output = Result<Subscribed, StoreError>> + Send;

    /// A tenant's subscriptions, oldest first.
    fn subscriptions(
        &self,
        tenant: &TenantId,
    ) -> impl Future<Output = Result<Vec<Subscription>, StoreError>> + Send;

    /// Removes a subscription; true where there was one. Another tenant's is never found.
    fn delete_subscription(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// The order of a tenant's subscriptions; of too many at once the last ones lose.
fn sort(subscriptions: &mut [Subscription]) {
    subscriptions.sort_by_key(|subscription| (subscription.created, subscription.id));
}

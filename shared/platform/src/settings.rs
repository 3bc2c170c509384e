//! What tenants set: the callback subscriptions.

mod aws;
mod fake;
mod state;

use std::future::Future;

use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

pub use aws::AwsSettings;
pub use fake::FakeSettings;
pub use state::{CAUTIOUS, EndpointState, REMEMBERED, Reason, SETTLED};

use crate::store::StoreError;

/// Subscriptions of one tenant. Every change is delivered to each of them.
pub const SUBSCRIPTIONS: usize = 10;

/// Rotations of a subscription that are remembered, so that a repeat of one rotates nothing.
pub const ROTATIONS: usize = 8;

/// Requests about a subscription that are remembered (changes, replays, tests), so that a repeat of one does nothing.
pub const REQUESTS: usize = 32;

/// The vault's name for a subscription's keys; their owner is the subscription's id.
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
    /// Its keys ([`protocol::callback::EndpointKeys`]), as the vault sealed them.
    pub secret: Vec<u8>,
    /// What its `v1a` signatures verify with, `whpk_<base64>`; none until one made before them rotates.
    pub public_key: Option<String>,
    /// Its keys before the last rotation, while they still sign.
    pub former: Option<Former>,
    /// The keys of the requests that rotated, the newest last; at most [`ROTATIONS`].
    pub rotations: Vec<String>,
    /// What the requests about it are known by, the newest last; at most [`REQUESTS`].
    pub requests: Vec<String>,
    /// How its endpoint is.
    pub state: EndpointState,
    /// Grows by one with each change.
    pub revision: u32,
}

/// Keys that were rotated out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// As the vault sealed them.
    pub secret: Vec<u8>,
    /// When they stop signing.
    pub until: Timestamp,
}

impl Subscription {
    /// Whether it wants an event of this type.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| event == kind)
    }
}

/// What became of a new subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// It is new.
    New,
    /// Its id was taken, by an earlier delivery of the same request or by another one.
    Existing(Box<Subscription>),
    /// The tenant has [`SUBSCRIPTIONS`] already.
    Full,
}

/// A part of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// How much was given.
    pub granted: u32,
    /// What is left after it.
    pub left: u32,
}

/// Where settings are kept. Reads are consistent.
pub trait Settings: Clone + Send + Sync + 'static {
    /// Takes up to `wanted` (from 1) of a tenant's allowance `counter`, which has `limit` in all; the counter may be
    /// forgotten after `until`, in seconds since 1970. Never gives more than `limit` in all. After
    /// [`StoreError::Unavailable`] it may have been taken.
    fn reserve(
        &self,
        tenant: &TenantId,
        counter: &str,
        limit: u32,
        wanted: u32,
        until: i64,
    ) -> impl Future<Output = Result<Reserved, StoreError>> + Send;

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

    /// One subscription. Another tenant's is never found.
    fn subscription(
        &self,
        tenant: &TenantId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send;

    /// Writes a subscription over the one whose revision is one less; false where somebody else was faster, or
    /// it is gone. A repeat of the very same write is recognised.
    fn replace_subscription(
        &self,
        subscription: &Subscription,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The subscriptions that somebody must look after by `now` ([`EndpointState::due`]), those due longest
    /// first. Read from an index: one just changed may be missing or be here in vain.
    fn due_subscriptions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(TenantId, SubscriptionId)>, StoreError>> + Send;

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

//! What tenants set: the callback subscriptions.

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;

use std::future::Future;

use domain::endpoint::{EndpointState, PROPAGATION_DELAY};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

pub use aws::AwsSettings;
#[cfg(any(test, feature = "testing"))]
pub use fake::FakeSettings;

use crate::store::StoreError;

/// Subscriptions of one tenant. Every change is delivered to each of them.
pub const SUBSCRIPTIONS: usize = 10;

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
    /// From when on its callbacks come by messages of its own; none while its tenant has had no other. Once set it stays
    /// as it is: a callback that went the one way would overtake those before it that went the other.
    pub directed_from: Option<Timestamp>,
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

/// A tenant's subscriptions at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The subscriptions, oldest first.
    pub all: Vec<Subscription>,
    /// How many were ever added.
    pub revision: u32,
}

impl Roster {
    /// What one more changes; `None` where there are [`SUBSCRIPTIONS`] already. One that was alone is directed, too, once
    /// every process has heard of the other: until then some go on to deliver to it directly.
    #[must_use]
    pub fn with(&self, new: Subscription) -> Option<Changes> {
        if self.all.len() >= SUBSCRIPTIONS {
            return None;
        }
        let joined = new.created;
        let alone = self.all.iter().filter(|before| before.directed_from.is_none());
        let replaced = alone.map(|before| Subscription {
            directed_from: joined.checked_add(PROPAGATION_DELAY).ok(),
            revision: before.revision.saturating_add(1),
            ..before.clone()
        });
        let directed_from = (!self.all.is_empty()).then_some(joined);
        Some(Changes {
            replaced: replaced.collect(),
            made: Some((Subscription { directed_from, ..new }, self.revision)),
            removed: None,
        })
    }
}

/// What a request changes of its tenant's subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each is written over the one whose revision is one less.
    pub replaced: Vec<Subscription>,
    /// A new one, and the revision of the roster that it is added to.
    pub made: Option<(Subscription, u32)>,
    /// One that is there and shall not be.
    pub removed: Option<SubscriptionId>,
}

/// What a request was answered with. It is kept for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the request's key came to, 32 hexadecimal digits.
    pub key: String,
    /// What the whole request came to, 32 hexadecimal digits.
    pub whole: String,
    /// The answer's body, as the vault sealed it: it may show keys.
    pub sealed: Vec<u8>,
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

    /// What a tenant's request was answered with, if it was.
    fn answered(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> impl Future<Output = Result<Option<Answered>, StoreError>> + Send;

    /// Writes what a request changes together with its answer: all of it; or nothing, and false, where something is
    /// not as it was seen or the request has been answered. After [`StoreError::Unavailable`] it may have been written:
    /// then it is answered.
    fn settle(
        &self,
        tenant: &TenantId,
        changes: &Changes,
        answered: &Answered,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A tenant's subscriptions.
    fn subscriptions(&self, tenant: &TenantId) -> impl Future<Output = Result<Roster, StoreError>> + Send;

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
}

/// The order of a tenant's subscriptions; of too many at once the last ones lose.
fn sort(subscriptions: &mut [Subscription]) {
    subscriptions.sort_by_key(|subscription| (subscription.created, subscription.id));
}

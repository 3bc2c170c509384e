//! What a subscription is, and what a request changes of a tenant's subscriptions.

use domain::endpoint::{EndpointState, PROPAGATION_DELAY};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

/// Subscriptions of one tenant. Every change is delivered to each of them.
pub const SUBSCRIPTIONS: usize = 10;

/// The vault's field name for the keys of a subscription; their owner is the subscription's id.
pub const SECRET: &str = "secret";

/// A callback subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The subscription's id.
    pub id: SubscriptionId,
    /// The tenant who owns it.
    pub tenant: TenantId,
    /// The callback's URL.
    pub url: String,
    /// Event types it wants; empty for all.
    pub events: Vec<String>,
    /// Time of creation.
    pub created: Timestamp,
    /// The signing keys ([`protocol::callback::EndpointKeys`]), encrypted by the vault.
    pub secret: Vec<u8>,
    /// The public key of the `v1a` signatures, `whpk_<base64>`.
    pub public_key: Option<String>,
    /// The keys before the last rotation, while they still sign.
    pub former: Option<Former>,
    /// Time from which this subscription has its own queue messages; none while its tenant has had no other subscription.
    /// Once set it stays: a callback that is sent directly would overtake those before it in the queue.
    pub directed_from: Option<Timestamp>,
    /// The state of the endpoint.
    pub state: EndpointState,
    /// Number of changes.
    pub revision: u32,
}

/// Keys that were rotated out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The keys, encrypted by the vault.
    pub secret: Vec<u8>,
    /// Time when they stop signing.
    pub until: Timestamp,
}

impl Subscription {
    /// Whether the subscription wants an event of this type.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| event == kind)
    }
}

/// The subscriptions of a tenant at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The subscriptions, oldest first.
    pub all: Vec<Subscription>,
    /// How many subscriptions were ever added.
    pub revision: u32,
}

impl Roster {
    /// The changes that add a subscription; `None` where there are [`SUBSCRIPTIONS`] already. A subscription that was alone
    /// gets its own messages, too, once every process knows of the new one: until then some deliver to it directly.
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
            added: Some((Subscription { directed_from, ..new }, self.revision)),
            removed: None,
        })
    }
}

/// The changes of a request to the subscriptions of its tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Subscriptions that are written over the former revision, which is one less.
    pub replaced: Vec<Subscription>,
    /// A new subscription, and the revision of the roster that it is added to.
    pub added: Option<(Subscription, u32)>,
    /// A subscription that is removed.
    pub removed: Option<SubscriptionId>,
}

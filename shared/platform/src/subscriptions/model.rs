//! A subscription, and the changes of a request to a tenant's subscriptions.

use domain::endpoint::{EndpointState, PROPAGATION_DELAY};
use domain::ids::{SubscriptionId, TenantId};
use jiff::Timestamp;

/// Most subscriptions of one tenant. The hub delivers each change to every subscription.
pub const SUBSCRIPTIONS: usize = 10;

/// The vault's field name for the keys of a subscription; their owner is the subscription's id.
pub const SECRET: &str = "secret";

/// A callback subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The subscription's id.
    pub id: SubscriptionId,
    /// The tenant that owns the subscription.
    pub tenant: TenantId,
    /// The callback's URL.
    pub url: String,
    /// Event types that the subscription receives; empty for all types.
    pub events: Vec<String>,
    /// Time of creation.
    pub created: Timestamp,
    /// The signing keys ([`protocol::callback::EndpointKeys`]), encrypted by the vault.
    pub secret: Vec<u8>,
    /// The public key of the `v1a` signatures, `whpk_<base64>`.
    pub public_key: Option<String>,
    /// The keys before the last rotation, while the hub still signs with them.
    pub former: Option<FormerKeys>,
    /// Time from which this subscription has its own queue messages; `None` while its tenant has had no other
    /// subscription. Never unset, because a callback sent directly would overtake the callbacks in the queue.
    pub own_messages_from: Option<Timestamp>,
    /// The state of the endpoint.
    pub state: EndpointState,
    /// Number of changes.
    pub revision: u32,
}

/// Signing keys before the last rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerKeys {
    /// The keys, encrypted by the vault.
    pub secret: Vec<u8>,
    /// Time at which the hub stops signing with these keys.
    pub until: Timestamp,
}

impl Subscription {
    /// Whether the subscription receives events of this type.
    #[must_use]
    pub fn wants(&self, kind: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|event| event == kind)
    }
}

/// The subscriptions of a tenant at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantSubscriptions {
    /// The subscriptions, oldest first.
    pub all: Vec<Subscription>,
    /// Number of subscriptions ever added.
    pub revision: u32,
}

impl TenantSubscriptions {
    /// The changes that add a subscription; `None` when the tenant has [`SUBSCRIPTIONS`] already. A tenant's only
    /// subscription so far gets its own messages, too, but only after [`PROPAGATION_DELAY`]: until then some processes
    /// do not know the new subscription and deliver to the old one directly.
    #[must_use]
    pub fn with(&self, new: Subscription) -> Option<Changes> {
        if self.all.len() >= SUBSCRIPTIONS {
            return None;
        }
        let joined = new.created;
        let alone = self.all.iter().filter(|before| before.own_messages_from.is_none());
        let replaced = alone.map(|before| Subscription {
            own_messages_from: joined.checked_add(PROPAGATION_DELAY).ok(),
            revision: before.revision.saturating_add(1),
            ..before.clone()
        });
        let own_messages_from = (!self.all.is_empty()).then_some(joined);
        Some(Changes {
            replaced: replaced.collect(),
            added: Some((Subscription { own_messages_from, ..new }, self.revision)),
            removed: None,
        })
    }
}

/// The changes of a request to the subscriptions of its tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Subscriptions that replace their former revision.
    pub replaced: Vec<Subscription>,
    /// A new subscription, and the expected revision of the roster.
    pub added: Option<(Subscription, u32)>,
    /// A subscription to remove.
    pub removed: Option<SubscriptionId>,
}

//! Ids derived from a request's tenant and idempotency key, so that a repeat finds the object that the
//! first request created.
//!
//! The secret is a namespace, not an encryption key. It is never rotated: a repeat after a rotation would create a
//! second application.

use domain::ids::{ApplicationId, SubscriptionId, TenantId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use platform::config::Secret;
use sha2::Sha256;

use crate::idempotency::IdempotencyKey;

/// The namespace of derived ids. Clones share the secret.
#[derive(Clone, Debug)]
pub struct Namespace(Secret);

impl Namespace {
    /// A namespace with this secret.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Namespace(secret)
    }

    /// Id of the application that this key creates: HMAC-SHA256 of tenant ‖ 0 ‖ key. Neither part contains a zero byte.
    #[must_use]
    pub fn application(&self, tenant: &TenantId, key: &IdempotencyKey) -> ApplicationId {
        ApplicationId::from_bytes16(self.derive(&[tenant.as_str(), key.as_str()]))
    }

    /// Id of the subscription that this key creates. Three parts go into it, so it never equals an application's id.
    #[must_use]
    pub fn subscription(&self, tenant: &TenantId, key: &IdempotencyKey) -> Option<SubscriptionId> {
        let bytes = self.derive(&["subscription", tenant.as_str(), key.as_str()]);
        SubscriptionId::from_uuid(ApplicationId::from_bytes16(bytes).as_uuid())
    }

    /// Fingerprint of a request that changes a subscription: equal for a repeat; different for another key, body,
    /// subscription or purpose.
    #[must_use]
    pub fn request(
        &self,
        purpose: &str,
        subscription: SubscriptionId,
        key: &IdempotencyKey,
        body: &[u8],
    ) -> [u8; 16] {
        let body = String::from_utf8_lossy(body);
        self.derive(&["request", purpose, &subscription.to_string(), key.as_str(), &body])
    }

    fn derive(&self, parts: &[&str]) -> [u8; 16] {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else { return [0; 16] };
        mac.update(parts.join("\0").as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_id_depends_on_tenant_and_key_only() {
        let namespace = Namespace::new(Secret::new(vec![7; 32]));
        let id = |tenant: &str, key: &str| {
            namespace.application(&tenant.parse().unwrap(), &IdempotencyKey::parse(key.as_bytes()).unwrap())
        };
        assert_eq!(id("a", "k"), id("a", "k"));
        // Ids that were derived once must never change.
        assert_eq!(id("hohhot-app", "first").to_string(), "1b760c70-1b9f-8c75-a73a-602e0e68303c");
        let other = Namespace::new(Secret::new(vec![8; 32]));
        let elsewhere = other.application(&"a".parse().unwrap(), &IdempotencyKey::parse(b"k").unwrap());
        let ids: BTreeSet<_> = [id("a", "k"), id("a", "kk"), id("ak", "k"), id("b", "k"), elsewhere].into();
        assert_eq!(ids.len(), 5);
        let subscription =
            namespace.subscription(&"a".parse().unwrap(), &IdempotencyKey::parse(b"k").unwrap());
        assert_ne!(subscription.unwrap().as_uuid(), id("a", "k").as_uuid());
    }
}

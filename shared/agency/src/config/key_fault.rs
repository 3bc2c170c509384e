//! Why a JWK in the configuration cannot be used, in words that quote nothing of the key.

use serde_json::Value;

/// What a configured key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRole {
    /// The agency's private key that signs.
    Signing,
    /// The agency's private key that decrypts.
    Encryption,
    /// A public key of the hub.
    HubSigning,
}

impl KeyRole {
    fn is_private(self) -> bool {
        self != KeyRole::HubSigning
    }

    fn usage(self) -> &'static str {
        if self == KeyRole::Encryption { "enc" } else { "sig" }
    }

    /// The first fault of a key for this role. `None` when only its numbers can be wrong.
    pub(super) fn fault(self, jwk: &Value) -> Option<&'static str> {
        let Some(members) = jwk.as_object() else { return Some("a key is a JSON object (a JWK)") };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let is_curve = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => true,
            (Some("OKP"), Some("Ed25519")) => !self.is_private(),
            _ => false,
        };
        if !is_curve {
            return Some("the key is not on the curve P-256 (kty EC, crv P-256)");
        }
        if self.is_private() && !members.contains_key("d") {
            return Some("this is a public key; the private one is needed");
        }
        if !self.is_private() && members.contains_key("d") {
            return Some("this is a private key; the hub gives public ones");
        }
        match text("use") {
            Some(usage) if usage != self.usage() => Some(if self == KeyRole::Encryption {
                "this key is for signatures (use sig), not for encryption (use enc)"
            } else {
                "this key is for encryption (use enc), not for signatures (use sig)"
            }),
            _ => None,
        }
    }
}

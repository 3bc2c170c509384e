//! The blind index of persons: finds a person's applications for a service, and the table holds no identity number.
//!
//! A value is the name of its key, a point, and the first 128 bits of the HMAC-SHA-256 of service and identity number.
//! There are only some 10^11 identity numbers, so without a secret key everybody who reads the table could try them all.
//! The key is a secret of its own: the other secrets live longer, and more functions read them.
//!
//! A rotation makes a new key and keeps the former one: an application that is created then has its values under both
//! keys. The index has the value under the new key, and the application is compared with older ones by the other value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::catalogue::Service;
use domain::identity_number::IdentityNumber;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::Secret;

/// Bytes of a value: 128 bits tell all persons apart.
const VALUE_BYTES: usize = 16;
/// Bytes of a key's name.
const NAME_BYTES: usize = 3;

/// The keys of the index. Clones share the secrets.
#[derive(Clone, Debug)]
pub struct PersonIndex {
    /// The present key, and the former one as long as the secret's store has it.
    keys: Vec<Secret>,
}

impl PersonIndex {
    /// The index under the present key, with the key before the last rotation.
    #[must_use]
    pub fn new(present: Secret, former: Option<Secret>) -> PersonIndex {
        let former = former.filter(|former| former.expose() != present.expose());
        PersonIndex { keys: [Some(present), former].into_iter().flatten().collect() }
    }

    /// The values by which a person's applications for a service are found: under the present key first.
    #[must_use]
    pub fn values(&self, service: Service, number: &IdentityNumber) -> Vec<String> {
        let value = |key: &Secret| {
            let mac = mac(key, &["person", service.name(), number.as_str()])?;
            let (name, mac) = (key_name(key)?, mac.get(..VALUE_BYTES)?);
            Some(format!("{name}.{}", URL_SAFE_NO_PAD.encode(mac)))
        };
        self.keys.iter().filter_map(value).collect()
    }

    /// The name of the present key, which is no secret.
    #[must_use]
    pub fn key_name(&self) -> Option<String> {
        key_name(self.keys.first()?)
    }
}

/// Derived from the key, so that nobody has to count rotations.
fn key_name(key: &Secret) -> Option<String> {
    mac(key, &["name"])?.get(..NAME_BYTES).map(|name| URL_SAFE_NO_PAD.encode(name))
}

/// HMAC-SHA-256 of the parts, none of which has a zero byte. HMAC takes a key of any length.
fn mac(key: &Secret, parts: &[&str]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    mac.update(parts.join("\0").as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::new(vec![byte; 32])
    }

    #[test]
    fn p10_a_value_depends_on_person_service_and_key_and_shows_no_number() {
        let number = |sequence| IdentityNumber::compute("110105", date(1992, 5, 4), sequence).unwrap();
        let index = PersonIndex::new(key(7), None);
        let services = Service::all();
        let value = |index: &PersonIndex, service: usize, sequence| {
            index.values(services[service], &number(sequence)).first().cloned().unwrap()
        };
        assert_eq!(value(&index, 0, 1), value(&index, 0, 1));
        let values: BTreeSet<String> = [
            value(&index, 0, 1),
            value(&index, 0, 2),
            value(&index, 1, 1),
            value(&PersonIndex::new(key(8), None), 0, 1),
        ]
        .into();
        assert_eq!(values.len(), 4);
        assert!(values.iter().all(|value| value.len() == 27 && !value.contains("19920504")), "{values:?}");
        assert!(!format!("{index:?}").contains("7, 7"));
    }

    #[test]
    fn p10_during_a_rotation_both_keys_find_the_person() {
        let number = IdentityNumber::compute("110105", date(1992, 5, 4), 1).unwrap();
        let service = Service::all()[0];
        let before = PersonIndex::new(key(7), None);
        let after = PersonIndex::new(key(8), Some(key(7)));
        let values = after.values(service, &number);
        assert_eq!(values.len(), 2);
        assert_eq!(values[1..], before.values(service, &number), "the value of older applications");
        assert!(values[0].starts_with(&after.key_name().unwrap()));
        assert_ne!(after.key_name(), before.key_name());
        let unchanged = PersonIndex::new(key(7), Some(key(7)));
        assert_eq!(unchanged.values(service, &number), before.values(service, &number));
    }
}

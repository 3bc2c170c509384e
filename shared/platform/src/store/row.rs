//! The item in DynamoDB: attribute names, keys, and sizes by DynamoDB's rules.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::application::Application;
use domain::event::Event;
use domain::ids::{AgencyCode, ApplicationId};
use domain::ledger::{Ledger, LedgerError};
use domain::time::later;
use jiff::{SignedDuration, Timestamp};

use super::keys::{LISTS, PERSON, TENANT, list_keys};
use super::{
    AGENCY_SHARDS, DUE_SHARDS, EXPIRED_DRAFT_DAYS, StoreError, StoredApplication, TENANT_SHARDS, shard,
};

/// Partition key: the application's id.
pub(super) const ID: &str = "id";
/// Version: the number of events.
pub(super) const VERSION: &str = "v";
/// Value of the person index under the former key, as long as there is one. No index has it.
pub(super) const PERSON_FORMER: &str = "pf";
/// Created at and id: range key of the tenant index.
pub(super) const CREATED: &str = "cr";
/// Shard: hash key of the due index; absent when the application has no wake-up time.
pub(super) const DUE: &str = "du";
/// Wake-up time, epoch milliseconds: range key of the due index.
pub(super) const WAKE: &str = "dt";
/// Agency and shard: hash key of the agency index; absent while the case is not before an agency.
pub(super) const AGENCY: &str = "ag";
/// Time of the last resend request and the version of the requested message: see [`resend_mark`].
pub(super) const RESEND_REQUESTED: &str = "ra";
/// Hash of the creating request.
pub(super) const PAYLOAD_HASH: &str = "ph";
/// The encrypted personal data.
pub(super) const ENCRYPTED: &str = "se";
/// The entries, oldest first.
pub(super) const EVENTS: &str = "ev";
/// Epoch seconds after which DynamoDB may remove the item; only on expired and withdrawn drafts.
pub(super) const TTL: &str = "ttl";

/// One item of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(super) id: ApplicationId,
    pub(super) version: u32,
    pub(super) tenant: String,
    pub(super) created: String,
    /// Epoch milliseconds.
    pub(super) wake: Option<i64>,
    pub(super) agency: Option<String>,
    /// Keys by which lists of the tenant, and searches for a person, find the application.
    pub(super) lists: BTreeMap<&'static str, String>,
    /// Value of the person index under the former key.
    pub(super) person_former: Option<String>,
    pub(super) resend_requested: Option<String>,
    pub(super) payload_hash: [u8; 32],
    pub(super) encrypted: Vec<u8>,
    pub(super) events: Vec<Vec<u8>>,
    /// Epoch seconds.
    pub(super) ttl: Option<i64>,
}

/// An attribute, read from the SDK or from a stream image.
pub(super) enum Attribute {
    S(String),
    N(String),
    B(Vec<u8>),
    L(Vec<Vec<u8>>),
}

/// Hash keys of the lists' indexes, the agency's included, by attribute.
pub(super) fn index_keys(head: &Application) -> Vec<(&'static str, Option<String>)> {
    let lists = list_keys(head, shard(head.id, TENANT_SHARDS));
    lists.into_iter().chain([(AGENCY, agency_key(head))]).collect()
}

/// Attributes of the person index, which a corrected draft writes again.
pub(super) fn person_keys(person: &[String]) -> [(&'static str, Option<String>); 2] {
    [(PERSON, person.first().cloned()), (PERSON_FORMER, person.get(1).cloned())]
}

/// Hash key of the agency index; `None` when the case is not before an agency.
pub(super) fn agency_key(head: &Application) -> Option<String> {
    head.is_before_agency().then(|| agency_shard_key(head.agency(), shard(head.id, AGENCY_SHARDS)))
}

/// Hash key of one shard of the agency index.
pub(super) fn agency_shard_key(agency: &AgencyCode, shard: u8) -> String {
    format!("{agency}#{shard}")
}

/// The mark of a resend request: epoch milliseconds, a colon, the message's version. The 13 digits make marks sort by
/// time.
pub(super) fn resend_mark(at: Timestamp, message: u32) -> String {
    format!("{:013}:{message}", at.as_millisecond().max(0))
}

/// Reads the mark of a resend request.
pub(super) fn parse_resend_mark(mark: &str) -> Option<(Timestamp, u32)> {
    let (at, message) = mark.split_once(':')?;
    Some((Timestamp::from_millisecond(at.parse().ok()?).ok()?, message.parse().ok()?))
}

/// Range key of the tenant index and the agency index. The fixed width of the milliseconds makes keys sort by time.
pub(super) fn created_key(at: Timestamp, id: ApplicationId) -> String {
    format!("{at:.3}#{id}")
}

/// Hash key of the due index.
pub(super) fn due_key(shard: u8) -> String {
    format!("due#{shard}")
}

/// Epoch seconds after which DynamoDB may remove the item; `None` for an item that stays for ever.
pub(super) fn time_to_live(stored: &StoredApplication) -> Option<i64> {
    let head = stored.ledger.state();
    let never_handed_in = head.leg_opened == 0;
    (head.is_abandoned() && never_handed_in)
        .then(|| later(head.changed_at, SignedDuration::from_hours(24 * EXPIRED_DRAFT_DAYS)).as_second())
}

/// Whether the new entries correct the draft, so that the personal data is written again.
pub(super) fn is_corrected(expected_version: u32, after: &StoredApplication) -> bool {
    let new = after.ledger.after(expected_version);
    new.iter().any(|line| matches!(line.entry.event, Event::Corrected(_)))
}

impl Row {
    /// The item of an application.
    pub(super) fn new(stored: &StoredApplication, wake: Option<Timestamp>) -> Row {
        let head = stored.ledger.state();
        let mut lists = present(list_keys(head, shard(head.id, TENANT_SHARDS)));
        lists.extend(stored.person.first().map(|value| (PERSON, value.clone())));
        Row {
            id: head.id,
            version: head.version,
            tenant: lists.remove(TENANT).unwrap_or_default(),
            created: created_key(head.opened_at, head.id),
            wake: wake.map(Timestamp::as_millisecond),
            agency: agency_key(head),
            lists,
            person_former: stored.person.get(1).cloned(),
            resend_requested: None,
            payload_hash: stored.payload_hash,
            encrypted: stored.encrypted.clone(),
            events: stored.ledger.entries().iter().map(|entry| entry.bytes.clone()).collect(),
            ttl: time_to_live(stored),
        }
    }

    /// The application of an item. Verifies the hash chain.
    pub(super) fn stored(self) -> Result<StoredApplication, StoreError> {
        if usize::try_from(self.version) != Ok(self.events.len()) {
            return Err(StoreError::Corrupt(LedgerError::Broken(self.version)));
        }
        let ledger = Ledger::read(self.id, self.events)?;
        let person = self.lists.get(PERSON).cloned().into_iter().chain(self.person_former).collect();
        Ok(StoredApplication { ledger, encrypted: self.encrypted, payload_hash: self.payload_hash, person })
    }

    /// Reads an item. Ignores unknown attributes, because a newer version of the hub may have written them.
    pub(super) fn read(attributes: impl IntoIterator<Item = (String, Attribute)>) -> Result<Row, StoreError> {
        let mut found: HashMap<String, Attribute> = attributes.into_iter().collect();
        let wrong = StoreError::Unreadable;
        let text = |found: &mut HashMap<String, Attribute>, name| match found.remove(name) {
            Some(Attribute::S(text)) => Ok(text),
            _ => Err(wrong(name)),
        };
        let optional = |found: &mut HashMap<String, Attribute>, name| match found.remove(name) {
            Some(Attribute::S(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name)),
            None => Ok(None),
        };
        let bytes = |found: &mut HashMap<String, Attribute>, name| match found.remove(name) {
            Some(Attribute::B(bytes)) => Ok(bytes),
            _ => Err(wrong(name)),
        };
        let number = |found: &mut HashMap<String, Attribute>, name| match found.remove(name) {
            Some(Attribute::N(digits)) => digits.parse::<i64>().map(Some).map_err(|_| wrong(name)),
            Some(_) => Err(wrong(name)),
            None => Ok(None),
        };
        let version = number(&mut found, VERSION)?.and_then(|version| u32::try_from(version).ok());
        Ok(Row {
            id: text(&mut found, ID)?.parse().map_err(|_| wrong(ID))?,
            version: version.ok_or(wrong(VERSION))?,
            tenant: text(&mut found, TENANT)?,
            created: text(&mut found, CREATED)?,
            wake: number(&mut found, WAKE)?,
            agency: optional(&mut found, AGENCY)?,
            lists: LISTS
                .into_iter()
                .filter_map(|name| optional(&mut found, name).map(|key| Some((name, key?))).transpose())
                .collect::<Result<_, _>>()?,
            person_former: optional(&mut found, PERSON_FORMER)?,
            resend_requested: optional(&mut found, RESEND_REQUESTED)?,
            payload_hash: bytes(&mut found, PAYLOAD_HASH)?.try_into().map_err(|_| wrong(PAYLOAD_HASH))?,
            encrypted: bytes(&mut found, ENCRYPTED)?,
            events: match found.remove(EVENTS) {
                Some(Attribute::L(events)) => events,
                _ => return Err(wrong(EVENTS)),
            },
            ttl: number(&mut found, TTL)?,
        })
    }

    /// The attributes for the SDK.
    pub(super) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let mut item = HashMap::from([
            (ID.to_owned(), AttributeValue::S(self.id.to_string())),
            (VERSION.to_owned(), AttributeValue::N(self.version.to_string())),
            (TENANT.to_owned(), AttributeValue::S(self.tenant.clone())),
            (CREATED.to_owned(), AttributeValue::S(self.created.clone())),
            (PAYLOAD_HASH.to_owned(), AttributeValue::B(Blob::new(self.payload_hash))),
            (ENCRYPTED.to_owned(), AttributeValue::B(Blob::new(self.encrypted.clone()))),
            (EVENTS.to_owned(), list(&self.events)),
        ]);
        if let Some(wake) = self.wake {
            item.insert(DUE.to_owned(), AttributeValue::S(self.due()));
            item.insert(WAKE.to_owned(), AttributeValue::N(wake.to_string()));
        }
        for (name, key) in &self.lists {
            item.insert((*name).to_owned(), AttributeValue::S(key.clone()));
        }
        for (name, value) in self.optional_texts() {
            if let Some(text) = value {
                item.insert(name.to_owned(), AttributeValue::S(text.to_owned()));
            }
        }
        if let Some(ttl) = self.ttl {
            item.insert(TTL.to_owned(), AttributeValue::N(ttl.to_string()));
        }
        item
    }

    fn optional_texts(&self) -> [(&'static str, Option<&str>); 3] {
        [
            (AGENCY, self.agency.as_deref()),
            (RESEND_REQUESTED, self.resend_requested.as_deref()),
            (PERSON_FORMER, self.person_former.as_deref()),
        ]
    }

    /// Hash key of the due index, which the item has only with a wake-up time.
    pub(super) fn due(&self) -> String {
        due_key(shard(self.id, DUE_SHARDS))
    }

    /// Bytes of the item (AWS: "DynamoDB item sizes and formats").
    #[cfg(any(test, feature = "testing"))]
    #[expect(clippy::arithmetic_side_effects, reason = "lengths of texts in memory")]
    pub(super) fn size(&self) -> usize {
        let events: usize = self.events.iter().map(|event| 1 + event.len()).sum();
        let mut size = ID.len() + self.id.to_string().len();
        size += VERSION.len() + number_size(i64::from(self.version));
        size += TENANT.len() + self.tenant.len();
        size += CREATED.len() + self.created.len();
        size += PAYLOAD_HASH.len() + self.payload_hash.len();
        size += ENCRYPTED.len() + self.encrypted.len();
        size += EVENTS.len() + 3 + events;
        if let Some(wake) = self.wake {
            size += DUE.len() + self.due().len() + WAKE.len() + number_size(wake);
        }
        size += self.lists.iter().map(|(name, key)| name.len() + key.len()).sum::<usize>();
        for (name, value) in self.optional_texts() {
            size += value.map_or(0, |text| name.len() + text.len());
        }
        if let Some(ttl) = self.ttl {
            size += TTL.len() + number_size(ttl);
        }
        size
    }

    /// Sets the hash key of an index, or removes the item from it.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn set_index_key(&mut self, attribute: &'static str, key: Option<String>) {
        match key {
            key if attribute == AGENCY => self.agency = key,
            key if attribute == PERSON_FORMER => self.person_former = key,
            Some(key) if attribute == TENANT => self.tenant = key,
            Some(key) => drop(self.lists.insert(attribute, key)),
            None => drop(self.lists.remove(attribute)),
        }
    }

    /// Hash key of the item in each index by time of creation, by attribute.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn hash_keys(&self) -> BTreeMap<&'static str, String> {
        let mut keys = self.lists.clone();
        keys.insert(TENANT, self.tenant.clone());
        keys.extend(self.agency.clone().map(|agency| (AGENCY, agency)));
        keys
    }

    /// Bytes of an entry in an index by time of creation: its keys and the table's key.
    #[cfg(any(test, feature = "testing"))]
    #[expect(clippy::arithmetic_side_effects, reason = "lengths of texts in memory")]
    pub(super) fn entry_size(&self, attribute: &str, key: &str) -> usize {
        let keys = attribute.len() + key.len() + CREATED.len() + self.created.len();
        keys + ID.len() + self.id.to_string().len()
    }

    /// Bytes of the due index entry; `None` without an entry.
    #[cfg(any(test, feature = "testing"))]
    #[expect(clippy::arithmetic_side_effects, reason = "lengths of texts in memory")]
    pub(super) fn due_entry_size(&self) -> Option<usize> {
        let wake = self.wake?;
        let keys = DUE.len() + self.due().len() + WAKE.len() + number_size(wake);
        Some(keys + ID.len() + self.id.to_string().len())
    }
}

/// The keys that are not absent.
fn present(keys: [(&'static str, Option<String>); 5]) -> BTreeMap<&'static str, String> {
    keys.into_iter().filter_map(|(name, key)| Some((name, key?))).collect()
}

/// The entries for the SDK.
pub(super) fn list<'a>(events: impl IntoIterator<Item = &'a Vec<u8>>) -> AttributeValue {
    AttributeValue::L(events.into_iter().map(|event| AttributeValue::B(Blob::new(event.clone()))).collect())
}

/// Bytes of a number: one for every two significant digits, one more, and one for a minus sign.
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::arithmetic_side_effects, reason = "lengths of texts in memory")]
fn number_size(number: i64) -> usize {
    let digits = number.unsigned_abs().to_string();
    let significant = digits.trim_end_matches('0').len().max(1);
    significant.div_ceil(2) + 1 + usize::from(number < 0)
}

/// Attributes from the SDK. Leaves out attributes of types that the item does not use.
pub(super) fn from_sdk(item: HashMap<String, AttributeValue>) -> impl Iterator<Item = (String, Attribute)> {
    item.into_iter().filter_map(|(name, value)| {
        let value = match value {
            AttributeValue::S(text) => Attribute::S(text),
            AttributeValue::N(number) => Attribute::N(number),
            AttributeValue::B(bytes) => Attribute::B(bytes.into_inner()),
            AttributeValue::L(values) => Attribute::L(
                values
                    .into_iter()
                    .map(|value| match value {
                        AttributeValue::B(bytes) => Some(bytes.into_inner()),
                        _ => None,
                    })
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        };
        Some((name, value))
    })
}

/// Attributes from a stream image. Leaves out attributes of types that the item does not use.
pub(super) fn from_stream(
    image: &HashMap<String, serde_dynamo::AttributeValue>,
) -> impl Iterator<Item = (String, Attribute)> + '_ {
    use serde_dynamo::AttributeValue as Image;
    image.iter().filter_map(|(name, value)| {
        let value = match value {
            Image::S(text) => Attribute::S(text.clone()),
            Image::N(number) => Attribute::N(number.clone()),
            Image::B(bytes) => Attribute::B(bytes.clone()),
            Image::L(values) => Attribute::L(
                values
                    .iter()
                    .map(|value| match value {
                        Image::B(bytes) => Some(bytes.clone()),
                        _ => None,
                    })
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        };
        Some((name.clone(), value))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may")]

    use domain::stage::Stage;

    use super::*;
    use crate::contract::sample;

    /// The item as an image of the table's stream.
    fn as_image(item: &HashMap<String, AttributeValue>) -> HashMap<String, serde_dynamo::AttributeValue> {
        use serde_dynamo::AttributeValue as Image;
        let image = |value: &AttributeValue| match value {
            AttributeValue::S(text) => Image::S(text.clone()),
            AttributeValue::N(number) => Image::N(number.clone()),
            AttributeValue::B(bytes) => Image::B(bytes.as_ref().to_vec()),
            AttributeValue::Bool(value) => Image::Bool(*value),
            AttributeValue::L(values) => Image::L(
                values.iter().map(|value| Image::B(value.as_b().unwrap().as_ref().to_vec())).collect(),
            ),
            other => panic!("unexpected {other:?}"),
        };
        item.iter().map(|(name, value)| (name.clone(), image(value))).collect()
    }

    #[test]
    fn an_item_reads_back_from_both_libraries() {
        let stored = sample::stored("east-app", 7);
        let row = Row::new(&stored, Some(sample::start()));
        let item = row.attributes();
        let image = as_image(&item);
        assert_eq!(Row::read(from_sdk(item)).unwrap(), row);
        assert_eq!(crate::store::read_image(&image).unwrap().stored, stored);
    }

    #[test]
    fn o8_an_item_of_a_newer_version_reads_back_from_both_libraries_and_keeps_its_bytes() {
        let sample = sample::after(&sample::stored("east-app", 7), vec![Event::Withdrawn], 5);
        let mut row = Row::new(&sample, Some(sample::start()));
        let newer = sample::newer(&row.events[1], &serde_json::json!({ "t": "merged", "into": ["x"] }));
        row.events[1] = newer.clone();
        let mut item = row.attributes();
        item.insert("zz".to_owned(), AttributeValue::Bool(true));
        item.insert(RESEND_REQUESTED.to_owned(), AttributeValue::S("2:later".to_owned()));
        let stored = Row::read(from_sdk(item.clone())).unwrap().stored().unwrap();
        let image = crate::store::read_image(&as_image(&item)).unwrap();
        assert_eq!((&image.stored, image.resend_requested), (&stored, None));
        let state = stored.ledger.state();
        assert_eq!((state.version, state.stage, state.is_incomplete()), (2, Stage::Draft, true));
        let last = stored.ledger.entries().last().unwrap();
        assert_eq!((&last.bytes, last.entry.event.name(), last.is_complete), (&newer, "merged", false));
        assert!(!stored.ledger.at(1).unwrap().is_incomplete(), "what was before is known");
        assert_eq!(Row::new(&stored, None).events, row.events);
    }

    #[test]
    fn o8_an_item_whose_opening_is_newer_is_read_with_tenant_service_and_agency() {
        let mut row = Row::new(&sample::stored("east-app", 7), None);
        let opened = serde_json::json!({
            "t": "opened", "tn": "east-app", "s": "passport_renewal", "w": "lost", "d": [], "au": false,
            "pl": { "at": "150102", "reg": "110105" }, "lg": [{ "p": "translate", "a": "11" }],
        });
        row.events[0] = sample::newer(&row.events[0], &opened);
        let stored = Row::read(from_sdk(row.attributes())).unwrap().stored().unwrap();
        let state = stored.ledger.state();
        assert_eq!((state.tenant().as_str(), state.opened.service.name()), ("east-app", "passport_renewal"));
        assert!(state.is_incomplete() && state.involves(&"11".parse().unwrap()));
        assert!(!state.involves(&"37".parse().unwrap()));
    }

    #[test]
    fn a_missing_attribute_is_named() {
        for name in [ID, VERSION, TENANT, CREATED, PAYLOAD_HASH, ENCRYPTED, EVENTS] {
            let mut item = Row::new(&sample::stored("east-app", 7), None).attributes();
            item.remove(name);
            assert_eq!(Row::read(from_sdk(item)), Err(StoreError::Unreadable(name)));
        }
    }

    #[test]
    fn a_changed_entry_is_found() {
        let mut row = Row::new(&sample::stored("east-app", 7), None);
        row.events.push(row.events[0].clone());
        row.version = 2;
        assert_eq!(row.clone().stored(), Err(StoreError::Corrupt(LedgerError::Broken(2))));
        row.version = 3;
        assert_eq!(row.stored(), Err(StoreError::Corrupt(LedgerError::Broken(3))));
    }

    #[test]
    fn numbers_take_half_a_byte_a_digit() {
        assert_eq!([0, 7, 10, 12, 123, 1_774_000_000_123].map(number_size), [2, 2, 2, 2, 3, 8]);
    }

    #[test]
    fn keys_sort_as_time_does() {
        let id = sample::id(1);
        let keys = ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.04Z", "2026-03-01T08:00:00.3Z"]
            .map(|at| created_key(at.parse().unwrap(), id));
        assert!(keys.is_sorted(), "{keys:?}");
    }
}

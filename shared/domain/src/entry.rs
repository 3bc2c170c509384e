//! One entry of an application's record: its form in the table, and what this version of the hub reads of an entry that a
//! newer version wrote.
//!
//! After a rollback, and while a deployment is under way, the table holds entries with events, values and parties that
//! this version does not know. Their bytes are never lost: the record keeps each entry's exact bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::CommandKey;
use crate::catalogue::{Service, When, newer_name};
use crate::command::Actor;
use crate::event::{Event, Leg, Opened};
use crate::ids::ReportId;
use crate::stage::Purpose;

/// One recorded change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the application after this entry, from 1.
    #[serde(rename = "n")]
    pub version: u32,
    /// Time of recording. For information only: the order follows from the version.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Party that caused the event.
    pub by: Actor,
    /// Key of the command, `id` and `body` together in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The recorded event.
    #[serde(rename = "e")]
    pub event: Event,
    /// Evidence: the agency's signed report, a compact JWS of at most [`crate::limits::PROOF_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Evidence of a larger report: the SHA-256 of the compact JWS, in hexadecimal. The bucket has the JWS under this
    /// hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_sha256: Option<String>,
    /// Id of the report whose JWS only the bucket has. A report in `proof` has its id in its payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<ReportId>,
    /// SHA-256 of the entry before, in base64url.
    pub prev: String,
}

impl Entry {
    /// Reads an entry, and tells whether this version of the hub can read all of it. `None` when not even its frame can be
    /// read.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Entry, bool)> {
        if let Ok(entry) = serde_json::from_slice(bytes) {
            return Some((entry, true));
        }
        let Frame { version, at, by, key, event, proof, proof_sha256, report_id, prev } =
            serde_json::from_slice(bytes).ok()?;
        let by = part(Some(&by)).unwrap_or(Actor::Unknown);
        let event = match (part(Some(&event)), event.get("t").and_then(Value::as_str)) {
            (Some(event), _) => event,
            (None, Some("opened")) => Event::Opened(Box::new(opened(&event)?)),
            (None, name) => Event::Unknown { name: newer_name(name.unwrap_or_default()).to_owned() },
        };
        Some((Entry { version, at, by, key, event, proof, proof_sha256, report_id, prev }, false))
    }

    /// Key of the command that caused the event; `None` for the hub's own steps.
    #[must_use]
    pub fn command_key(&self) -> Option<CommandKey> {
        let bytes = URL_SAFE_NO_PAD.decode(self.key.as_deref()?).ok()?;
        let (id, body) = bytes.split_at_checked(16)?;
        Some(CommandKey { id: id.try_into().ok()?, body: body.try_into().ok()? })
    }
}

/// The frame of an entry, which every version of the hub writes alike.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "n")]
    version: u32,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    at: Timestamp,
    by: Value,
    #[serde(default)]
    key: Option<String>,
    #[serde(rename = "e")]
    event: Value,
    #[serde(default)]
    proof: Option<String>,
    #[serde(default)]
    proof_sha256: Option<String>,
    #[serde(default)]
    report_id: Option<ReportId>,
    prev: String,
}

/// A part of an entry; `None` when it is absent or this version cannot read it.
fn part<T: DeserializeOwned>(value: Option<&Value>) -> Option<T> {
    T::deserialize(value?).ok()
}

/// An opening of which this version can read a part. `None` without the tenant, the places or the agency of a leg:
/// nobody may then read the application.
fn opened(event: &Value) -> Option<Opened> {
    let name = |member: &str| event.get(member).and_then(Value::as_str).unwrap_or_default();
    let list =
        |member: &str| event.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let leg = |leg: &Value| {
        let purpose = part(leg.get("p")).unwrap_or(Purpose::Decide);
        Some(Leg { purpose, agency: part(leg.get("a"))? })
    };
    Some(Opened {
        tenant: part(event.get("tn"))?,
        service: Service::of_newer(name("s")),
        when: When::of_newer(name("w")),
        places: part(event.get("pl"))?,
        legs: list("lg").iter().map(leg).collect::<Option<_>>()?,
        slots: list("d").iter().filter_map(|slot| part(Some(slot))).collect(),
        submit_when_complete: part(event.get("au")).unwrap_or_default(),
        capabilities: part(event.get("c")).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use serde_json::json;

    use super::*;

    fn read(by: &Value, event: &Value) -> Option<(Entry, bool)> {
        let entry =
            json!({ "n": 2, "at": 1_772_323_200_000_i64, "by": by, "e": event, "prev": "x", "seal": 7 });
        Entry::read(entry.to_string().as_bytes())
    }

    #[test]
    fn o8_an_entry_of_a_newer_version_is_read_as_far_as_it_is_known() {
        let unknown = |name: &str| Event::Unknown { name: name.to_owned() };
        let hub = json!("hub");
        for (event, expected) in [
            (json!({ "t": "address_checked", "x": [1] }), unknown("address_checked")),
            (json!({ "t": "collected", "how": "robot" }), unknown("collected")),
            (
                json!({ "t": "document_rejected", "d": "d1", "o": "v", "f": "blurred" }),
                unknown("document_rejected"),
            ),
            (json!({ "t": "110101 not a name" }), unknown("unknown")),
            (json!({ "t": 7 }), unknown("unknown")),
            (json!([7]), unknown("unknown")),
        ] {
            let (entry, is_complete) = read(&hub, &event).unwrap();
            assert_eq!((entry.event, entry.by, is_complete), (expected, Actor::Hub, false), "{event}");
        }
        let (entry, is_complete) = read(&hub, &json!({ "t": "received", "new": true })).unwrap();
        assert_eq!((entry.event, is_complete), (Event::Received, true), "an unknown member is ignored");
        let (entry, is_complete) = read(&json!({ "court": "x" }), &json!({ "t": "received" })).unwrap();
        assert_eq!((entry.event, entry.by, is_complete), (Event::Received, Actor::Unknown, false));
    }

    #[test]
    fn o8_an_opening_of_a_newer_version_shows_tenant_service_places_and_agencies() {
        let event = json!({
            "t": "opened", "tn": "east-app", "s": "passport_renewal", "w": "lost", "au": true,
            "pl": { "at": "150102", "reg": "110105" },
            "lg": [{ "p": "decide", "a": "11" }, { "p": "translate", "a": "37" }],
            "d": [{ "id": "d1", "r": "photo", "k": ["hologram"], "p": "app" }],
        });
        let (entry, is_complete) = read(&json!({ "tenant": "east-app" }), &event).unwrap();
        let Event::Opened(opened) = entry.event else { panic!("{:?}", entry.event) };
        assert!(!is_complete);
        assert_eq!((opened.service.name(), opened.when.name()), ("passport_renewal", "lost"));
        assert_eq!(opened.tenant.as_str(), "east-app");
        let agencies: Vec<String> = opened.legs.iter().map(|leg| leg.agency.to_string()).collect();
        assert_eq!(agencies, ["11", "37"]);
        assert!(opened.slots.is_empty());
        for needed in ["tn", "pl"] {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(needed);
            assert_eq!(read(&json!("hub"), &less), None, "{needed}");
        }
    }

    #[test]
    fn an_event_that_is_unknown_cannot_be_written() {
        assert!(serde_json::to_string(&Event::Unknown { name: "x".to_owned() }).is_err());
        assert!(serde_json::to_string(&Actor::Unknown).is_err());
    }
}

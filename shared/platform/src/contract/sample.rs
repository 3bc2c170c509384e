//! Invented applications for the suites.

use std::collections::BTreeMap;

use domain::agencies::{Agencies, AgencyRow, AgencyState};
use domain::catalogue::{DocumentKind, Service, When};
use domain::command::Actor;
use domain::event::{Event, Leg, Opened, Places, Provider, Slot, StoredObject};
use domain::ids::{ApplicationId, DocumentId, TenantId};
use domain::ledger::{Cause, Ledger};
use domain::stage::Purpose;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::store::StoredApplication;

/// Time when the first sample is opened.
#[must_use]
pub fn start() -> Timestamp {
    Timestamp::constant(1_772_323_200, 0)
}

/// The agencies of the samples: Beijing and Shandong, without keys.
#[must_use]
pub fn agencies() -> Agencies {
    let row = |code: &str| AgencyRow {
        code: code.parse().expect("an agency code"),
        zh: code.to_owned(),
        en: code.to_owned(),
        state: AgencyState::Active,
        offers: BTreeMap::new(),
        capabilities: Vec::new(),
        signing_keys: Vec::new(),
        encryption_keys: Vec::new(),
    };
    Agencies::new(vec![row("11"), row("37")]).expect("agencies")
}

/// The tenant of this name.
#[must_use]
pub fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant id")
}

/// The document id of this number.
#[must_use]
pub fn document(number: usize) -> DocumentId {
    DocumentId::numbered(number).expect("a document id")
}

/// The id of sample `number`. Like real ids, the ids are spread over all shards.
#[must_use]
pub fn id(number: u64) -> ApplicationId {
    id_of(&number.to_string())
}

/// An id derived from a text.
#[must_use]
pub fn id_of(text: &str) -> ApplicationId {
    let hash = Sha256::digest(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ApplicationId::from_bytes16(bytes)
}

/// The opening of a sample: an adult's first card, decided by Beijing, with two documents.
#[must_use]
pub fn opened(tenant_name: &str) -> Opened {
    let slot = |number, requirement: &str, kind| Slot {
        id: document(number),
        requirement: requirement.to_owned(),
        accepts: vec![kind],
        provider: Provider::App,
    };
    Opened {
        tenant: tenant(tenant_name),
        service: Service::named("first_identity_card").expect("the catalogue has it"),
        when: When::named("adult").expect("the catalogue has it"),
        places: Places {
            accepted_at: "150102".parse().expect("a division"),
            registered_at: "110105".parse().expect("a division"),
            move_in: None,
        },
        legs: vec![Leg { purpose: Purpose::Decide, agency: "11".parse().expect("an agency") }],
        slots: vec![
            slot(
                1,
                "household_register",
                DocumentKind::named("household_register").expect("the catalogue has it"),
            ),
            slot(2, "lawful_stay", DocumentKind::named("proof_of_residence").expect("the catalogue has it")),
        ],
        submit_when_complete: true,
        capabilities: Vec::new(),
    }
}

/// A new application of a tenant, opened `number` seconds after [`start`]. Like the vault, each call makes other
/// encrypted bytes, so two calls count as two requests.
#[must_use]
pub fn stored(tenant_name: &str, number: u64) -> StoredApplication {
    stored_as(tenant_name, id(number), number)
}

/// As [`stored`], under this id.
#[must_use]
pub fn stored_as(tenant_name: &str, id: ApplicationId, number: u64) -> StoredApplication {
    let seconds = i64::try_from(number % 1_000_000).unwrap_or_default();
    let cause = Cause {
        by: Actor::Tenant(tenant(tenant_name)),
        at: start() + SignedDuration::from_secs(seconds),
        key: None,
        proof: None,
    };
    let ledger = Ledger::open(id, opened(tenant_name), &cause).expect("an opening");
    let person = vec![format!("test.{}", &id.to_string().replace('-', "")[..22])];
    StoredApplication { ledger, encrypted: encrypted(), payload_hash: [7; 32], person }
}

/// Random bytes, about as many as encrypted personal data have.
fn encrypted() -> Vec<u8> {
    std::iter::repeat_with(|| uuid::Uuid::new_v4().into_bytes()).take(30).flatten().collect()
}

/// A verified object with a version id of S3's form.
#[must_use]
pub fn object(kind: DocumentKind) -> StoredObject {
    StoredObject {
        version: "3HL4kqtJvjVBH40Nrjfkd.xT1mAb2c9Q".to_owned(),
        size: 734_003,
        sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
        kind,
        media_type: "image/jpeg".to_owned(),
    }
}

/// The application with these events appended, `seconds` after [`start`].
#[must_use]
pub fn after(stored: &StoredApplication, events: Vec<Event>, seconds: i64) -> StoredApplication {
    let cause =
        Cause { by: Actor::Hub, at: start() + SignedDuration::from_secs(seconds), key: None, proof: None };
    let ledger = stored.ledger.clone().append(events, &cause).expect("more entries");
    StoredApplication { ledger, ..stored.clone() }
}

/// An event that corrects the sample and changes nothing of it.
#[must_use]
pub fn corrected() -> Event {
    Event::Corrected(Box::new(opened("a-tenant").into()))
}

/// An entry as a newer version of the hub writes it: with this event, and with a member that this version does not know.
#[must_use]
pub fn newer(entry: &[u8], event: &Value) -> Vec<u8> {
    let mut entry: Value = serde_json::from_slice(entry).expect("an entry");
    entry["e"] = event.clone();
    entry["w"] = json!("a newer member");
    entry.to_string().into_bytes()
}

/// An event that stores the sample's first document.
#[must_use]
pub fn document_stored() -> Event {
    Event::DocumentStored {
        document: document(1),
        object: object(DocumentKind::named("household_register").expect("the catalogue has it")),
    }
}

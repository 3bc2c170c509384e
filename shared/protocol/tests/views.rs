//! What apps read: the view of an application, and its events.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::calendar::Deadline;
use domain::catalogue::{DocumentKind, Service, When};
use domain::command::Actor;
use domain::event::{
    DocumentFault, Event, HandOver, Leg, MissingItem, Opened, Places, Provider, Slot, StoredObject,
};
use domain::ids::DocumentId;
use domain::ledger::{Cause, Ledger};
use domain::stage::Purpose;
use jiff::Timestamp;
use jiff::civil::date;
use protocol::app::{ApplicationView, CALLED_BACK, EventView, SubscriptionView};
use serde_json::{Value, json};

const ID: &str = "0190f4c0-0000-8000-8000-000000000001";
const SHA256: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn cause(by: Actor) -> Cause {
    Cause { by, at: Timestamp::constant(1_772_438_400, 0), key: None, proof: None }
}

fn kind(name: &str) -> DocumentKind {
    DocumentKind::named(name).unwrap()
}

fn document(number: usize) -> DocumentId {
    DocumentId::numbered(number).unwrap()
}

fn due() -> Deadline {
    Deadline { date: date(2026, 4, 1), provisional: false }
}

/// A draft of a transfer with one document.
fn draft() -> Ledger {
    let leg = |purpose, agency: &str| Leg { purpose, agency: agency.parse().unwrap() };
    let opened = Opened {
        tenant: "an-app".parse().unwrap(),
        service: Service::named("household_transfer").unwrap(),
        when: When::named("job_transfer").unwrap(),
        places: Places {
            accepted_at: "150102".parse().unwrap(),
            registered_at: "370102".parse().unwrap(),
            move_in: Some("150103".parse().unwrap()),
        },
        legs: vec![leg(Purpose::Approve, "1501"), leg(Purpose::MoveOut, "37"), leg(Purpose::Settle, "1501")],
        slots: vec![Slot {
            id: document(1),
            requirement: "register".into(),
            accepts: vec![kind("household_register")],
            provider: Provider::App,
        }],
        submit_when_complete: false,
        capabilities: Vec::new(),
    };
    Ledger::open(ID.parse().unwrap(), opened, &cause(Actor::Tenant("an-app".parse().unwrap()))).unwrap()
}

fn with(ledger: Ledger, events: Vec<Event>) -> Ledger {
    ledger.append(events, &cause(Actor::Hub)).unwrap()
}

fn stored() -> Event {
    let object = StoredObject {
        version: "v1".into(),
        size: 10,
        sha256: SHA256.into(),
        kind: kind("household_register"),
        media_type: "application/pdf".into(),
    };
    Event::DocumentStored { document: document(1), object }
}

fn view(ledger: &Ledger) -> Value {
    json!(ApplicationView::from(ledger.state()))
}

#[test]
fn a_draft_shows_its_places_what_is_missing_and_when_it_expires() {
    let shown = view(&draft());
    let expected = json!({
        "id": ID, "version": 1, "stage": "draft", "final": false,
        "service": "household_transfer", "when": "job_transfer",
        "accepted_at": "150102", "registered_at": "370102", "move_in": "150103",
        "overdue": false, "expires_at": "2026-04-01T08:00:00Z",
        "documents": [{
            "id": "d1", "requirement": "register", "accepts": ["household_register"], "provider": "app",
            "state": "waiting",
        }],
        "missing": ["d1"], "next": ["withdraw"],
        "opened_at": "2026-03-02T08:00:00Z", "changed_at": "2026-03-02T08:00:00Z",
    });
    assert_eq!(shown, expected, "no leg and no result yet");
}

#[test]
fn a_stored_document_is_described_and_a_complete_draft_can_be_submitted() {
    let shown = view(&with(draft(), vec![stored()]));
    assert_eq!(shown["documents"][0]["state"], "stored");
    let of = |member: &str| shown["documents"][0][member].clone();
    assert_eq!(
        (of("kind"), of("size"), of("sha256")),
        (json!("household_register"), json!(10), json!(SHA256))
    );
    assert_eq!((&shown["missing"], &shown["next"]), (&json!([]), &json!(["submit", "withdraw"])));
    let fault = DocumentFault::Empty;
    let rejected = Event::DocumentRejected { document: document(1), version: "v".into(), fault };
    assert_eq!(view(&with(draft(), vec![rejected]))["documents"][0]["fault"], "empty");
}

#[test]
fn a_supplement_shows_its_notes_its_last_day_and_no_submission_before_its_documents() {
    let item =
        |note: &str| MissingItem { name: "lease".into(), accepts: vec![kind("other")], note: note.into() };
    let slot = |number| Slot {
        id: document(number),
        requirement: "lease".into(),
        accepts: vec![kind("other")],
        provider: Provider::App,
    };
    let asked = Event::SupplementRequested {
        items: vec![item("the lease"), item("")],
        slots: vec![slot(2), slot(3)],
        until: date(2026, 4, 1),
    };
    let events =
        vec![stored(), Event::Submitted { due: due() }, Event::Dispatched { leg: 0 }, Event::Received, asked];
    let shown = view(&with(draft(), events));
    assert_eq!(shown["supplement_until"], "2026-04-01");
    assert_eq!(shown["documents"][1]["note"], "the lease");
    assert_eq!(shown["documents"][2].get("note"), None, "an empty note is left out");
    assert_eq!((&shown["missing"], &shown["next"]), (&json!(["d2", "d3"]), &json!(["withdraw"])));
}

#[test]
fn the_results_appear_as_the_agencies_report_them() {
    let moved = Event::MovedOut { certificate: "M1".into(), valid_until: date(2026, 3, 20), due: due() };
    let events =
        vec![stored(), Event::Submitted { due: due() }, Event::Approved { permit: "P1".into(), due: due() }];
    let ledger = with(draft(), events);
    let shown = view(&ledger);
    assert_eq!(shown["leg"], json!({ "purpose": "move_out", "agency": "37" }));
    assert_eq!(
        (&shown["due"], &shown["results"]),
        (&json!({ "date": "2026-04-01" }), &json!({ "permit": "P1" }))
    );
    let ledger = with(ledger, vec![moved, Event::Overdue { leg: 2 }]);
    let shown = view(&ledger);
    let results = json!({ "permit": "P1", "migration_certificate": "M1", "valid_until": "2026-03-20" });
    assert_eq!((&shown["results"], &shown["overdue"]), (&results, &json!(true)));
    assert_eq!(shown["next"], json!(["settle"]));
    assert_eq!(view(&with(ledger, vec![Event::Settled]))["final"], true);
    let posted = Event::Posted { carrier: "EMS".into(), tracking: "E1".into() };
    let others = vec![posted, Event::Ready { place: "hall".into() }, Event::Rejected { reason: "x".into() }];
    let results = json!({ "carrier": "EMS", "tracking": "E1", "place": "hall", "reason": "x" });
    assert_eq!(view(&with(draft(), others))["results"], results);
    let issued = Event::Issued { document: document(1), certificate: "C1".into() };
    assert_eq!(view(&with(draft(), vec![issued]))["results"], json!({ "certificate": "C1" }));
}

/// Data of each event in the feed, by its type.
#[test]
fn each_event_has_its_data() {
    let (how, text) = (HandOver::Window, || "x".to_owned());
    let due = due();
    let item = MissingItem { name: "a".into(), accepts: vec![kind("other")], note: String::new() };
    let slot = draft().state().opened.slots[0].clone();
    let events = vec![
        (
            Event::Corrected(Box::new(draft().state().opened.clone().into())),
            json!({ "service": "household_transfer", "when": "job_transfer" }),
        ),
        (stored(), json!({ "document": "d1", "kind": "household_register", "size": 10, "sha256": SHA256 })),
        (
            Event::DocumentRejected {
                document: document(1),
                version: text(),
                fault: DocumentFault::TooLarge,
            },
            json!({ "document": "d1", "fault": "too_large" }),
        ),
        (Event::DocumentDiscarded { document: document(1) }, json!({ "document": "d1" })),
        (Event::Submitted { due }, json!({ "due": { "date": "2026-04-01" } })),
        (Event::Dispatched { leg: 1 }, json!({ "leg": 1 })),
        (Event::Received, json!({})),
        (
            Event::SupplementRequested { items: vec![item], slots: vec![slot], until: due.date },
            json!({ "items": [{ "name": "a", "accepts": ["other"] }], "documents": ["d1"], "until": "2026-04-01" }),
        ),
        (Event::Supplemented { due }, json!({ "due": { "date": "2026-04-01" } })),
        (Event::Signed, json!({})),
        (Event::NotIssued { reason: text() }, json!({ "reason": "x" })),
        (Event::Produced, json!({})),
        (Event::Posted { carrier: text(), tracking: "1".into() }, json!({ "carrier": "x", "tracking": "1" })),
        (Event::Ready { place: text() }, json!({ "place": "x" })),
        (Event::Collected { how }, json!({ "how": "window" })),
        (Event::Approved { permit: text(), due }, json!({ "permit": "x", "due": { "date": "2026-04-01" } })),
        (Event::Verified, json!({})),
        (
            Event::MovedOut { certificate: text(), valid_until: due.date, due },
            json!({ "certificate": "x", "valid_until": "2026-04-01", "due": { "date": "2026-04-01" } }),
        ),
        (Event::Settled, json!({})),
        (Event::Lapsed { due }, json!({ "due": { "date": "2026-04-01" } })),
        (Event::RestoredAtOrigin, json!({})),
        (
            Event::Issued { document: document(1), certificate: text() },
            json!({ "document": "d1", "certificate": "x" }),
        ),
        (Event::Completed { how }, json!({ "how": "window" })),
        (Event::Withdrawn, json!({})),
        (Event::Rejected { reason: text() }, json!({ "reason": "x" })),
        (Event::Expired, json!({})),
        (Event::Overdue { leg: 0 }, json!({ "leg": 0 })),
    ];
    let mut called_back = 0;
    for (event, data) in events {
        let ledger = with(draft(), vec![event.clone()]);
        let shown = json!(EventView::from(&ledger.entries()[1].entry));
        let kind = format!("application.{}", event.name());
        assert_eq!(
            shown,
            json!({ "version": 2, "type": kind, "at": "2026-03-02T08:00:00Z", "by": "hub", "data": data })
        );
        let listed = CALLED_BACK.contains(&kind.as_str());
        assert_eq!(listed, domain::effect::calls_back(&event), "{kind}");
        called_back += usize::from(listed);
    }
    assert_eq!(called_back, CALLED_BACK.len());
}

#[test]
fn an_event_names_the_party_that_caused_it() {
    let first = json!(EventView::from(&draft().entries()[0].entry));
    assert_eq!(
        (&first["by"], &first["data"]),
        (&json!("app"), &json!({ "service": "household_transfer", "when": "job_transfer" }))
    );
    let by = cause(Actor::Agency("1501".parse().unwrap()));
    let ledger = draft().append(vec![Event::Received], &by).unwrap();
    assert_eq!(json!(EventView::from(&ledger.entries()[1].entry))["by"], json!({ "agency": "1501" }));
}

#[test]
fn a_printed_subscription_has_neither_its_secret_nor_a_query() {
    let view: SubscriptionView = serde_json::from_value(json!({
        "id": "2b1f0d5e-8c1a-4f0e-9d2b-7a6c5e4f3d21", "url": "https://app.example.cn/hooks?key=canary", "events": [],
        "created_at": "2026-03-02T08:00:00Z", "state": "healthy", "secret": "whsec_canary",
    }))
    .unwrap();
    let shown = format!("{view:?}");
    assert!(shown.contains("https://app.example.cn/hooks") && shown.contains("healthy"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

//! The bounds of an application.

use domain::event::Correction;
use domain::limits;

use super::refusals::{attempt, item, received, reported};
use super::state::{card, day, with};
use super::*;

#[test]
fn a_supplement_request_makes_slots_and_keeps_the_bounds() {
    let ledger = received(card());
    let items = vec![item(" 合影\n", &["other"]), item("b", &["picture_with_guardian"])];
    let events = reported(&ledger, ReportedResult::SupplementRequested { items }).unwrap();
    let [Event::SupplementRequested { items, slots, until }] = &events[..] else { panic!("{events:?}") };
    let shown: Vec<_> = slots.iter().map(|slot| (slot.id.number(), slot.requirement.as_str())).collect();
    assert_eq!((shown, items[0].name.as_str()), (vec![(3, "合影"), (4, "b")], "合影"));
    assert_eq!(*until, date(2026, 4, 1));
    // Three rounds, and 24 documents.
    let round = |ledger: &Ledger, count: usize| {
        let items = (0..count).map(|number| item(&format!("n{number}"), &["other"])).collect();
        reported(ledger, ReportedResult::SupplementRequested { items })
    };
    let mut ledger = ledger;
    for _ in 0..limits::SUPPLEMENT_ROUNDS {
        let events = round(&ledger, 1).unwrap();
        ledger = with(ledger, start(), events);
        ledger = with(ledger, start(), vec![Event::Supplemented { due: day("2026-04-01") }]);
    }
    assert_eq!(round(&ledger, 1), Err(Refusal::Bound("supplement_rounds")));
    let opened = card().state().opened.clone();
    let slot = opened.slots[0].clone();
    let slots = (1..=limits::DOCUMENTS - 2)
        .map(|number| Slot { id: DocumentId::numbered(number).unwrap(), ..slot.clone() });
    let opened = Opened { slots: slots.collect(), ..opened };
    let full = received(Ledger::open(id(), opened, &cause(tenant(), start(), None)).unwrap());
    assert!(round(&full, 2).is_ok());
    assert_eq!(round(&full, 3), Err(Refusal::Bound("documents")));
}

#[test]
fn a_draft_is_corrected_a_bounded_number_of_times() {
    let correct = |correction: Correction| attempt(tenant(), Command::Correct(Box::new(correction)));
    let opened = card().state().opened.clone();
    let mut ledger = card();
    for _ in 0..limits::CORRECTIONS {
        let events = decide(ledger.state(), &correct(opened.clone().into()), start()).unwrap();
        ledger = with(ledger, start(), events);
    }
    assert_eq!(
        decide(ledger.state(), &correct(opened.clone().into()), start()),
        Err(Refusal::Bound("corrections"))
    );
    let slots = |count: usize| {
        let slot = opened.slots[0].clone();
        let slots =
            (1..=count).map(|number| Slot { id: DocumentId::numbered(number).unwrap(), ..slot.clone() });
        correct(Opened { slots: slots.collect(), ..opened.clone() }.into())
    };
    assert!(decide(card().state(), &slots(limits::DOCUMENTS), start()).is_ok());
    assert_eq!(
        decide(card().state(), &slots(limits::DOCUMENTS + 1), start()),
        Err(Refusal::Bound("documents"))
    );
    let no_leg = Opened { legs: Vec::new(), ..opened.clone() };
    let illegal = Refusal::Illegal { stage: Stage::Draft, step: Step::Correct };
    assert_eq!(decide(card().state(), &correct(no_leg.into()), start()), Err(illegal));
    // A draft that needs nothing more is submitted with the correction, when the app asked for it.
    let complete = Opened { slots: Vec::new(), submit_when_complete: true, ..opened.clone() };
    let events = decide(card().state(), &correct(complete.clone().into()), start()).unwrap();
    let names: Vec<&str> = events.iter().map(Event::name).collect();
    assert_eq!(names, ["corrected", "submitted"]);
    let manual = Opened { submit_when_complete: false, ..complete };
    assert_eq!(decide(card().state(), &correct(manual.into()), start()).map(|events| events.len()), Ok(1));
}

#[test]
fn a_slot_takes_a_bounded_number_of_rejected_files() {
    let document = DocumentId::numbered(1).unwrap();
    let reject = |round| {
        let command =
            Command::RejectDocument { document, round, version: "v".into(), fault: DocumentFault::Empty };
        attempt(Actor::Hub, command)
    };
    let mut ledger = card();
    for round in 0..limits::REJECTIONS {
        let events = decide(ledger.state(), &reject(round), start()).unwrap();
        ledger = with(ledger, start(), events);
        assert_eq!(decide(ledger.state(), &reject(round), start()), Ok(Vec::new()), "a repeat");
    }
    assert_eq!(
        decide(ledger.state(), &reject(limits::REJECTIONS), start()),
        Err(Refusal::Bound("rejections"))
    );
    let unknown = DocumentId::numbered(9).unwrap();
    let command = Command::RejectDocument {
        document: unknown,
        round: 0,
        version: "v".into(),
        fault: DocumentFault::Empty,
    };
    assert_eq!(
        decide(card().state(), &attempt(Actor::Hub, command), start()),
        Err(Refusal::Missing(vec![unknown]))
    );
}

#[test]
fn the_number_of_events_bounds_what_repeats_and_never_an_end() {
    let opened = card().state().opened.clone();
    let slot = opened.slots[0].clone();
    let slots = (1..=6).map(|number| Slot { id: DocumentId::numbered(number).unwrap(), ..slot.clone() });
    let draft =
        Ledger::open(id(), Opened { slots: slots.collect(), ..opened }, &cause(tenant(), start(), None))
            .unwrap();
    let reject = |ledger: &Ledger| {
        let document = DocumentId::numbered(6).unwrap();
        let command =
            Command::RejectDocument { document, round: 0, version: "v".into(), fault: DocumentFault::Empty };
        decide(ledger.state(), &attempt(Actor::Hub, command), start()).map(|events| events.len())
    };
    let rejected = |number: usize| Event::DocumentRejected {
        document: DocumentId::numbered(number % 5 + 1).unwrap(),
        version: "v".into(),
        fault: DocumentFault::Empty,
    };
    let filled = |events: usize| with(draft.clone(), start(), (1..events).map(rejected).collect());
    assert_eq!(reject(&filled(limits::EVENTS_DRAFT - 1)), Ok(1));
    assert_eq!(reject(&filled(limits::EVENTS_DRAFT)), Err(Refusal::Bound("events")));
    let working = |events: usize| {
        let ledger = received(card());
        let rest = events - ledger.entries().len();
        with(ledger, start(), vec![Event::Overdue { leg: 0 }; rest])
    };
    let asked = |ledger: &Ledger| {
        let items = vec![item("a", &["other"])];
        reported(ledger, ReportedResult::SupplementRequested { items }).map(|events| events.len())
    };
    assert_eq!(asked(&working(limits::EVENTS_SOFT - 1)), Ok(1));
    assert_eq!(asked(&working(limits::EVENTS_SOFT)), Err(Refusal::Bound("events")));
    let sign = |ledger: &Ledger| reported(ledger, ReportedResult::Signed);
    assert_eq!(sign(&working(limits::EVENTS - 1)), Ok(vec![Event::Signed]));
    assert_eq!(sign(&working(limits::EVENTS)), Err(Refusal::Bound("events")));
    let end = decide(working(limits::EVENTS).state(), &attempt(tenant(), Command::Withdraw), start());
    assert_eq!(end, Ok(vec![Event::Withdrawn]), "an end is always possible");
}

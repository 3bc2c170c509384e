//! Property tests of the stage machine with random sequences of commands.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod bounds;
mod field_cases;
mod refusals;
mod reports;
mod state;
mod timing;

use std::sync::LazyLock;

use domain::access::may_fetch_papers;
use domain::application::CommandKey;
use domain::calendar::Deadline;
use domain::catalogue::{DocumentKind, Service, ServiceRow, When, catalogue, service_row};
use domain::command::{Actor, AgencyReport, Attempt, Command, ReportedResult};
use domain::decide::{Refusal, decide, is_repeatable};
use domain::draft::corrected_slots;
use domain::effect::{notices, undelivered};
use domain::event::{
    DocumentFault, Event, HandOver, Leg, MissingItem, Opened, Places, Provider, Slot, StoredObject,
};
use domain::ids::{ApplicationId, DocumentId};
use domain::ledger::{Cause, Ledger};
use domain::stage::{Purpose, Stage, Step, next, reachable, steps};
use domain::time::today;
use domain::wake::{LINKS_END, due, next_wake};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

/// Every case of every service.
static CASES: LazyLock<Vec<(Service, When)>> = LazyLock::new(|| {
    let cases = |row: &'static ServiceRow| row.cases.iter().map(|case| (row.service, case.when));
    catalogue().iter().flat_map(cases).collect()
});

fn start() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

fn id() -> ApplicationId {
    "0190f4c0-0000-8000-8000-000000000001".parse().unwrap()
}

fn tenant() -> Actor {
    Actor::Tenant("hohhot-app".parse().unwrap())
}

fn opened(service: Service, when: When, submit_when_complete: bool) -> Ledger {
    let row = service_row(service);
    let case = row.case(when).unwrap();
    let legs = row
        .legs_of(case)
        .map(|leg| Leg {
            purpose: leg.purpose,
            agency: match leg.purpose {
                Purpose::Approve | Purpose::Settle => "1501".parse().unwrap(),
                Purpose::Decide | Purpose::MoveOut | Purpose::Restore | Purpose::Certify => {
                    "37".parse().unwrap()
                }
            },
        })
        .collect();
    let mut slots: Vec<Slot> = case
        .documents
        .iter()
        .enumerate()
        .map(|(index, document)| Slot {
            id: DocumentId::numbered(index + 1).unwrap(),
            requirement: document.name.clone(),
            accepts: document.accepts.clone(),
            provider: Provider::App,
        })
        .collect();
    if let Some(issued) = row.legs_of(case).find_map(|leg| leg.issues.as_ref()) {
        slots.push(Slot {
            id: DocumentId::numbered(slots.len() + 1).unwrap(),
            requirement: issued.requirement.clone(),
            accepts: vec![issued.kind],
            provider: Provider::Agency,
        });
    }
    let opened = Opened {
        tenant: "hohhot-app".parse().unwrap(),
        service,
        when,
        places: Places {
            accepted_at: "150102".parse().unwrap(),
            registered_at: "370102".parse().unwrap(),
            move_in: row.moves_in().then(|| "150102".parse().unwrap()),
        },
        legs,
        slots,
        submit_when_complete,
        capabilities: Vec::new(),
    };
    Ledger::open(id(), opened, &cause(tenant(), start(), None)).unwrap()
}

fn cause(by: Actor, at: Timestamp, key: Option<CommandKey>) -> Cause {
    Cause { by, at, key, proof: None }
}

fn object(kind: DocumentKind) -> StoredObject {
    StoredObject {
        version: "v1".into(),
        size: 10,
        sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
        kind,
        media_type: "application/pdf".into(),
    }
}

/// One random attempt. `pick` chooses a target that depends on the state.
#[derive(Clone, Debug)]
struct RandomAttempt {
    step: Step,
    pick: usize,
    wrong_actor: bool,
    versions_back: u32,
    replay: bool,
}

fn attempts() -> impl Strategy<Value = Vec<RandomAttempt>> {
    let one = (0..Step::ALL.len(), 0usize..8, prop::bool::weighted(0.1), 0u32..3, prop::bool::weighted(0.2))
        .prop_map(|(step, pick, wrong_actor, versions_back, replay)| RandomAttempt {
            step: Step::ALL[step],
            pick,
            wrong_actor,
            versions_back,
            replay,
        });
    prop::collection::vec(one, 1..120)
}

/// A command for a step that fits the current state, so that many commands succeed.
fn command_for(ledger: &Ledger, attempt: &RandomAttempt, serial: usize, now: Timestamp) -> Attempt {
    let state = ledger.state();
    let agency =
        || Actor::Agency(if attempt.wrong_actor { "44".parse().unwrap() } else { state.agency().clone() });
    let app = || {
        if attempt.wrong_actor { Actor::Tenant("another".parse().unwrap()) } else { tenant() }
    };
    let document = &state.documents[attempt.pick % state.documents.len()];
    let report = |result| {
        Command::Report(AgencyReport { seen: state.version.saturating_sub(attempt.versions_back), result })
    };
    let (by, command) = match attempt.step {
        Step::StoreDocument => (
            Actor::Hub,
            Command::StoreDocument {
                document: document.slot.id,
                round: document.round,
                object: object(document.slot.accepts[0]),
            },
        ),
        Step::RejectDocument => (
            Actor::Hub,
            Command::RejectDocument {
                document: document.slot.id,
                round: document.round,
                version: format!("v{serial}"),
                fault: DocumentFault::Empty,
            },
        ),
        Step::DiscardDocument => {
            (app(), Command::DiscardDocument { document: document.slot.id, round: document.round })
        }
        Step::Correct => {
            let Opened { service, when, .. } = state.opened;
            let wanted = opened(service, when, false).state().opened.slots.clone();
            // A correction may need fewer documents, and another one may need them again.
            let slots = corrected_slots(state, &wanted[attempt.pick % wanted.len()..]).unwrap();
            (app(), Command::Correct(Box::new(Opened { slots, ..state.opened.clone() }.into())))
        }
        Step::Submit => (app(), Command::Submit),
        Step::Dispatch => (Actor::Hub, Command::Dispatch { message_version: state.message_version }),
        Step::Supplement => (app(), Command::Supplement),
        Step::HandOver => (app(), Command::HandOver { how: HandOver::Window }),
        Step::Settle if attempt.pick.is_multiple_of(2) => (app(), Command::Settle),
        Step::Settle => (agency(), report(ReportedResult::Settled)),
        Step::Withdraw => (app(), Command::Withdraw),
        Step::Lapse => (Actor::Hub, Command::Lapse),
        Step::Expire => (Actor::Hub, Command::Expire),
        Step::MarkOverdue => (Actor::Hub, Command::MarkOverdue),
        Step::Receive => (agency(), report(ReportedResult::Received)),
        Step::RequestSupplement => (
            agency(),
            report(ReportedResult::SupplementRequested {
                items: vec![MissingItem {
                    name: format!("missing{serial}"),
                    accepts: vec![DocumentKind::named("other").unwrap()],
                    note: String::new(),
                }],
            }),
        ),
        Step::Sign => (agency(), report(ReportedResult::Signed)),
        Step::NotIssue => (agency(), report(ReportedResult::NotIssued { reason: "register differs".into() })),
        Step::Produce => (agency(), report(ReportedResult::Produced)),
        Step::Post => {
            (agency(), report(ReportedResult::Posted { carrier: "EMS".into(), tracking: "E1".into() }))
        }
        Step::MakeReady => (agency(), report(ReportedResult::Ready { place: "hall".into() })),
        Step::Approve => (agency(), report(ReportedResult::Approved { permit: "P1".into() })),
        Step::Verify => (agency(), report(ReportedResult::Verified)),
        Step::MoveOut => (
            agency(),
            report(ReportedResult::MovedOut {
                certificate: "M1".into(),
                issued_on: today(now),
                valid_until: today(now),
            }),
        ),
        Step::Restore => (agency(), report(ReportedResult::Restored)),
        Step::Issue => (
            agency(),
            report(ReportedResult::Issued {
                document: state.documents.last().unwrap().slot.id,
                certificate: "C1".into(),
            }),
        ),
        Step::Reject => (agency(), report(ReportedResult::Rejected { reason: "no such entry".into() })),
    };
    let key = match by {
        // Repeats of a replacement are told by the upload round.
        _ if attempt.step == Step::DiscardDocument => None,
        Actor::Hub | Actor::Unknown => None,
        Actor::Tenant(_) | Actor::Agency(_) => {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(serial as u64).to_be_bytes());
            Some(CommandKey { id, body: [1; 8] })
        }
    };
    Attempt { by, key, command, expected_version: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_record_stays_legal_complete_and_readable(case in 0..CASES.len(), auto in any::<bool>(), attempts in attempts()) {
        let (service, when) = CASES[case];
        let mut ledger = opened(service, when, auto);
        let mut now = start();
        for (serial, one) in attempts.iter().enumerate() {
            now += SignedDuration::from_mins(7);
            let attempt = command_for(&ledger, one, serial, now);
            let before = ledger.clone();
            let state = before.state();
            match decide(state, &attempt, now) {
                Err(refusal) => {
                    // Only steps that can repeat end before the application does.
                    let repeats = is_repeatable(attempt.command.step());
                    prop_assert!(repeats || refusal != Refusal::Bound("events"), "{:?}", attempt);
                    // A wrong actor learns nothing about the application.
                    if one.wrong_actor && !matches!(attempt.by, Actor::Hub) {
                        prop_assert_eq!(refusal, Refusal::NotYours);
                    }
                }
                Ok(events) => {
                    if one.wrong_actor && !matches!(attempt.by, Actor::Hub) {
                        prop_assert!(false, "a wrong actor's command was accepted");
                    }
                    let mut stage = state.stage;
                    let mut purpose = state.purpose();
                    ledger = ledger.append(events.clone(), &cause(attempt.by.clone(), now, attempt.key)).unwrap();
                    for (offset, event) in events.iter().enumerate() {
                        let step = event.step().unwrap();
                        let expected = next(stage, purpose, step);
                        let then = ledger.at(state.version + 1 + u32::try_from(offset).unwrap()).unwrap();
                        prop_assert_eq!(Some(then.stage), expected, "{:?} at {:?}", step, stage);
                        stage = then.stage;
                        purpose = then.purpose();
                        prop_assert!(reachable(purpose).contains(&stage), "{:?} on {:?}", stage, purpose);
                    }
                    // Recorded entries never change.
                    prop_assert_eq!(&ledger.entries()[..before.entries().len()], before.entries());
                    if one.replay {
                        let again = decide(ledger.state(), &attempt, now + SignedDuration::from_hours(1));
                        if let Some(key) = attempt.key {
                            prop_assert_eq!(again, Ok(Vec::new()));
                            let other = Attempt { key: Some(CommandKey { body: [2; 8], ..key }), ..attempt.clone() };
                            prop_assert_eq!(decide(ledger.state(), &other, now), Err(Refusal::KeyReused));
                        } else {
                            // The hub's own steps have no key: the repeat is already done or no longer possible.
                            let done = matches!(&again, Ok(events) if events.is_empty());
                            prop_assert!(done || matches!(again, Err(Refusal::Illegal { .. })), "{:?} -> {:?}", attempt, again);
                        }
                    }
                }
            }
            let state = ledger.state();
            prop_assert_eq!(state.version as usize, ledger.entries().len());
            prop_assert!(ledger.entries().len() <= domain::limits::EVENTS);
            // Reading the bytes back gives the same state, and the chain verifies.
            let bytes: Vec<Vec<u8>> = ledger.entries().iter().map(|line| line.bytes.clone()).collect();
            prop_assert_eq!(&Ledger::read(id(), bytes).unwrap(), &ledger);
            prop_assert!(state.due.is_some() || !state.overdue, "overdue without a running time limit");
            let refused = matches!(state.stage, Stage::Rejected | Stage::NotIssued);
            prop_assert_eq!(state.results.reason.is_some(), refused);
            // An application that is not final has a possible step, and the sweeper checks it if the hub must act.
            if state.is_final() {
                prop_assert!(next_wake(state, now + LINKS_END).is_none() && due(state, now).is_none());
                prop_assert!(next_wake(state, state.changed_at).is_some() || !state.is_abandoned());
            } else {
                prop_assert!(!steps(state.stage, state.purpose()).is_empty());
            }
            if undelivered(state).is_some() {
                prop_assert!(next_wake(state, now).is_some());
                prop_assert!(notices(&ledger, 0).iter().any(|notice| Some(notice) == undelivered(state).as_ref()));
            }
        }
    }

    #[test]
    fn any_changed_byte_breaks_the_record(at in 0usize..10_000, line in 0usize..3) {
        let mut ledger = opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), false);
        for serial in 0..2usize {
            let one = RandomAttempt { step: Step::StoreDocument, pick: serial, wrong_actor: false, versions_back: 0, replay: false };
            let attempt = command_for(&ledger, &one, serial, start());
            let events = decide(ledger.state(), &attempt, start()).unwrap();
            ledger = ledger.append(events, &cause(Actor::Hub, start(), None)).unwrap();
        }
        let mut bytes: Vec<Vec<u8>> = ledger.entries().iter().map(|line| line.bytes.clone()).collect();
        let target = &mut bytes[line];
        let at = at % target.len();
        target[at] ^= 1;
        let read = Ledger::read(id(), bytes);
        // The hash that the reader stores covers the last entry.
        prop_assert!(read.as_ref().map_or(true, |read| read.hash() != ledger.hash()));
    }
}

/// A path leads from every reachable stage of a leg to a final stage.
#[test]
fn every_stage_has_a_way_out() {
    for &purpose in Purpose::ALL {
        for stage in reachable(purpose) {
            let mut open = vec![(stage, purpose)];
            let mut at = 0;
            while at < open.len() {
                let (from, on) = open[at];
                for (step, to) in steps(from, on) {
                    let on = match step {
                        Step::Approve => Purpose::MoveOut,
                        Step::MoveOut => Purpose::Settle,
                        Step::Lapse => Purpose::Restore,
                        _ => on,
                    };
                    if !open.contains(&(*to, on)) {
                        open.push((*to, on));
                    }
                }
                at += 1;
            }
            assert!(open.iter().any(|(stage, _)| stage.is_final()), "{stage:?} on {purpose:?}");
        }
    }
}

/// Some leg uses every stage, and every step is possible at some stage.
#[test]
fn nothing_in_the_machine_is_dead() {
    for &stage in Stage::ALL {
        assert!(Purpose::ALL.iter().copied().any(|purpose| reachable(purpose).contains(&stage)), "{stage:?}");
    }
    for &step in Step::ALL {
        let used = Purpose::ALL
            .iter()
            .copied()
            .any(|purpose| reachable(purpose).iter().any(|stage| next(*stage, purpose, step).is_some()));
        assert!(used, "{step:?}");
    }
}

#[test]
fn a_lapsed_certificate_wakes_the_hub_on_the_day_after() {
    let mut ledger =
        opened(Service::named("household_transfer").unwrap(), When::named("school_admission").unwrap(), true);
    let now = start();
    for (serial, step) in [
        Step::StoreDocument,
        Step::StoreDocument,
        Step::StoreDocument,
        Step::Dispatch,
        Step::Receive,
        Step::Verify,
        Step::MoveOut,
    ]
    .into_iter()
    .enumerate()
    {
        let one = RandomAttempt { step, pick: serial, wrong_actor: false, versions_back: 0, replay: false };
        let attempt = command_for(&ledger, &one, serial, now);
        let events = decide(ledger.state(), &attempt, now).unwrap();
        ledger = ledger.append(events, &cause(attempt.by, now, attempt.key)).unwrap();
    }
    assert_eq!(ledger.state().stage, Stage::MovedOut);
    assert_eq!(due(ledger.state(), now), None);
    let tomorrow = now + SignedDuration::from_hours(24);
    assert_eq!(due(ledger.state(), tomorrow), Some(Command::Lapse));
    let events = decide(ledger.state(), &Attempt::hub(Command::Lapse), tomorrow).unwrap();
    let ledger = ledger.append(events, &cause(Actor::Hub, tomorrow, None)).unwrap();
    assert_eq!(ledger.state().agency().to_string(), "37");
    assert!(matches!(ledger.entries().last().unwrap().entry.event, Event::Lapsed { .. }));
    assert!(undelivered(ledger.state()).is_some());
}

/// Each time limit is marked as passed separately, and an application without a running limit is not overdue.
#[test]
fn overdue_refers_to_the_running_limit() {
    let due = |day: i8| Deadline { date: date(2026, 4, day), provisional: false };
    let item = MissingItem {
        name: "residence".into(),
        accepts: vec![DocumentKind::named("other").unwrap()],
        note: "lease".into(),
    };
    let slot = Slot {
        id: DocumentId::numbered(3).unwrap(),
        requirement: item.name.clone(),
        accepts: item.accepts.clone(),
        provider: Provider::App,
    };
    let asked = Event::SupplementRequested { items: vec![item], slots: vec![slot], until: date(2026, 4, 9) };
    let answer = Event::DocumentStored {
        document: DocumentId::numbered(3).unwrap(),
        object: object(DocumentKind::named("other").unwrap()),
    };
    let posted = Event::Posted { carrier: "EMS".into(), tracking: "1".into() };
    let mut ledger =
        opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), false);
    for (event, overdue) in [
        (Event::Submitted { due: due(1) }, false),
        (Event::Dispatched { leg: 0 }, false),
        (Event::Received, false),
        (Event::Overdue { leg: 0 }, true),
        (asked, false),
        (answer, false),
        (Event::Supplemented { due: due(20) }, false),
        (Event::Overdue { leg: 0 }, true),
        (Event::Signed, true),
        (Event::Produced, true),
        (posted, false),
    ] {
        ledger = ledger.append(vec![event.clone()], &cause(Actor::Hub, start(), None)).unwrap();
        assert_eq!(ledger.state().overdue, overdue, "{event:?}");
    }
    let state = ledger.state();
    assert_eq!(state.document(DocumentId::numbered(3).unwrap()).unwrap().note.as_deref(), Some("lease"));
    assert_eq!(state.results.posted.as_ref().unwrap().carrier, "EMS");
}

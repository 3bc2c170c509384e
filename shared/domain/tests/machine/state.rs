//! What the state answers at each stage of a case, and the messages that follow from it.

use domain::agencies::Place;
use domain::application::{object_prefix, waits_for_agency};
use domain::calendar::Calendar;
use domain::effect::{Notice, NoticeKind, calls_back, in_queue_since, lost_in_queue, open_notices};
use domain::event::Correction;
use domain::ids::AgencyCode;
use domain::limits;
use domain::stage::{begins, comes_later, leads_to, next_leg_of, opens_next_leg, reports, reports_from};
use serde_json::json;

use super::*;

pub(crate) fn card() -> Ledger {
    opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), false)
}

pub(crate) fn transfer() -> Ledger {
    opened(Service::named("household_transfer").unwrap(), When::named("job_transfer").unwrap(), false)
}

pub(crate) fn certificate() -> Ledger {
    opened(Service::named("household_certificate").unwrap(), When::named("former_name").unwrap(), false)
}

pub(crate) fn day(text: &str) -> Deadline {
    Deadline { date: text.parse().unwrap(), provisional: false }
}

/// The record with these events, all of one time.
pub(crate) fn with(ledger: Ledger, at: Timestamp, events: Vec<Event>) -> Ledger {
    ledger.append(events, &cause(Actor::Hub, at, None)).unwrap()
}

pub(crate) fn submitted() -> Event {
    Event::Submitted { due: day("2026-04-01") }
}

pub(crate) fn asked() -> Event {
    Event::SupplementRequested { items: Vec::new(), slots: Vec::new(), until: date(2026, 4, 9) }
}

fn code(text: &str) -> AgencyCode {
    text.parse().unwrap()
}

/// One event of each type, in the order of the type.
fn one_of_each() -> Vec<Event> {
    let document = DocumentId::numbered(1).unwrap();
    let opened = card().state().opened.clone();
    let (due, how) = (day("2026-04-01"), HandOver::Window);
    let text = || "text".to_owned();
    vec![
        Event::Opened(Box::new(opened.clone())),
        Event::DocumentStored { document, object: object(opened.slots[0].accepts[0]) },
        Event::DocumentRejected { document, version: text(), fault: DocumentFault::Empty },
        Event::DocumentDiscarded { document },
        Event::Corrected(Box::new(Correction::from(opened))),
        Event::Submitted { due },
        Event::Dispatched { leg: 0 },
        Event::Received,
        asked(),
        Event::Supplemented { due },
        Event::Signed,
        Event::NotIssued { reason: text() },
        Event::Produced,
        Event::Posted { carrier: text(), tracking: text() },
        Event::Ready { place: text() },
        Event::Collected { how },
        Event::Approved { permit: text(), due },
        Event::Verified,
        Event::MovedOut { certificate: text(), valid_until: date(2026, 4, 1), due },
        Event::Settled,
        Event::Lapsed { due },
        Event::RestoredAtOrigin,
        Event::Issued { document, certificate: text() },
        Event::Completed { how },
        Event::Withdrawn,
        Event::Rejected { reason: text() },
        Event::Expired,
        Event::Overdue { leg: 0 },
    ]
}

#[test]
fn an_event_has_the_name_that_the_record_has() {
    for event in one_of_each() {
        assert_eq!(json!(event)["t"], event.name());
        assert_eq!(serde_json::from_value::<Event>(json!(event)).unwrap(), event);
    }
}

#[test]
fn an_event_records_its_step() {
    let steps: Vec<&str> = one_of_each().iter().filter_map(Event::step).map(Step::name).collect();
    assert_eq!(
        steps.join(" "),
        "store_document reject_document discard_document correct submit dispatch receive \
        request_supplement supplement sign not_issue produce post make_ready hand_over approve verify move_out settle \
        lapse restore issue hand_over withdraw reject expire mark_overdue"
    );
}

#[test]
fn the_app_gets_a_callback_of_what_others_do() {
    let events = one_of_each();
    let silent: Vec<&str> = events.iter().filter(|event| !calls_back(event)).map(Event::name).collect();
    assert_eq!(
        silent,
        ["opened", "document_stored", "document_discarded", "corrected", "submitted", "supplemented"]
    );
}

#[test]
fn an_agency_is_involved_from_the_beginning_of_its_leg() {
    let (first, second) = (code("1501"), code("37"));
    let draft = transfer();
    assert!(!draft.state().involves(&first) && !draft.state().is_before_agency());
    let ledger = with(draft, start(), vec![submitted()]);
    assert!(ledger.state().involves(&first) && !ledger.state().involves(&second));
    assert_eq!((ledger.state().agency(), ledger.state().purpose()), (&first, Purpose::Approve));
    let approved = Event::Approved { permit: "P".into(), due: day("2026-04-02") };
    let ledger = with(ledger, start(), vec![Event::Dispatched { leg: 0 }, Event::Received, approved]);
    let state = ledger.state();
    assert!(state.involves(&first) && state.involves(&second) && !state.involves(&code("11")));
    assert_eq!((state.agency(), state.purpose(), state.leg_opened), (&second, Purpose::MoveOut, 5));
    assert_eq!((state.next_leg(Step::MoveOut), state.next_leg(Step::Verify)), (Some(2), None));
    assert_eq!(state.tenant().as_str(), "hohhot-app");
}

#[test]
fn a_case_is_before_its_agency_until_the_agency_has_no_step_left() {
    let mut ledger = card();
    let posted = Event::Posted { carrier: "EMS".into(), tracking: "1".into() };
    for (event, before) in [
        (submitted(), true),
        (Event::Dispatched { leg: 0 }, true),
        (Event::Received, true),
        (asked(), true),
        (Event::Supplemented { due: day("2026-04-01") }, true),
        (Event::Signed, true),
        (posted, false),
        (Event::Collected { how: HandOver::Post }, false),
    ] {
        ledger = with(ledger, start(), vec![event.clone()]);
        assert_eq!(ledger.state().is_before_agency(), before, "{event:?}");
        assert_eq!(open_notices(&ledger).is_empty(), !before, "{event:?}");
    }
    assert!(ledger.state().is_final() && !ledger.state().is_abandoned());
    assert!(
        !waits_for_agency(Stage::Draft, Purpose::Decide) && waits_for_agency(Stage::Lapsed, Purpose::Restore)
    );
}

#[test]
fn a_withdrawal_and_an_expiry_abandon_a_case() {
    for (event, abandoned) in
        [(Event::Withdrawn, true), (Event::Expired, true), (Event::Rejected { reason: "x".into() }, false)]
    {
        let state = with(card(), start(), vec![event]);
        assert_eq!(state.state().is_abandoned(), abandoned);
    }
}

#[test]
fn a_file_is_needed_while_it_is_pinned_or_may_be_recorded() {
    let document = |number| DocumentId::numbered(number).unwrap();
    let stored = |number| {
        let kind = card().state().opened.slots[0].accepts[0];
        Event::DocumentStored { document: document(number), object: object(kind) }
    };
    let ledger = with(card(), start(), vec![stored(1)]);
    let needs = |ledger: &Ledger, number: usize, round: u8, version: &str| {
        ledger.state().needs_file(document(number), round, version)
    };
    assert!(needs(&ledger, 1, 0, "v1") && !needs(&ledger, 1, 0, "v2"));
    assert!(needs(&ledger, 1, 1, "v2") && needs(&ledger, 2, 0, "v9"), "an upload may come");
    assert!(needs(&ledger, 3, 0, "v1"), "a later state may have this document");
    let opened = ledger.state().opened.clone();
    let fewer = Opened { slots: opened.slots[..1].to_vec(), ..opened };
    let fewer = with(ledger.clone(), start(), vec![Event::Corrected(Box::new(fewer.into()))]);
    assert!(!needs(&fewer, 2, 0, "v1"), "its id is not used again");
    let mut corrected = ledger.state().opened.clone();
    corrected.slots[0].requirement = "another".into();
    let corrected = with(ledger.clone(), start(), vec![Event::Corrected(Box::new(corrected.into()))]);
    let found = corrected.state().document(document(1)).unwrap();
    assert_eq!((found.slot.requirement.as_str(), found.stored().is_some()), ("another", true));
    let ended = with(ledger, start(), vec![submitted(), Event::NotIssued { reason: "x".into() }]);
    assert!(needs(&ended, 1, 0, "v1") && !needs(&ended, 1, 1, "v1") && !needs(&ended, 2, 0, "v1"));
    assert_eq!(object_prefix(id()), format!("applications/{}/", id()));
}

#[test]
fn the_limits_bound_the_supplement_requests() {
    let slots = |count: usize| {
        let opened = card().state().opened.clone();
        let slot = opened.slots[0].clone();
        let slots =
            (1..=count).map(|number| Slot { id: DocumentId::numbered(number).unwrap(), ..slot.clone() });
        Ledger::open(id(), Opened { slots: slots.collect(), ..opened }, &cause(tenant(), start(), None))
            .unwrap()
    };
    assert!(slots(limits::DOCUMENTS - 1).state().takes_supplement_request());
    assert!(!slots(limits::DOCUMENTS).state().takes_supplement_request());
    let discarded = || Event::DocumentDiscarded { document: DocumentId::numbered(1).unwrap() };
    let events = |count: usize| with(card(), start(), (1..count).map(|_| discarded()).collect());
    assert!(events(limits::EVENTS_SOFT - 1).state().takes_supplement_request());
    assert!(!events(limits::EVENTS_SOFT).state().takes_supplement_request());
}

#[test]
fn a_leg_that_the_catalogue_does_not_have_keeps_its_reports_and_a_limit() {
    let opened = card().state().opened.clone();
    let legs = vec![Leg { purpose: Purpose::Certify, agency: code("37") }];
    let ledger = Ledger::open(id(), Opened { legs, ..opened }, &cause(tenant(), start(), None)).unwrap();
    assert_eq!(ledger.state().reports(), reports(Purpose::Certify));
    let twenty = Calendar::official().deadline(today(start()), 20);
    assert_eq!(ledger.state().limit_from(Purpose::Certify, start()), twenty);
    let five = Calendar::official().deadline(today(start()), 5);
    assert_eq!(transfer().state().limit_from(Purpose::MoveOut, start()), five);
}

#[test]
fn only_the_apps_documents_are_missing() {
    let missing: Vec<u8> =
        certificate().state().missing().map(|document| document.slot.id.number()).collect();
    assert_eq!((missing, certificate().state().documents.len()), (vec![1, 2], 3));
}

#[test]
fn each_message_to_an_agency_has_its_cause() {
    let due = day("2026-04-02");
    let moved = Event::MovedOut { certificate: "C".into(), valid_until: date(2026, 3, 9), due };
    let ledger = with(
        transfer(),
        start(),
        vec![
            submitted(),
            Event::Dispatched { leg: 0 },
            Event::Received,
            asked(),
            Event::Supplemented { due },
            Event::Approved { permit: "P".into(), due },
            Event::Received,
            Event::Verified,
            moved,
            Event::Lapsed { due },
        ],
    );
    let all = [
        (2, "1501", NoticeKind::Opened),
        (6, "1501", NoticeKind::Supplemented),
        (7, "37", NoticeKind::Opened),
        (10, "1501", NoticeKind::Opened),
        (11, "37", NoticeKind::RestoreRequested),
    ];
    let all = all.map(|(version, agency, kind)| Notice { agency: code(agency), kind, version });
    assert_eq!(notices(&ledger, 0), all);
    assert_eq!(notices(&ledger, 2), all[1..]);
    assert_eq!(
        (open_notices(&ledger), undelivered(ledger.state())),
        (all[4..].to_vec(), Some(all[4].clone()))
    );
    assert!(all.iter().all(Notice::is_recorded));
    let withdrawn = with(card(), start(), vec![submitted(), Event::Withdrawn]);
    let last = Notice { agency: code("37"), kind: NoticeKind::Withdrawn, version: 3 };
    assert_eq!((notices(&withdrawn, 2), last.is_recorded()), (vec![last.clone()], false));
    assert!(notices(&with(card(), start(), vec![Event::Withdrawn]), 0).is_empty(), "no agency had the draft");
}

#[test]
fn the_message_of_the_open_leg_is_undelivered_until_its_dispatch_is_recorded() {
    let due = day("2026-04-02");
    let ledger = with(card(), start(), vec![submitted()]);
    let kind = |ledger: &Ledger| undelivered(ledger.state()).map(|notice| (notice.kind, notice.version));
    assert_eq!((kind(&card()), kind(&ledger)), (None, Some((NoticeKind::Opened, 2))));
    let ledger = with(ledger, start(), vec![Event::Dispatched { leg: 0 }]);
    assert_eq!(kind(&ledger), None);
    let ledger = with(ledger, start(), vec![Event::Received, asked(), Event::Supplemented { due }]);
    assert_eq!(kind(&ledger), Some((NoticeKind::Supplemented, 6)));
    assert_eq!(in_queue_since(ledger.state()), None, "the answer is not in the queue");
    let late = start() + SignedDuration::from_hours(1);
    let ledger = with(ledger, late, vec![Event::Dispatched { leg: 0 }]);
    assert_eq!((kind(&ledger), in_queue_since(ledger.state())), (None, Some(late)));
}

#[test]
fn a_message_without_a_report_is_lost_after_fourteen_days() {
    let ledger = with(card(), start(), vec![submitted(), Event::Dispatched { leg: 0 }]);
    assert_eq!(in_queue_since(ledger.state()), Some(start()));
    let end = start() + SignedDuration::from_hours(24 * 14);
    assert!(!lost_in_queue(ledger.state(), end - SignedDuration::from_secs(1)));
    assert!(lost_in_queue(ledger.state(), end));
    let received = with(ledger, start(), vec![Event::Received]);
    assert!(in_queue_since(received.state()).is_none() && !lost_in_queue(received.state(), end));
}

#[test]
fn the_reports_of_a_leg_follow_from_the_table() {
    let kinds =
        |steps: Vec<Step>| steps.into_iter().filter_map(Step::report_kind).collect::<Vec<_>>().join(" ");
    for (purpose, expected) in [
        (Purpose::Decide, "received supplement_requested signed not_issued produced posted ready"),
        (Purpose::Approve, "received supplement_requested approved rejected"),
        (Purpose::MoveOut, "received supplement_requested verified rejected moved_out"),
        (Purpose::Settle, "received settled"),
        (Purpose::Restore, "received restored"),
        (Purpose::Certify, "received supplement_requested issued rejected"),
    ] {
        assert_eq!(kinds(reports(purpose)), expected, "{purpose:?}");
        assert_eq!(
            kinds(reports_from(Stage::Dispatched, purpose)).split(' ').count(),
            expected.split(' ').count()
        );
        assert_eq!(begins(purpose), !matches!(purpose, Purpose::Settle | Purpose::Restore));
    }
    assert_eq!(kinds(reports_from(Stage::Signed, Purpose::Decide)), "produced posted ready");
    assert!(comes_later(Stage::Dispatched, Purpose::Decide, Step::Sign), "after `received`");
    assert!(!comes_later(Stage::Received, Purpose::Decide, Step::Sign), "possible now");
    assert!(!comes_later(Stage::Signed, Purpose::Decide, Step::Receive), "too late");
    assert!(!comes_later(Stage::Draft, Purpose::Decide, Step::Submit), "no report");
}

#[test]
fn a_step_opens_the_first_later_leg_of_its_purposes() {
    use Purpose::{Approve, Decide, MoveOut, Restore, Settle};
    let legs = [Approve, MoveOut, Settle, Restore];
    assert_eq!(
        [Step::Approve, Step::MoveOut, Step::Lapse].map(|step| next_leg_of(&legs, 0, step)),
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!((next_leg_of(&legs, 2, Step::MoveOut), next_leg_of(&legs, 0, Step::Sign)), (None, None));
    assert_eq!(next_leg_of(&[Approve, Decide], 0, Step::Approve), Some(1));
    assert!(
        opens_next_leg(Step::Lapse) && !opens_next_leg(Step::Settle) && leads_to(Step::Settle).is_empty()
    );
    let last: Vec<Stage> = Stage::ALL.iter().copied().filter(|stage| stage.is_final()).collect();
    use Stage::{Collected, Completed, Expired, NotIssued, Rejected, RestoredAtOrigin, Settled, Withdrawn};
    assert_eq!(
        last,
        [Collected, NotIssued, Settled, RestoredAtOrigin, Completed, Withdrawn, Rejected, Expired]
    );
}

#[test]
fn names_on_the_wire_are_stable() {
    for stage in Stage::ALL {
        assert_eq!(json!(stage), stage.name());
    }
    for purpose in Purpose::ALL {
        assert_eq!(json!(purpose), purpose.name());
    }
    for step in Step::ALL {
        assert_eq!(json!(step), step.name());
    }
    assert_eq!(
        (json!(Place::RegisteredAt), json!(Place::MoveIn)),
        (json!("registered_at"), json!("move_in"))
    );
    let next: Vec<&str> =
        Step::ALL.iter().filter(|step| step.is_next_step()).map(|step| step.name()).collect();
    assert_eq!(next, ["submit", "supplement", "hand_over", "settle", "withdraw"]);
}

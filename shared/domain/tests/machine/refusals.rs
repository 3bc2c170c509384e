//! Why commands and reports are refused.

use domain::decide::Fault;
use domain::limits;

use super::state::{card, certificate, day, submitted, transfer, with};
use super::*;

pub(crate) fn attempt(by: Actor, command: Command) -> Attempt {
    Attempt { by, key: None, command, expected_version: None }
}

fn agency() -> Actor {
    Actor::Agency("37".parse().unwrap())
}

pub(crate) fn reported(ledger: &Ledger, result: ReportedResult) -> Result<Vec<Event>, Refusal> {
    let report = AgencyReport { seen: ledger.state().version, result };
    let by = Actor::Agency(ledger.state().agency().clone());
    decide(ledger.state(), &attempt(by, Command::Report(report)), start())
}

/// Pointer and code of each wrong field.
fn faults(ledger: &Ledger, result: ReportedResult) -> Vec<(String, &'static str)> {
    match reported(ledger, result) {
        Err(Refusal::Invalid(faults)) => {
            faults.into_iter().map(|Fault { pointer, code }| (pointer, code)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn pairs(faults: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    faults.iter().map(|(pointer, code)| ((*pointer).to_owned(), *code)).collect()
}

pub(crate) fn received(ledger: Ledger) -> Ledger {
    with(ledger, start(), vec![submitted(), Event::Dispatched { leg: 0 }, Event::Received])
}

#[test]
fn a_refusal_has_a_stable_name() {
    let document = DocumentId::numbered(1).unwrap();
    let (stage, step) = (Stage::Draft, Step::Sign);
    let names = [
        Refusal::NotYours,
        Refusal::OtherLeg { stage },
        Refusal::Illegal { stage, step },
        Refusal::Stale { seen: 1, from: 2, to: 3 },
        Refusal::Changed { version: 1 },
        Refusal::KeyReused,
        Refusal::Missing(vec![document]),
        Refusal::DocumentRejected { document, fault: DocumentFault::Empty },
        Refusal::Full,
        Refusal::Invalid(Vec::new()),
        Refusal::Bound("events"),
    ]
    .map(|refusal| refusal.name());
    assert_eq!(
        names.join(" "),
        "not_yours other_leg illegal_step stale_version changed key_reused documents_missing \
        document_rejected application_full invalid_fields bound_reached"
    );
}

#[test]
fn only_the_tenant_and_the_agency_of_the_open_leg_may_act() {
    let ledger = received(card());
    let withdraw = |by: Actor| decide(ledger.state(), &attempt(by, Command::Withdraw), start());
    assert!(withdraw(tenant()).is_ok());
    assert_eq!(withdraw(Actor::Tenant("another".parse().unwrap())), Err(Refusal::NotYours));
    assert_eq!(withdraw(Actor::Hub), Err(Refusal::NotYours));
    let illegal = Refusal::Illegal { stage: Stage::Received, step: Step::Withdraw };
    assert_eq!(withdraw(agency()), Err(illegal), "its agency learns the stage");
    let report = AgencyReport { seen: 4, result: ReportedResult::Signed };
    let signed = |by: Actor| decide(ledger.state(), &attempt(by, Command::Report(report.clone())), start());
    assert!(signed(agency()).is_ok());
    assert_eq!(signed(Actor::Agency("11".parse().unwrap())), Err(Refusal::NotYours));
    assert_eq!(signed(tenant()), Err(Refusal::NotYours));
    let draft = decide(card().state(), &attempt(agency(), Command::Report(report.clone())), start());
    assert_eq!(draft, Err(Refusal::NotYours), "a draft has no agency");
}

#[test]
fn a_report_builds_on_a_version_of_the_open_leg() {
    let approved = Event::Approved { permit: "P".into(), due: day("2026-04-02") };
    let ledger = with(received(transfer()), start(), vec![approved, Event::Dispatched { leg: 1 }]);
    let (from, to) = (5, 6);
    for seen in 0..9 {
        let report = AgencyReport { seen, result: ReportedResult::Received };
        let decided = decide(ledger.state(), &attempt(agency(), Command::Report(report)), start());
        let expected = if (from..=to).contains(&seen) {
            Ok(vec![Event::Received])
        } else {
            Err(Refusal::Stale { seen, from, to })
        };
        assert_eq!(decided, expected, "{seen}");
    }
}

#[test]
fn a_command_may_require_a_version() {
    let at = |version| {
        let attempt = Attempt { expected_version: Some(version), ..attempt(tenant(), Command::Withdraw) };
        decide(card().state(), &attempt, start())
    };
    assert_eq!((at(1), at(2)), (Ok(vec![Event::Withdrawn]), Err(Refusal::Changed { version: 1 })));
}

#[test]
fn every_wrong_field_of_a_report_is_named() {
    let long = |characters: usize| "长".repeat(characters);
    let decided = received(card());
    let reason = |reason: String| faults(&decided, ReportedResult::NotIssued { reason });
    assert_eq!(reason(String::new()), pairs(&[("/reason", "required")]));
    assert_eq!(reason(long(limits::TEXT + 1)), pairs(&[("/reason", "too_long")]));
    assert!(reported(&decided, ReportedResult::NotIssued { reason: long(limits::TEXT) }).is_ok());
    let signed = with(decided, start(), vec![Event::Signed]);
    let posted = ReportedResult::Posted { carrier: String::new(), tracking: long(limits::NUMBER + 1) };
    assert_eq!(faults(&signed, posted), pairs(&[("/carrier", "required"), ("/tracking", "too_long")]));
    let place = ReportedResult::Ready { place: " ".into() };
    assert_eq!(faults(&signed, place), pairs(&[("/place", "required")]));
    let permit = ReportedResult::Approved { permit: String::new() };
    assert_eq!(faults(&received(transfer()), permit), pairs(&[("/permit", "required")]));
    let working = received(certificate());
    let issued =
        ReportedResult::Issued { document: DocumentId::numbered(1).unwrap(), certificate: String::new() };
    assert_eq!(faults(&working, issued), pairs(&[("/certificate", "required"), ("/document", "unknown")]));
    assert_eq!(
        faults(&working, ReportedResult::Rejected { reason: String::new() }),
        pairs(&[("/reason", "required")])
    );
}

#[test]
fn a_migration_certificate_is_issued_by_today_and_valid_today_for_at_most_thirty_days() {
    let approved = Event::Approved { permit: "P".into(), due: day("2026-04-02") };
    let ledger = with(
        received(transfer()),
        start(),
        vec![approved, Event::Dispatched { leg: 1 }, Event::Received, Event::Verified],
    );
    let moved = |issued_on, valid_until| {
        let result = ReportedResult::MovedOut { certificate: "C".into(), issued_on, valid_until };
        match reported(&ledger, result) {
            Ok(_) => "taken",
            Err(Refusal::Invalid(faults)) => faults[0].code,
            Err(other) => panic!("{other:?}"),
        }
    };
    let (today, first) = (date(2026, 3, 2), date(2026, 2, 1));
    for (issued, until, expected) in [
        (today, today, "taken"),
        (today, date(2026, 4, 1), "taken"),
        (today, date(2026, 4, 2), "out_of_range"),
        (today, date(2026, 3, 1), "out_of_range"),
        (date(2026, 3, 3), date(2026, 3, 4), "in_the_future"),
        (first, date(2026, 3, 1), "in_the_past"),
        (first, today, "taken"),
    ] {
        assert_eq!(moved(issued, until), expected, "{issued} to {until}");
    }
}

pub(crate) fn item(name: &str, accepts: &[&str]) -> MissingItem {
    let accepts = accepts.iter().map(|kind| DocumentKind::named(kind).unwrap()).collect();
    MissingItem { name: name.into(), accepts, note: String::new() }
}

#[test]
fn every_wrong_item_of_a_supplement_request_is_named() {
    let ledger = received(card());
    let request = |items: Vec<MissingItem>| ReportedResult::SupplementRequested { items };
    assert_eq!(faults(&ledger, request(Vec::new())), pairs(&[("/items", "required")]));
    let many =
        |count: usize| request((0..count).map(|number| item(&format!("n{number}"), &["other"])).collect());
    assert!(reported(&ledger, many(limits::SUPPLEMENT_ITEMS)).is_ok());
    assert_eq!(faults(&ledger, many(limits::SUPPLEMENT_ITEMS + 1)), pairs(&[("/items", "too_many")]));
    let mut noted = item("a", &["other"]);
    noted.note = "长".repeat(limits::TEXT + 1);
    let wrong = vec![
        noted,
        item("", &[]),
        item("a", &["issued_certificate"]),
        item("b", &["other", "picture_with_guardian", "other"]),
    ];
    assert_eq!(
        faults(&ledger, request(wrong)),
        pairs(&[
            ("/items/0/note", "too_long"),
            ("/items/1/name", "required"),
            ("/items/1/accepts", "invalid"),
            ("/items/2/accepts", "invalid"),
            ("/items/2/name", "duplicate"),
            ("/items/3/accepts", "duplicate"),
        ])
    );
    let kinds = |count: usize| {
        let mut one = item("a", &[]);
        one.accepts = DocumentKind::from_apps().into_iter().cycle().take(count).collect();
        faults(&ledger, request(vec![one]))
    };
    assert_eq!(kinds(limits::ACCEPTED_KINDS), pairs(&[("/items/0/accepts", "duplicate")]));
    assert_eq!(kinds(limits::ACCEPTED_KINDS + 1), pairs(&[("/items/0/accepts", "too_many")]));
}

#[test]
fn the_last_document_of_the_app_submits_the_draft_when_the_app_asked_for_it() {
    let opened = |automatic| {
        opened(
            Service::named("household_certificate").unwrap(),
            When::named("former_name").unwrap(),
            automatic,
        )
    };
    let store = |ledger: &Ledger, number: usize, round: u8| {
        let document = DocumentId::numbered(number).unwrap();
        let kind = ledger.state().document(document).unwrap().slot.accepts[0];
        let command = Command::StoreDocument { document, round, object: object(kind) };
        decide(ledger.state(), &attempt(Actor::Hub, command), start())
    };
    let names = |events: Result<Vec<Event>, Refusal>| {
        events.unwrap().iter().map(Event::name).collect::<Vec<_>>().join(" ")
    };
    for (automatic, last) in [(true, "document_stored submitted"), (false, "document_stored")] {
        let ledger = opened(automatic);
        assert_eq!(names(store(&ledger, 3, 0)), "document_stored", "the agency's document");
        assert_eq!(names(store(&ledger, 1, 0)), "document_stored");
        assert_eq!(names(store(&ledger, 1, 1)), "", "another round");
        let events = store(&ledger, 1, 0).unwrap();
        let ledger = with(ledger, start(), events);
        assert_eq!(names(store(&ledger, 1, 0)), "", "a repeat");
        assert_eq!(names(store(&ledger, 2, 0)), last);
    }
}

#[test]
fn an_answer_to_a_supplement_request_is_not_submitted_with_its_last_document() {
    let automatic =
        opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), true);
    let kind = automatic.state().opened.slots[0].accepts[0];
    let document = |number| DocumentId::numbered(number).unwrap();
    let stored = |number| Event::DocumentStored { document: document(number), object: object(kind) };
    let missing = item("a", &["other"]);
    let slot = Slot {
        id: document(3),
        requirement: "a".into(),
        accepts: missing.accepts.clone(),
        provider: Provider::App,
    };
    let asked =
        Event::SupplementRequested { items: vec![missing], slots: vec![slot], until: date(2026, 4, 1) };
    let ledger = with(received(with(automatic, start(), vec![stored(1), stored(2)])), start(), vec![asked]);
    let object = object(DocumentKind::named("other").unwrap());
    let store =
        Attempt::hub(Command::StoreDocument { document: document(3), round: 0, object: object.clone() });
    let only = Event::DocumentStored { document: document(3), object };
    assert_eq!(decide(ledger.state(), &store, start()), Ok(vec![only]));
}

#[test]
fn a_dispatch_is_recorded_once_for_each_message() {
    let dispatch = |ledger: &Ledger, message_version| {
        decide(ledger.state(), &Attempt::hub(Command::Dispatch { message_version }), start())
    };
    let ledger = with(card(), start(), vec![submitted()]);
    assert_eq!(dispatch(&ledger, 1), Ok(Vec::new()), "an older message");
    assert_eq!(dispatch(&ledger, 2), Ok(vec![Event::Dispatched { leg: 0 }]));
    let ledger = with(ledger, start(), vec![Event::Dispatched { leg: 0 }]);
    assert_eq!(dispatch(&ledger, 2), Ok(Vec::new()), "a repeat");
    let illegal = |stage| Err(Refusal::Illegal { stage, step: Step::Dispatch });
    assert_eq!(
        (dispatch(&ledger, 3), dispatch(&card(), 0)),
        (illegal(Stage::Dispatched), illegal(Stage::Draft))
    );
}

#[test]
fn only_an_apps_file_that_no_agency_has_is_discarded() {
    let discard = |ledger: &Ledger, number: usize, round: u8| {
        let command = Command::DiscardDocument { document: DocumentId::numbered(number).unwrap(), round };
        decide(ledger.state(), &attempt(tenant(), command), start())
    };
    let kind = |number: usize| certificate().state().documents[number - 1].slot.accepts[0];
    let stored = |number: usize| Event::DocumentStored {
        document: DocumentId::numbered(number).unwrap(),
        object: object(kind(number)),
    };
    let ledger = with(certificate(), start(), vec![stored(1), stored(3)]);
    assert_eq!(discard(&ledger, 1, 0).map(|events| events.len()), Ok(1));
    assert_eq!((discard(&ledger, 1, 1), discard(&ledger, 2, 0)), (Ok(Vec::new()), Ok(Vec::new())));
    let illegal = |stage| Err(Refusal::Illegal { stage, step: Step::DiscardDocument });
    assert_eq!(discard(&ledger, 3, 0), illegal(Stage::Draft), "the agency's document");
    let ledger = with(received(ledger), start(), vec![super::state::asked()]);
    assert_eq!(discard(&ledger, 1, 0), illegal(Stage::SupplementRequested), "the agency has it");
}

#[test]
fn a_result_is_issued_with_its_document_and_handed_over_once() {
    let document = DocumentId::numbered(3).unwrap();
    let issued = || ReportedResult::Issued { document, certificate: " C1 ".into() };
    let ledger = received(certificate());
    assert_eq!(reported(&ledger, issued()), Err(Refusal::Missing(vec![document])));
    let fault = DocumentFault::ContentMismatch;
    let rejected =
        with(ledger.clone(), start(), vec![Event::DocumentRejected { document, version: "v".into(), fault }]);
    assert_eq!(reported(&rejected, issued()), Err(Refusal::DocumentRejected { document, fault }));
    let stored = Event::DocumentStored {
        document,
        object: object(DocumentKind::named("issued_certificate").unwrap()),
    };
    let ledger = with(ledger, start(), vec![stored]);
    let events = reported(&ledger, issued()).unwrap();
    assert_eq!(events, [Event::Issued { document, certificate: "C1".into() }]);
    let hand_over = |ledger: &Ledger| {
        decide(ledger.state(), &attempt(tenant(), Command::HandOver { how: HandOver::Delegate }), start())
    };
    let issued = with(ledger, start(), events);
    assert_eq!(hand_over(&issued), Ok(vec![Event::Completed { how: HandOver::Delegate }]));
    let ready = with(received(card()), start(), vec![Event::Signed, Event::Ready { place: "hall".into() }]);
    assert_eq!(hand_over(&ready), Ok(vec![Event::Collected { how: HandOver::Delegate }]));
    let overdue = with(received(card()), start(), vec![Event::Overdue { leg: 0 }]);
    assert_eq!(decide(overdue.state(), &Attempt::hub(Command::MarkOverdue), start()), Ok(Vec::new()));
}

#[test]
fn a_submission_needs_every_document_and_counts_the_limit_of_its_first_leg() {
    let submit = |ledger: &Ledger| decide(ledger.state(), &attempt(tenant(), Command::Submit), start());
    let missing = [1, 2, 3].map(|number| DocumentId::numbered(number).unwrap());
    assert_eq!(submit(&transfer()), Err(Refusal::Missing(missing.to_vec())));
    let kinds: Vec<DocumentKind> =
        transfer().state().documents.iter().map(|document| document.slot.accepts[0]).collect();
    let stored = missing
        .iter()
        .zip(kinds)
        .map(|(document, kind)| Event::DocumentStored { document: *document, object: object(kind) });
    let complete = with(transfer(), start(), stored.collect());
    assert_eq!(submit(&complete), Ok(vec![Event::Submitted { due: day("2026-03-03") }]));
    let approve = reported(&received(transfer()), ReportedResult::Approved { permit: "P".into() });
    assert_eq!(
        approve,
        Ok(vec![Event::Approved { permit: "P".into(), due: day("2026-03-09") }]),
        "the limit of the next leg"
    );
}

#[test]
fn a_repeat_has_the_same_key_and_the_same_body() {
    let key = CommandKey { id: [1; 16], body: [1; 8] };
    let ledger = card().append(vec![Event::Withdrawn], &cause(tenant(), start(), Some(key))).unwrap();
    let again = |key| {
        let attempt = Attempt { key: Some(key), ..attempt(tenant(), Command::Withdraw) };
        decide(ledger.state(), &attempt, start())
    };
    assert_eq!(again(key), Ok(Vec::new()));
    assert_eq!(again(CommandKey { body: [2; 8], ..key }), Err(Refusal::KeyReused));
    let illegal = Refusal::Illegal { stage: Stage::Withdrawn, step: Step::Withdraw };
    let other = CommandKey { id: [2; 16], ..key };
    assert_eq!(again(other), Err(illegal), "another command");
    let ledger = ledger.append(vec![Event::Expired], &cause(tenant(), start(), Some(other))).unwrap();
    let versions = [key, other].map(|key| ledger.state().applied_command(&key.id).unwrap().version);
    assert_eq!(versions, [2, 3], "both are remembered");
}

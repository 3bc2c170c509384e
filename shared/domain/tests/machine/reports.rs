//! Reports at the border of a leg.

use super::*;

#[test]
fn a_case_that_is_received_was_dispatched() {
    let mut ledger =
        opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), true);
    let now = start();
    for serial in 0..2 {
        let one = RandomAttempt {
            step: Step::StoreDocument,
            pick: serial,
            wrong_actor: false,
            versions_back: 0,
            replay: false,
        };
        let attempt = command_for(&ledger, &one, serial, now);
        let events = decide(ledger.state(), &attempt, now).unwrap();
        ledger = ledger.append(events, &cause(attempt.by, now, None)).unwrap();
    }
    assert_eq!(ledger.state().stage, Stage::Submitted);
    let message_version = ledger.state().message_version;
    let received =
        RandomAttempt { step: Step::Receive, pick: 0, wrong_actor: false, versions_back: 0, replay: false };
    let attempt = command_for(&ledger, &received, 9, now);
    let events = decide(ledger.state(), &attempt, now).unwrap();
    assert_eq!(events, [Event::Dispatched { leg: 0 }, Event::Received]);
    let ledger = ledger.append(events, &cause(attempt.by, now, attempt.key)).unwrap();
    // The router is late: the dispatch needs no record any more.
    let late = decide(ledger.state(), &Attempt::hub(Command::Dispatch { message_version }), now);
    assert_eq!(late, Ok(Vec::new()));
}

/// The first agency of a transfer has finished its leg, and the second agency has the case.
#[test]
fn an_agency_whose_leg_is_finished_is_refused_as_of_another_leg() {
    let mut ledger =
        opened(Service::named("household_transfer").unwrap(), When::named("job_transfer").unwrap(), true);
    let now = start();
    let mut serial = 0;
    while ledger.state().leg == 0 {
        let step = match ledger.state().stage {
            Stage::Draft => Step::StoreDocument,
            Stage::Submitted => Step::Dispatch,
            Stage::Dispatched => Step::Receive,
            _ => Step::Approve,
        };
        let one = RandomAttempt { step, pick: serial, wrong_actor: false, versions_back: 0, replay: false };
        let attempt = command_for(&ledger, &one, serial, now);
        let events = decide(ledger.state(), &attempt, now).unwrap();
        ledger = ledger.append(events, &cause(attempt.by, now, attempt.key)).unwrap();
        serial += 1;
        assert!(serial < 20, "at {:?}", ledger.state().stage);
    }
    let first = ledger.state().opened.legs[0].agency.clone();
    assert_ne!(&first, ledger.state().agency());
    let report = AgencyReport { seen: ledger.state().version, result: ReportedResult::Received };
    let late = Attempt {
        by: Actor::Agency(first),
        key: None,
        command: Command::Report(report),
        expected_version: None,
    };
    let refused = decide(ledger.state(), &late, now);
    assert_eq!(refused, Err(Refusal::OtherLeg { stage: Stage::Approved }));
}

//! What an agency may report, and until when, in the cases of `tests/FIELD_CASES.md`.

use super::*;

/// The reports of each message are those that can follow from it, in order: never `received` after an answer.
#[test]
fn a11_a_message_lists_the_reports_that_are_possible_in_their_order() {
    let card =
        || opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), false);
    let kinds = |ledger: &Ledger| -> Vec<&str> {
        ledger.state().possible_reports().into_iter().filter_map(Step::report_kind).collect()
    };
    let due = Deadline { date: date(2026, 4, 1), provisional: false };
    let mut ledger =
        card().append(vec![Event::Submitted { due }], &cause(Actor::Hub, start(), None)).unwrap();
    let later = ["supplement_requested", "signed", "not_issued", "produced", "posted", "ready"];
    let first: Vec<&str> = std::iter::once("received").chain(later).collect();
    assert_eq!(kinds(&ledger), first);
    for round in 1..=3 {
        let asked =
            Event::SupplementRequested { items: Vec::new(), slots: Vec::new(), until: date(2026, 4, 9) };
        let events = vec![Event::Dispatched { leg: 0 }, Event::Received, asked, Event::Supplemented { due }];
        ledger = ledger.append(events, &cause(Actor::Hub, start(), None)).unwrap();
        // The third request is the last one.
        let expected = if round == 3 { &later[1..] } else { &later[..] };
        assert_eq!(kinds(&ledger), expected, "round {round}");
    }
}

/// A report by the queue is not refused where a later one made it superfluous, and nowhere else.
#[test]
fn a12_only_a_step_that_may_be_left_out_can_be_overtaken() {
    let mut found = Vec::new();
    for purpose in Purpose::ALL {
        for stage in &domain::stage::reachable(*purpose) {
            let left_out = Step::ALL.iter().filter(|step| step.report_kind().is_some());
            let left_out = left_out.filter(|step| domain::stage::could_be_left_out(*stage, *purpose, **step));
            found.extend(left_out.map(|step| (*purpose, *stage, *step)));
        }
    }
    let expected = [
        (Purpose::Decide, Stage::Posted, Step::Produce),
        (Purpose::Decide, Stage::Ready, Step::Produce),
        (Purpose::MoveOut, Stage::Rejected, Step::Verify),
        (Purpose::Settle, Stage::Settled, Step::Receive),
    ];
    assert_eq!(found, expected);
}

/// For every leg: a consumer that sends the listed reports in their order is refused none that the stage table allows
/// next.
#[test]
fn a11_each_listed_report_is_possible_after_the_listed_ones_before_it() {
    for purpose in Purpose::ALL {
        for from in [Stage::Dispatched, Stage::Supplemented] {
            let listed = domain::stage::reports_from(from, *purpose);
            for (index, step) in listed.iter().enumerate() {
                let mut reached = vec![from];
                for before in &listed[..index] {
                    let to: Vec<Stage> =
                        reached.iter().filter_map(|stage| next(*stage, *purpose, *before)).collect();
                    reached.extend(to);
                }
                assert!(
                    reached.iter().any(|stage| next(*stage, *purpose, *step).is_some()),
                    "{purpose:?} from {from:?}: {step:?}"
                );
            }
        }
    }
}

/// A limit that was recorded before the calendar of its year was published is right once the calendar is there.
#[test]
fn a9_a_provisional_limit_is_counted_again_with_the_published_calendar() {
    let at: Timestamp = "2026-02-10T02:00:00Z".parse().unwrap();
    // Twenty days from Monday to Friday, as without the calendar of 2026. Spring Festival and its worked days are
    // missing.
    let guess = Deadline { date: date(2026, 3, 10), provisional: true };
    let card = opened(Service::named("first_identity_card").unwrap(), When::named("adult").unwrap(), false);
    let ledger = card.append(vec![Event::Submitted { due: guess }], &cause(Actor::Hub, at, None)).unwrap();
    let state = ledger.state();
    let right = state.limit_from(Purpose::Decide, at);
    assert!(!right.provisional && right.date != guess.date);
    assert_eq!(state.due, Some(right));
    // A period of days that ends on a holiday is moved, too.
    let asked = Event::SupplementRequested { items: Vec::new(), slots: Vec::new(), until: date(2026, 2, 19) };
    let ledger = ledger.append(vec![asked], &cause(Actor::Hub, at, None)).unwrap();
    assert_eq!(ledger.state().supplement_until, Some(date(2026, 2, 24)));
}

#[test]
fn a9_a_draft_does_not_expire_on_a_holiday() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let row = service_row(Service::named("first_identity_card").unwrap());
    let draft = |opened_at: Timestamp| {
        let opened = opened(row.service, When::named("adult").unwrap(), false).state().opened.clone();
        let ledger = Ledger::open(id(), opened, &cause(tenant(), opened_at, None)).unwrap();
        domain::wake::expires_at(ledger.state()).unwrap()
    };
    assert_eq!(draft(at("2026-01-20T02:00:00Z")), at("2026-02-24T16:00:00Z"));
    assert_eq!(draft(at("2026-03-02T08:00:00Z")), at("2026-04-01T08:00:00Z"));
}

/// The papers stay readable for thirty days after the leg's end, and for as long as any leg of the agency is open.
#[test]
fn a10_an_agency_reads_the_papers_until_thirty_days_after_its_leg() {
    let row = service_row(Service::named("household_transfer").unwrap());
    let case =
        row.cases.iter().find(|case| row.legs_of(case).any(|leg| leg.purpose == Purpose::Approve)).unwrap();
    let (origin, target) = ("37".parse().unwrap(), "1501".parse().unwrap());
    let day = |days: i64| start() + SignedDuration::from_hours(24 * days);
    let due = Deadline { date: date(2026, 4, 1), provisional: false };
    let mut ledger = opened(row.service, case.when, false);
    assert!(!may_fetch_papers(&ledger, &target, start()), "a draft has no agency");
    let add = |ledger: Ledger, days: i64, events: Vec<Event>| {
        ledger.append(events, &cause(Actor::Hub, day(days), None)).unwrap()
    };
    ledger = add(ledger, 0, vec![Event::Submitted { due }, Event::Dispatched { leg: 0 }, Event::Received]);
    assert!(may_fetch_papers(&ledger, &target, day(300)), "the leg is open");
    assert!(!may_fetch_papers(&ledger, &origin, start()), "its leg has not begun");
    ledger = add(ledger, 10, vec![Event::Approved { permit: "P".into(), due }]);
    assert!(may_fetch_papers(&ledger, &target, day(39)) && !may_fetch_papers(&ledger, &target, day(45)));
    let moved = Event::MovedOut { certificate: "C".into(), valid_until: date(2026, 5, 1), due };
    ledger = add(ledger, 20, vec![Event::Dispatched { leg: 1 }, Event::Received, Event::Verified, moved]);
    assert!(may_fetch_papers(&ledger, &origin, day(49)) && !may_fetch_papers(&ledger, &origin, day(55)));
    assert!(may_fetch_papers(&ledger, &target, day(300)), "its second leg is open");
    ledger = add(ledger, 60, vec![Event::Settled]);
    assert!(may_fetch_papers(&ledger, &target, day(89)) && !may_fetch_papers(&ledger, &target, day(95)));
    assert!(!may_fetch_papers(&ledger, &origin, day(61)));
}

/// An application makes a later one a possible duplicate while an agency has it, and for the days of its service after
/// its end.
#[test]
fn p10_open_and_recently_ended_applications_count() {
    let service = Service::named("first_identity_card").unwrap();
    let after = |events: Vec<Event>| {
        let draft = opened(service, When::named("adult").unwrap(), false);
        draft.append(events, &cause(Actor::Hub, start(), None)).unwrap()
    };
    let submitted = || Event::Submitted { due: Deadline { date: date(2026, 4, 1), provisional: false } };
    let counts = |ledger: &Ledger, days: i64| {
        let now = start() + jiff::SignedDuration::from_hours(24 * days);
        domain::duplicate::may_be_repeated_by(ledger.state(), now)
    };
    let days = i64::from(domain::catalogue::service_row(service).duplicate_days);
    assert!(!counts(&after(Vec::new()), 0), "no agency has a draft");
    assert!(counts(&after(vec![submitted()]), days + 1), "an open application counts for ever");
    assert!(counts(&after(vec![submitted(), Event::Ready { place: "hall".to_owned() }]), days + 1));
    let refused = after(vec![submitted(), Event::NotIssued { reason: "no entry".to_owned() }]);
    assert!(counts(&refused, days - 1) && !counts(&refused, days));
    for end in [Event::Withdrawn, Event::Expired] {
        assert!(!counts(&after(vec![submitted(), end]), 0));
    }
}

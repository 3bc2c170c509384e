//! When the sweeper must look at an application again.

use domain::wake::{end_of, expires_at};
use jiff::civil::Date;

use super::state::{asked, card, day, submitted, transfer, with};
use super::*;

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_day_ends_at_sixteen_hours_utc() {
    assert_eq!(end_of(date(2026, 3, 2)), at("2026-03-02T16:00:00Z"));
    assert_eq!(end_of(Date::MAX), Timestamp::MAX);
}

/// A short failure is retried soon, and a long one costs one look an hour.
#[test]
fn an_undelivered_message_is_looked_for_after_as_long_as_it_waits() {
    let ledger = with(card(), start(), vec![submitted()]);
    let wake = |age: i64| next_wake(ledger.state(), start() + minutes(age)).unwrap().duration_since(start());
    for (age, next) in
        [(-3, 2), (0, 5), (4, 5), (5, 10), (30, 60), (59, 118), (60, 120), (61, 121), (180, 240)]
    {
        assert_eq!(wake(age), minutes(next), "{age} minutes old");
    }
}

#[test]
fn a_draft_is_looked_at_while_uploads_are_missing_and_then_when_it_expires() {
    let kind = card().state().opened.slots[0].accepts[0];
    let stored = |number: usize| Event::DocumentStored {
        document: DocumentId::numbered(number).unwrap(),
        object: object(kind),
    };
    let ledger = with(card(), start(), vec![stored(1)]);
    assert_eq!(next_wake(ledger.state(), start()), Some(start() + minutes(5)));
    let ledger = with(ledger, start(), vec![stored(2)]);
    let end = at("2026-04-01T08:00:00Z");
    assert_eq!((next_wake(ledger.state(), start()), expires_at(ledger.state())), (Some(end), Some(end)));
    assert_eq!(due(ledger.state(), end - minutes(1)), None);
    assert_eq!(due(ledger.state(), end), Some(Command::Expire));
    let submitted = with(ledger, start(), vec![submitted()]);
    assert_eq!(expires_at(submitted.state()), None);
}

#[test]
fn a_supplement_expires_at_the_end_of_its_last_day() {
    let kind = card().state().opened.slots[0].accepts[0];
    let stored = |number: usize| Event::DocumentStored {
        document: DocumentId::numbered(number).unwrap(),
        object: object(kind),
    };
    let ledger = with(card(), start(), vec![stored(1), stored(2), submitted(), Event::Received, asked()]);
    let end = at("2026-04-09T16:00:00Z");
    assert_eq!(expires_at(ledger.state()), Some(end));
    assert_eq!(next_wake(ledger.state(), start()), Some(end));
}

#[test]
fn a_message_in_the_queue_is_looked_at_each_time_the_queue_deletes_it() {
    let ledger = with(
        card(),
        start(),
        vec![Event::Submitted { due: day("2026-06-01") }, Event::Dispatched { leg: 0 }],
    );
    let wake = |hours: i64| {
        let now = start() + SignedDuration::from_hours(hours);
        next_wake(ledger.state(), now).unwrap().duration_since(start()).as_hours()
    };
    let days = |count: i64| 24 * count;
    for (now, next) in [
        (-1, days(14)),
        (0, days(14)),
        (1, days(14)),
        (days(14), days(28)),
        (days(14) - 1, days(14)),
        (days(30), days(42)),
    ] {
        assert_eq!(wake(now), next, "after {now} hours");
    }
}

#[test]
fn a_time_limit_is_marked_once_at_its_end() {
    let ledger = with(card(), start(), vec![submitted(), Event::Dispatched { leg: 0 }, Event::Received]);
    let end = at("2026-04-01T16:00:00Z");
    assert_eq!(next_wake(ledger.state(), start()), Some(end));
    assert_eq!(due(ledger.state(), end - SignedDuration::from_nanos(1)), None);
    assert_eq!(due(ledger.state(), end), Some(Command::MarkOverdue));
    let marked = with(ledger, end, vec![Event::Overdue { leg: 0 }]);
    assert_eq!((due(marked.state(), end + minutes(1)), next_wake(marked.state(), end)), (None, None));
}

#[test]
fn a_certificate_lapses_after_its_last_day() {
    let moved =
        Event::MovedOut { certificate: "C".into(), valid_until: date(2026, 3, 20), due: day("2026-03-10") };
    let ledger = with(transfer(), start(), vec![submitted(), moved]);
    let end = at("2026-03-20T16:00:00Z");
    assert_eq!(due(ledger.state(), end - minutes(1)), Some(Command::MarkOverdue));
    assert_eq!(due(ledger.state(), end), Some(Command::Lapse), "the lapse comes first");
}

/// The calendar of the next year may bring the end of a time limit forward, by at most a week.
#[test]
fn a_provisional_limit_is_looked_at_a_week_before_its_end() {
    let begins = at("2026-12-21T02:00:00Z");
    let due = card().state().limit_from(Purpose::Decide, begins);
    assert!(due.provisional);
    let ledger =
        with(card(), begins, vec![Event::Submitted { due }, Event::Dispatched { leg: 0 }, Event::Received]);
    let (end, early) = (end_of(due.date), end_of(due.date) - SignedDuration::from_hours(24 * 7));
    assert_eq!(next_wake(ledger.state(), begins), Some(early));
    assert_eq!(next_wake(ledger.state(), early - minutes(1)), Some(early));
    assert_eq!(next_wake(ledger.state(), early), Some(end));
}

#[test]
fn leftover_files_are_erased_at_once_and_when_the_last_link_has_ended() {
    let ledger = with(card(), start(), vec![Event::Withdrawn]);
    let first = start() + SignedDuration::from_millis(1);
    assert_eq!(next_wake(ledger.state(), start()), Some(first));
    assert_eq!(next_wake(ledger.state(), first), Some(start() + LINKS_END));
    assert_eq!(next_wake(ledger.state(), start() + LINKS_END), None);
    assert_eq!(LINKS_END, minutes(20));
}

/// The last day counts: the papers close at its end.
#[test]
fn the_papers_close_at_the_end_of_the_thirtieth_day() {
    let agency = "37".parse().unwrap();
    let ended = at("2026-03-03T02:00:00Z");
    let ledger = with(card(), start(), vec![submitted(), Event::Dispatched { leg: 0 }, Event::Received]);
    let ledger = with(ledger, ended, vec![Event::NotIssued { reason: "x".into() }]);
    let close = at("2026-04-02T16:00:00Z");
    assert!(may_fetch_papers(&ledger, &agency, close - SignedDuration::from_nanos(1)));
    assert!(!may_fetch_papers(&ledger, &agency, close));
    assert!(!may_fetch_papers(&ledger, &"11".parse().unwrap(), ended), "no leg");
}

/// Files are left over when the citizen ends a case, and where a link may still bring one.
#[test]
fn an_end_leaves_files_behind_unless_every_document_is_stored() {
    let kind = card().state().opened.slots[0].accepts[0];
    let stored = |number: usize| Event::DocumentStored {
        document: DocumentId::numbered(number).unwrap(),
        object: object(kind),
    };
    let ended = || Event::NotIssued { reason: "x".into() };
    let left = |events: Vec<Event>| with(card(), start(), events).state().leftovers_since;
    assert_eq!(left(vec![stored(1), stored(2), ended()]), None);
    assert_eq!(left(vec![stored(1), ended()]), Some(start()));
    assert_eq!(left(vec![stored(1), stored(2), Event::Withdrawn]), Some(start()));
    let unchanged = card().state().opened.clone();
    assert_eq!(left(vec![Event::Corrected(Box::new(unchanged.into()))]), None, "no document was dropped");
}

#![allow(clippy::unwrap_used, reason = "a test may")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

use domain::catalogue::Service;
use domain::event::Event;
use domain::ledger::Ledger;
use domain::stage::Stage;
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::contract::sample;
use crate::faults::{Fault, Faults};

#[test]
fn a_cursor_reads_back_and_nothing_else_does() {
    let id: ApplicationId = "0190f4c0-0000-8000-8000-000000000001".parse().unwrap();
    let at: Timestamp = "2026-03-01T08:00:00.5Z".parse().unwrap();
    let cursor = Cursor(row::created_key(at, id));
    assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
    for odd in [String::new(), "x".into(), cursor.0.clone(), URL_SAFE_NO_PAD.encode("2026#1")] {
        assert_eq!(odd.parse::<Cursor>(), Err(CursorError), "{odd}");
    }
}

/// An application without a wake-up time whose item has exactly `bytes` bytes.
fn sized(number: u64, bytes: usize) -> StoredApplication {
    let mut stored = sample::stored("east-app", number);
    stored.encrypted.clear();
    let rest = row::Row::new(&stored, None).size();
    stored.encrypted = vec![0; bytes - rest];
    assert_eq!(row::Row::new(&stored, None).size(), bytes);
    stored
}

#[tokio::test]
async fn a_write_costs_whole_kibibytes_of_the_larger_item() {
    for (bytes, table) in [(2047, 2), (2048, 2), (2049, 3)] {
        let store = FakeStore::default();
        store.create(&sized(1, bytes), None).await.unwrap();
        assert_eq!(
            store.units(),
            Units { table, indexes: 4 },
            "{bytes} bytes and the entries by tenant, service, phase and person"
        );
    }
    let store = FakeStore::default();
    let first = sized(1, 2048);
    store.create(&first, None).await.unwrap();
    let second = sample::after(&first, vec![sample::document_stored()], 5);
    store.append(1, &second, None).await.unwrap();
    assert_eq!(store.units(), Units { table: 2 + 3, indexes: 4 }, "an event makes it larger");
    store.append(1, &sample::after(&first, vec![Event::Withdrawn], 6), None).await.unwrap();
    assert_eq!(store.units(), Units { table: 2 + 3 + 3, indexes: 4 }, "a failed condition is paid for");
    store.get(first.id()).await.unwrap();
    assert_eq!(store.units().total(), 12, "a read is none");
}

#[tokio::test]
async fn an_index_entry_costs_one_to_put_one_to_remove_and_nothing_to_keep() {
    let store = FakeStore::default();
    let stored = sized(1, 1000);
    let at = |seconds| Some(sample::start() + SignedDuration::from_secs(seconds));
    store.create(&stored, at(60)).await.unwrap();
    assert_eq!(store.units().indexes, 5, "one in each index of a draft");
    store.touch(stored.id(), 1, at(60)).await.unwrap();
    assert_eq!(store.units().indexes, 5, "nothing has changed");
    store.touch(stored.id(), 1, at(90)).await.unwrap();
    assert_eq!(store.units().indexes, 7, "a changed key is a removal and a new entry");
    store.touch(stored.id(), 1, None).await.unwrap();
    assert_eq!(store.units().indexes, 8, "a removal");
    store.touch(stored.id(), 1, None).await.unwrap();
    assert_eq!(store.units().indexes, 8, "no entry before, none after");
}

#[tokio::test]
async fn a_lost_answer_is_a_write_that_can_be_repeated() {
    let faults = Faults::default();
    let store = FakeStore::new(faults.clone());
    let first = sample::stored("east-app", 1);
    let second = sample::after(&first, vec![sample::document_stored()], 5);
    faults.plan(1, Fault::Before);
    faults.plan(2, Fault::AnswerLost);
    faults.plan(4, Fault::Throttled);
    faults.plan(5, Fault::AnswerLost);
    assert_eq!(store.create(&first, None).await, Err(StoreError::Unavailable));
    assert_eq!(store.ids(), [], "had no effect");
    assert_eq!(store.create(&first, None).await, Err(StoreError::Unavailable));
    assert_eq!(store.create(&first, None).await, Ok(Created::New), "had an effect, and it is ours");
    assert_eq!(store.append(1, &second, None).await, Err(StoreError::Throttled));
    assert_eq!(store.append(1, &second, None).await, Err(StoreError::Unavailable));
    assert_eq!(store.append(1, &second, None).await, Ok(AppendOutcome::Done));
    assert_eq!(store.get(first.id()).await, Ok(Some(second)));
}

#[tokio::test]
async fn only_an_expired_draft_may_be_removed_by_dynamodb() {
    let draft = sample::stored("east-app", 1);
    let submitted = Event::Submitted {
        due: domain::calendar::Calendar::official().deadline(domain::time::today(sample::start()), 20),
    };
    let expired = sample::after(&draft, vec![Event::Expired], 5);
    let handed_in = sample::after(&draft, vec![submitted, Event::Expired], 5);
    let days = SignedDuration::from_hours(24 * EXPIRED_DRAFT_DAYS);
    let removed_at = sample::start() + SignedDuration::from_secs(5) + days;
    assert_eq!(row::time_to_live(&draft), None);
    assert_eq!(row::time_to_live(&expired), Some(removed_at.as_second()));
    assert_eq!(row::time_to_live(&handed_in), None, "nothing accepted is ever lost");
}

#[tokio::test]
async fn o8_an_application_is_postponed_without_its_record_while_it_is_due() {
    let store = FakeStore::default();
    let stored = sample::stored("east-app", 1);
    let at = |minutes| sample::start() + SignedDuration::from_mins(minutes);
    store.create(&stored, Some(at(10))).await.unwrap();
    store.rewrite_last(stored.id(), |_| b"{}".to_vec());
    assert!(store.get(stored.id()).await.is_err(), "the record cannot be read");
    store.postpone(stored.id(), at(9), at(20)).await.unwrap();
    assert_eq!(store.wake(stored.id()), Some(at(10)), "not due yet");
    store.postpone(stored.id(), at(11), at(20)).await.unwrap();
    assert_eq!(store.wake(stored.id()), Some(at(20)));
    store.postpone(sample::id(2), at(11), at(20)).await.unwrap();
    assert_eq!(store.ids(), [stored.id()], "a missing application stays missing");
}

#[tokio::test]
async fn o8_an_agencys_list_has_an_application_of_a_newer_version() {
    let store = FakeStore::default();
    let due = domain::calendar::Calendar::official().deadline(domain::time::today(sample::start()), 20);
    let events = vec![Event::Submitted { due }, Event::Dispatched { leg: 0 }];
    let stored = sample::after(&sample::stored("east-app", 1), events, 5);
    store.create(&stored, None).await.unwrap();
    let newer = serde_json::json!({ "t": "decided_at_once", "leg": 0 });
    store.rewrite_last(stored.id(), |entry| sample::newer(&entry, &newer));
    let listed = |agency: &str| {
        let (store, agency) = (store.clone(), agency.parse().unwrap());
        async move { store.before_agency(&agency, 10, None).await.unwrap().items.len() }
    };
    assert_eq!((listed("11").await, listed("37").await), (1, 0));
    assert_eq!(store.list(&sample::tenant("east-app"), 10, None).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn o5_an_application_under_another_tenants_key_is_in_no_list() {
    let store = FakeStore::default();
    let stored = sample::stored("east-app", 1);
    store.create(&stored, None).await.unwrap();
    store.misplace(stored.id(), &sample::tenant("west-app"));
    let service = stored.ledger.state().opened.service;
    for tenant in ["east-app", "west-app"].map(sample::tenant) {
        let filters = [
            ListFilter::default(),
            ListFilter { service: Some(service), ..ListFilter::default() },
            ListFilter { stage: Some(Stage::Draft), ..ListFilter::default() },
        ];
        for filter in filters {
            let page = store.list_by(&tenant, &filter, PAGE, None).await.unwrap();
            assert_eq!(page.items, [], "{tenant} {filter:?}");
        }
    }
}

/// Rows (entries of indexes and items) that the first page of a list reads, and the applications that the page shows.
async fn reads(store: &FakeStore, by: &ListFilter, limit: usize) -> (usize, usize) {
    let before = store.listed();
    let page = store.list_by(&sample::tenant("east-app"), by, limit, None).await.unwrap();
    (store.listed() - before, page.items.len())
}

/// What a page reads beyond twice what it shows: less than a share of the page of each of up to nine key ranges, and one
/// entry that shows whether there is a next page.
const BEYOND: usize = 9 * (PAGE / 8 + 1) + 2;

/// One tenant with `count` applications. Most are drafts; one in a thousand is submitted, and one in ten thousand overdue.
/// With `late`, most are overdue, and one in a hundred is not.
async fn filled(count: u64, late: bool) -> FakeStore {
    let store = FakeStore::default();
    let due = domain::calendar::Calendar::official().deadline(domain::time::today(sample::start()), 20);
    let (submitted, overdue) = if late { (1, 1) } else { (1000, 10_000) };
    for number in 0..count {
        let draft = sample::stored("east-app", number);
        store.create(&draft, None).await.unwrap();
        if number % submitted == 0 {
            let mut events = vec![Event::Submitted { due }];
            let is_overdue = number % overdue == 0 && !(late && number % 100 == 50);
            events.extend(is_overdue.then_some(Event::Overdue { leg: 0 }));
            store.append(1, &sample::after(&draft, events, 5), None).await.unwrap();
        }
    }
    store
}

/// Every combination of conditions: each absent, met by many, and met by none or few.
fn filters() -> Vec<ListFilter> {
    let mut filters = Vec::new();
    let services = Service::all();
    for stage in
        [None, Some(Stage::Draft), Some(Stage::Submitted), Some(Stage::Collected), Some(Stage::Ready)]
    {
        for service in [None, services.first().copied(), services.last().copied()] {
            for agency in [None, Some("11"), Some("37")] {
                for overdue in [None, Some(true), Some(false)] {
                    let agency = agency.map(|code| code.parse().unwrap());
                    filters.push(ListFilter { stage, service, agency, overdue });
                }
            }
        }
    }
    filters
}

async fn lists_read_what_they_show(count: u64, late: bool) {
    let store = filled(count, late).await;
    for filter in filters() {
        for limit in [1, 50, 100] {
            let (read, shown) = reads(&store, &filter, limit).await;
            // Without an index of its own a list reads each application that it examines: its entry and its item.
            let examined = if filter.is_exact() { 0 } else { 2 * limit };
            assert!(
                read <= 2 * shown + examined + BEYOND,
                "{count}: {filter:?} reads {read} rows for {shown} of {limit}"
            );
            #[allow(clippy::print_stdout, reason = "figures are for a reader")]
            if limit == PAGE {
                let exact = if filter.is_exact() { "exact" } else { "examines a page" };
                println!(
                    "{count} applications, late {late}, {filter:?}, {exact}: {read} rows read, {shown} shown"
                );
            }
        }
    }
}

/// `TONGBAN_LIST_APPLICATIONS` adds a number of applications, for example a million, which takes minutes.
#[tokio::test]
async fn o12_a_restricted_list_reads_no_more_than_twice_what_it_shows() {
    lists_read_what_they_show(1_000, false).await;
    lists_read_what_they_show(1_000, true).await;
    lists_read_what_they_show(10_000, false).await;
    if std::env::var("TONGBAN_TESTS").is_ok_and(|form| form == "full") {
        lists_read_what_they_show(100_000, false).await;
    }
    if let Ok(count) = std::env::var("TONGBAN_LIST_APPLICATIONS") {
        lists_read_what_they_show(count.parse().unwrap(), false).await;
    }
}

/// Whatever the conditions, a list has exactly the applications that meet them, also those with the keys of an earlier
/// version.
#[tokio::test]
async fn o12_every_combination_of_conditions_lists_what_meets_it() {
    let store = FakeStore::default();
    let due = domain::calendar::Calendar::official().deadline(domain::time::today(sample::start()), 20);
    let mut all = Vec::new();
    for number in 0..60 {
        let mut stored = sample::stored("east-app", number);
        store.create(&stored, None).await.unwrap();
        let submitted = Event::Submitted { due };
        let events = match number % 5 {
            0 => Vec::new(),
            1 => vec![submitted],
            2 => vec![submitted, Event::Overdue { leg: 0 }],
            3 => vec![submitted, Event::Overdue { leg: 0 }, Event::Ready { place: "hall".to_owned() }],
            _ => vec![Event::Withdrawn],
        };
        if !events.is_empty() {
            stored = sample::after(&stored, events, 5);
            store.append(1, &stored, None).await.unwrap();
        }
        if number % 2 == 0 {
            store.age(stored.id());
            stored.person.clear();
        }
        all.insert(0, stored);
    }
    for filter in filters() {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.list_by(&sample::tenant("east-app"), &filter, 7, after).await.unwrap();
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<_> =
            all.iter().filter(|stored| filter.matches(stored.ledger.state())).cloned().collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// One call of a random sequence.
#[derive(Clone, Debug)]
enum Call {
    Create { number: u64, wake: Option<i64> },
    Append { number: u64, behind: u32, wake: Option<i64> },
    Touch { number: u64, behind: u32, wake: Option<i64> },
    List { tenant: u64, limit: usize },
    Due { now: i64, limit: usize },
}

fn call() -> impl Strategy<Value = Call> {
    let wake = || proptest::option::of(0..20_i64);
    let behind = || prop_oneof![4 => Just(0_u32), 1 => 1..3_u32];
    prop_oneof![
        3 => (0..12_u64, wake()).prop_map(|(number, wake)| Call::Create { number, wake }),
        5 => (0..12_u64, behind(), wake())
            .prop_map(|(number, behind, wake)| Call::Append { number, behind, wake }),
        2 => (0..12_u64, behind(), wake())
            .prop_map(|(number, behind, wake)| Call::Touch { number, behind, wake }),
        1 => (0..3_u64, 1..6_usize).prop_map(|(tenant, limit)| Call::List { tenant, limit }),
        1 => (0..20_i64, 1..6_usize).prop_map(|(now, limit)| Call::Due { now, limit }),
    ]
}

fn tenant_of(number: u64) -> String {
    format!("tenant-{}", number % 3)
}

fn at(seconds: i64) -> Timestamp {
    sample::start() + SignedDuration::from_secs(seconds)
}

/// The reference model: every answer is a search over a map.
#[derive(Default)]
struct Model(BTreeMap<ApplicationId, (StoredApplication, Option<i64>)>);

impl Model {
    fn list(&self, tenant: &str) -> Vec<StoredApplication> {
        let mut found: Vec<StoredApplication> = self
            .0
            .values()
            .map(|(stored, _)| stored)
            .filter(|stored| stored.ledger.state().tenant().as_str() == tenant)
            .cloned()
            .collect();
        found.sort_by_key(|stored| (stored.ledger.state().opened_at, stored.id().to_string()));
        found.reverse();
        found
    }

    fn due(&self, shard: u8, now: i64) -> Vec<ApplicationId> {
        let mut found: Vec<(i64, ApplicationId)> = self
            .0
            .iter()
            .filter(|(id, _)| due_shard(**id) == shard)
            .filter_map(|(id, (_, wake))| Some(((*wake)?, *id)))
            .filter(|(wake, _)| *wake <= now)
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }
}

async fn compare(store: &FakeStore, model: &mut Model, call: Call, step: i64) {
    match call {
        Call::Create { number, wake } => {
            let stored = sample::stored(&tenant_of(number), number);
            let expected = match model.0.get(&stored.id()) {
                Some((found, _)) => Created::Existing(Box::new(found.clone())),
                None => Created::New,
            };
            assert_eq!(store.create(&stored, wake.map(at)).await, Ok(expected));
            model.0.entry(stored.id()).or_insert((stored, wake));
        }
        Call::Append { number, behind, wake } => {
            let id = sample::id(number);
            let current = model.0.get(&id).map(|(stored, _)| stored.clone());
            let Some(current) = current else {
                let stored = sample::stored(&tenant_of(number), number);
                let after = sample::after(&stored, vec![Event::Received], step);
                assert_eq!(store.append(1, &after, wake.map(at)).await, Ok(AppendOutcome::Missing));
                return;
            };
            let expected_version = current.version().saturating_sub(behind).max(1);
            let until = usize::try_from(expected_version).unwrap();
            let lines = current.ledger.entries()[..until].iter().map(|line| line.bytes.clone());
            let then = StoredApplication { ledger: Ledger::read(id, lines).unwrap(), ..current.clone() };
            let after = sample::after(&then, vec![sample::document_stored()], step);
            let answer = store.append(expected_version, &after, wake.map(at)).await;
            if expected_version == current.version() {
                assert_eq!(answer, Ok(AppendOutcome::Done));
                model.0.insert(id, (after, wake));
            } else {
                assert_eq!(answer, Ok(AppendOutcome::Conflict(Box::new(current))));
            }
        }
        Call::Touch { number, behind, wake } => {
            let id = sample::id(number);
            let version = model.0.get(&id).map_or(1, |(stored, _)| stored.version()) + behind;
            assert_eq!(store.touch(id, version, wake.map(at)).await, Ok(()));
            if let Some((_, known)) = model.0.get_mut(&id).filter(|_| behind == 0) {
                *known = wake;
            }
        }
        Call::List { tenant, limit } => {
            let (name, mut cursor, mut found) = (tenant_of(tenant), None, Vec::new());
            loop {
                let page = store.list(&sample::tenant(&name), limit, cursor).await.unwrap();
                found.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found, model.list(&name));
        }
        Call::Due { now, limit } => {
            for shard in 0..DUE_SHARDS {
                let mut expected = model.due(shard, now);
                expected.truncate(limit);
                assert_eq!(store.due(shard, at(now), limit).await, Ok(expected));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_fake_answers_like_a_plain_map(calls in proptest::collection::vec(call(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, mut model) = (FakeStore::default(), Model::default());
            for (step, call) in (100..).zip(calls) {
                compare(&store, &mut model, call, step).await;
                for (id, (stored, wake)) in &model.0 {
                    assert_eq!(store.get(*id).await, Ok(Some(stored.clone())));
                    assert_eq!(store.wake(*id), wake.map(at));
                }
                assert_eq!(store.ids().len(), model.0.len());
            }
        });
    }
}

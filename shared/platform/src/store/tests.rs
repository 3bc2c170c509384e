#![allow(clippy::unwrap_used, reason = "a test may")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;

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
            Units { table, indexes: 3 },
            "{bytes} bytes and the entries by tenant, service and phase"
        );
    }
    let store = FakeStore::default();
    let first = sized(1, 2048);
    store.create(&first, None).await.unwrap();
    let second = sample::after(&first, vec![sample::document_stored()], 5);
    store.append(1, &second, None).await.unwrap();
    assert_eq!(store.units(), Units { table: 2 + 3, indexes: 3 }, "an event makes it larger");
    store.append(1, &sample::after(&first, vec![Event::Withdrawn], 6), None).await.unwrap();
    assert_eq!(store.units(), Units { table: 2 + 3 + 3, indexes: 3 }, "a failed condition is paid for");
    store.get(first.id()).await.unwrap();
    assert_eq!(store.units().total(), 11, "a read is none");
}

#[tokio::test]
async fn an_index_entry_costs_one_to_put_one_to_remove_and_nothing_to_keep() {
    let store = FakeStore::default();
    let stored = sized(1, 1000);
    let at = |seconds| Some(sample::start() + SignedDuration::from_secs(seconds));
    store.create(&stored, at(60)).await.unwrap();
    assert_eq!(store.units().indexes, 4, "one in each index of a draft");
    store.touch(stored.id(), 1, at(60)).await.unwrap();
    assert_eq!(store.units().indexes, 4, "nothing has changed");
    store.touch(stored.id(), 1, at(90)).await.unwrap();
    assert_eq!(store.units().indexes, 6, "a changed key is a removal and a new entry");
    store.touch(stored.id(), 1, None).await.unwrap();
    assert_eq!(store.units().indexes, 7, "a removal");
    store.touch(stored.id(), 1, None).await.unwrap();
    assert_eq!(store.units().indexes, 7, "no entry before, none after");
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
async fn o5_an_application_under_another_tenants_key_is_in_no_list() {
    let store = FakeStore::default();
    let stored = sample::stored("east-app", 1);
    store.create(&stored, None).await.unwrap();
    store.misplace(stored.id(), &sample::tenant("west-app"));
    let service = stored.ledger.state().opened.service;
    for tenant in ["east-app", "west-app"].map(sample::tenant) {
        for by in [ListBy::All, ListBy::Service(service), ListBy::Stage(Stage::Draft)] {
            let page = store.list_by(&tenant, &by, PAGE, None).await.unwrap();
            assert_eq!(page.items, [], "{tenant} {by:?}");
        }
    }
}

/// Rows (entries of indexes and items) that the first page of a list reads, and the applications that the page shows.
async fn reads(store: &FakeStore, by: &ListBy, limit: usize) -> (usize, usize) {
    let before = store.listed();
    let page = store.list_by(&sample::tenant("east-app"), by, limit, None).await.unwrap();
    (store.listed() - before, page.items.len())
}

/// What a page reads beyond twice what it shows: less than a share of the page of each of the eight key ranges of the
/// tenant index, and one entry that shows whether there is a next page.
const BEYOND: usize = 8 * (PAGE / 8 + 1) + 2;

/// One tenant with `count` applications, one in a thousand of which is submitted, and one in ten thousand overdue.
async fn filled(count: u64) -> FakeStore {
    let store = FakeStore::default();
    let due = domain::calendar::Calendar::official().deadline(domain::time::today(sample::start()), 20);
    for number in 0..count {
        let draft = sample::stored("east-app", number);
        store.create(&draft, None).await.unwrap();
        if number % 1000 == 0 {
            let mut events = vec![Event::Submitted { due }];
            events.extend((number % 10_000 == 0).then_some(Event::Overdue { leg: 0 }));
            store.append(1, &sample::after(&draft, events, 5), None).await.unwrap();
        }
    }
    store
}

async fn lists_read_what_they_show(count: u64) {
    let store = filled(count).await;
    let service = sample::stored("east-app", 0).ledger.state().opened.service;
    let agency = |code: &str| ListBy::Agency(code.parse().unwrap());
    let lists = [
        ListBy::All,
        ListBy::Overdue,
        agency("11"),
        agency("37"),
        ListBy::Service(service),
        ListBy::Stage(Stage::Draft),
        ListBy::Stage(Stage::Collected),
        ListBy::Stage(Stage::Withdrawn),
    ];
    for by in lists {
        for limit in [1, 50, 100] {
            let (read, shown) = reads(&store, &by, limit).await;
            assert!(read <= 2 * shown + BEYOND, "{count}: {by:?} reads {read} rows for {shown}");
            #[allow(clippy::print_stdout, reason = "figures are for a reader")]
            {
                println!("{count} applications, limit {limit}, {by:?}: {read} rows read, {shown} shown");
            }
        }
    }
    // All open cases of a tenant share a key, so a stage among them reads the open cases, however many others there
    // are.
    let open = usize::try_from(count.div_ceil(1000)).unwrap();
    let (read, _) = reads(&store, &ListBy::Stage(Stage::Received), PAGE).await;
    assert!(read <= 2 * open.min(PAGE) + BEYOND, "{read} rows");
}

/// `TONGBAN_LIST_APPLICATIONS` adds a number of applications, for example a million, which takes minutes.
#[tokio::test]
async fn o12_a_restricted_list_reads_no_more_than_twice_what_it_shows() {
    lists_read_what_they_show(1_000).await;
    lists_read_what_they_show(10_000).await;
    if std::env::var("TONGBAN_TESTS").is_ok_and(|form| form == "full") {
        lists_read_what_they_show(100_000).await;
    }
    if let Ok(count) = std::env::var("TONGBAN_LIST_APPLICATIONS") {
        lists_read_what_they_show(count.parse().unwrap()).await;
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

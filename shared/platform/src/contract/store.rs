//! The contract suite of the store.

use std::collections::BTreeSet;
use std::future::Future;

use domain::calendar::Deadline;
use domain::catalogue::Service;
use domain::event::Event;
use domain::ids::ApplicationId;
use domain::stage::Stage;
use jiff::{SignedDuration, Timestamp};
use protocol::backlog::RESEND_SECONDS;
use tokio::task::JoinSet;

use super::{eventually, sample};
use crate::store::{
    AppendOutcome, Created, Cursor, DUE_SHARDS, ListFilter, PAGE, ResendMark, Store, StoredApplication,
    due_shard,
};

/// Runs the suite. `make` gives a store to each test: a new one or a shared one.
///
/// # Panics
/// When the store breaks the contract.
pub async fn store_contract<S: Store, F: Future<Output = S>>(make: impl Fn() -> F) {
    a_new_application_reads_back(&make().await).await;
    a_repeat_and_a_misuse_find_the_first(&make().await).await;
    the_very_same_create_is_recognised(&make().await).await;
    one_of_a_hundred_creates_wins(&make().await).await;
    an_append_needs_the_expected_version(&make().await).await;
    the_very_same_append_is_recognised(&make().await).await;
    one_of_twenty_appends_wins(&make().await).await;
    an_append_to_a_missing_application_fails(&make().await).await;
    the_due_index_is_sparse(&make().await).await;
    a_touch_needs_the_expected_version(&make().await).await;
    a_list_has_pages_newest_first(&make().await).await;
    a_cursor_stays_valid(&make().await).await;
    a_list_is_restricted_by_its_index(&make().await).await;
    the_applications_of_a_person_are_found(&make().await).await;
    the_cases_of_an_agency_are_listed(&make().await).await;
    a_resend_can_be_requested_again_after_a_while(&make().await).await;
}

/// A tenant and ids that no other test or run uses.
struct Fresh {
    tenant: String,
    nonce: String,
}

impl Fresh {
    fn new() -> Self {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Fresh { tenant: format!("t-{nonce}"), nonce }
    }

    fn id(&self, number: u64) -> ApplicationId {
        sample::id_of(&format!("{}/{number}", self.nonce))
    }

    fn stored(&self, number: u64) -> StoredApplication {
        sample::stored_as(&self.tenant, self.id(number), number)
    }
}

/// A time long before any real wake-up time, so that a test sees only its own applications.
fn early(seconds: i64) -> Timestamp {
    Timestamp::constant(978_307_200, 0) + SignedDuration::from_secs(seconds)
}

async fn create(store: &impl Store, stored: &StoredApplication, wake: Option<Timestamp>) -> Created {
    store.create(stored, wake).await.expect("an answer to create")
}

async fn append(
    store: &impl Store,
    expected_version: u32,
    after: &StoredApplication,
    wake: Option<Timestamp>,
) -> AppendOutcome {
    store.append(expected_version, after, wake).await.expect("an answer to append")
}

async fn get(store: &impl Store, id: ApplicationId) -> Option<StoredApplication> {
    store.get(id).await.expect("an answer to get")
}

async fn a_new_application_reads_back(store: &impl Store) {
    let stored = Fresh::new().stored(1);
    assert_eq!(get(store, stored.id()).await, None);
    assert_eq!(create(store, &stored, None).await, Created::New);
    assert_eq!(get(store, stored.id()).await, Some(stored));
}

async fn a_repeat_and_a_misuse_find_the_first(store: &impl Store) {
    let fresh = Fresh::new();
    let first = fresh.stored(1);
    create(store, &first, None).await;
    let repeat = fresh.stored(1);
    assert_ne!(repeat, first, "a repeat is encrypted again");
    assert_eq!(create(store, &repeat, None).await, Created::Existing(Box::new(first.clone())));
    let misuse = StoredApplication { payload_hash: [8; 32], ..fresh.stored(1) };
    assert_eq!(create(store, &misuse, None).await, Created::Existing(Box::new(first.clone())));
    assert_eq!(get(store, first.id()).await, Some(first));
}

async fn the_very_same_create_is_recognised(store: &impl Store) {
    let stored = Fresh::new().stored(1);
    create(store, &stored, None).await;
    assert_eq!(create(store, &stored, None).await, Created::New);
    let after = sample::after(&stored, vec![sample::document_stored()], 5);
    append(store, 1, &after, None).await;
    assert_eq!(create(store, &stored, None).await, Created::New, "also after later appends");
    assert_eq!(get(store, stored.id()).await, Some(after), "a repeated create undoes nothing");
}

async fn one_of_a_hundred_creates_wins(store: &impl Store) {
    let fresh = Fresh::new();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (store, stored) = (store.clone(), fresh.stored(1));
        tasks.spawn(async move {
            match create(&store, &stored, None).await {
                Created::New => (true, stored),
                Created::Existing(found) => (false, *found),
            }
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|(new, _)| *new).count(), 1);
    let stored = get(store, fresh.id(1)).await.expect("the created application");
    assert!(answers.iter().all(|(_, answer)| *answer == stored), "all answers are the created application");
}

async fn an_append_needs_the_expected_version(store: &impl Store) {
    let first = Fresh::new().stored(1);
    create(store, &first, None).await;
    let second = sample::after(&first, vec![sample::document_stored()], 5);
    assert_eq!(append(store, 1, &second, None).await, AppendOutcome::Done);
    assert_eq!(get(store, first.id()).await, Some(second.clone()));
    let stale = sample::after(&first, vec![Event::Withdrawn], 6);
    assert_eq!(append(store, 1, &stale, None).await, AppendOutcome::Conflict(Box::new(second.clone())));
    assert_eq!(get(store, first.id()).await, Some(second.clone()), "a conflict changes nothing");
    let two_more = sample::after(&second, vec![sample::document_stored(), Event::Withdrawn], 7);
    assert_eq!(append(store, 2, &two_more, None).await, AppendOutcome::Done);
    assert_eq!(get(store, first.id()).await, Some(two_more));
}

async fn the_very_same_append_is_recognised(store: &impl Store) {
    let first = Fresh::new().stored(1);
    create(store, &first, None).await;
    let second = sample::after(&first, vec![sample::document_stored()], 5);
    append(store, 1, &second, None).await;
    assert_eq!(append(store, 1, &second, None).await, AppendOutcome::Done);
    let third = sample::after(&second, vec![Event::Withdrawn], 6);
    append(store, 2, &third, None).await;
    assert_eq!(append(store, 1, &second, None).await, AppendOutcome::Done, "also after later appends");
    assert_eq!(get(store, first.id()).await, Some(third), "a repeated append writes nothing twice");
}

async fn one_of_twenty_appends_wins(store: &impl Store) {
    let first = Fresh::new().stored(1);
    create(store, &first, None).await;
    let mut tasks = JoinSet::new();
    for seconds in 0..20 {
        let (store, after) = (store.clone(), sample::after(&first, vec![sample::document_stored()], seconds));
        tasks.spawn(async move { (append(&store, 1, &after, None).await, after) });
    }
    let answers = tasks.join_all().await;
    let won: Vec<_> = answers.iter().filter(|(answer, _)| *answer == AppendOutcome::Done).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(get(store, first.id()).await.as_ref(), won.first().map(|(_, after)| after));
}

async fn an_append_to_a_missing_application_fails(store: &impl Store) {
    let first = Fresh::new().stored(1);
    let second = sample::after(&first, vec![sample::document_stored()], 5);
    assert_eq!(append(store, 1, &second, None).await, AppendOutcome::Missing);
    assert_eq!(get(store, first.id()).await, None);
}

async fn is_due(store: &impl Store, id: ApplicationId, now: Timestamp, expected: bool) -> bool {
    let read =
        || async { store.due(due_shard(id), now, 1000).await.expect("an answer to due").contains(&id) };
    eventually(read, |due| *due == expected).await
}

async fn the_due_index_is_sparse(store: &impl Store) {
    let fresh = Fresh::new();
    let first = fresh.stored(1);
    create(store, &first, Some(early(60))).await;
    assert!(is_due(store, first.id(), early(60), true).await, "due at its time");
    assert!(!is_due(store, first.id(), early(59), false).await, "not due before its time");
    for shard in (0..DUE_SHARDS).filter(|shard| *shard != due_shard(first.id())) {
        let others = store.due(shard, early(60), 1000).await.expect("an answer to due");
        assert!(!others.contains(&first.id()), "due only in its own shard");
    }
    let last = sample::after(&first, vec![Event::Withdrawn], 5);
    append(store, 1, &last, None).await;
    assert!(!is_due(store, first.id(), early(60), false).await, "a final application is out of the index");

    let both = [2, 3].map(|number| fresh.stored(number));
    for (stored, wake) in both.iter().zip([90, 80]) {
        create(store, stored, Some(early(wake))).await;
        assert!(is_due(store, stored.id(), early(90), true).await);
    }
    let never = fresh.stored(4);
    create(store, &never, None).await;
    assert!(!is_due(store, never.id(), Timestamp::MAX, false).await, "no wake-up time, no entry");
    for stored in &both {
        append(store, 1, &sample::after(stored, vec![Event::Withdrawn], 5), None).await;
    }
}

async fn a_touch_needs_the_expected_version(store: &impl Store) {
    let first = Fresh::new().stored(1);
    create(store, &first, Some(early(60))).await;
    let touch = async |version, wake| {
        store.touch(first.id(), version, wake).await.expect("an answer to touch");
    };
    touch(2, Some(early(600))).await;
    touch(0, None).await;
    assert!(is_due(store, first.id(), early(60), true).await, "a touch at another version has no effect");
    touch(1, Some(early(600))).await;
    assert!(
        !is_due(store, first.id(), early(599), false).await,
        "a touch at the current version moves the time"
    );
    assert!(is_due(store, first.id(), early(600), true).await);
    touch(1, None).await;
    assert!(!is_due(store, first.id(), early(600), false).await, "a touch without a time removes the entry");
    assert_eq!(get(store, first.id()).await, Some(first.clone()), "a touch changes nothing else");
    store.touch(sample::id_of("nothing"), 1, None).await.expect("an answer for nothing");
}

/// Follows the cursor to the end.
async fn all_pages(store: &impl Store, tenant: &str, limit: usize) -> Vec<Vec<StoredApplication>> {
    let mut pages = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = store.list(&sample::tenant(tenant), limit, cursor).await.expect("an answer to list");
        assert!(page.items.len() <= limit);
        pages.push(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return pages;
        }
        assert!(pages.len() < 100, "a list has an end");
    }
}

async fn a_list_has_pages_newest_first(store: &impl Store) {
    let (fresh, other) = (Fresh::new(), Fresh::new());
    let mut all: Vec<StoredApplication> = (1..=25).map(|number| fresh.stored(number)).collect();
    for stored in &all {
        create(store, stored, None).await;
    }
    all.reverse();
    let shards: BTreeSet<u8> = all.iter().map(|stored| stored.id().as_uuid().as_bytes()[15] % 8).collect();
    assert!(shards.len() > 3, "the samples are spread over shards");
    let first_page = async || store.list(&sample::tenant(&fresh.tenant), PAGE, None).await.expect("a list");
    let page = eventually(first_page, |page| page.items.len() == 25).await;
    assert_eq!(page.items, all);
    assert_eq!(page.next, None);
    for limit in [1, 4, 5, 24, 25] {
        let pages = all_pages(store, &fresh.tenant, limit).await;
        assert_eq!(pages.len(), 25_usize.div_ceil(limit), "full pages of {limit}");
        assert_eq!(pages.concat(), all, "pages of {limit}");
    }
    assert_eq!(all_pages(store, &other.tenant, 5).await, [Vec::new()], "another tenant sees nothing");
    let cursor = store.list(&sample::tenant(&fresh.tenant), 5, None).await.expect("a list").next;
    let theirs = store.list(&sample::tenant(&other.tenant), 5, cursor).await.expect("a list");
    assert_eq!(theirs.items, [], "also with the first tenant's cursor");
}

async fn a_cursor_stays_valid(store: &impl Store) {
    let fresh = Fresh::new();
    let tenant = sample::tenant(&fresh.tenant);
    let old: Vec<StoredApplication> = (1..=6).map(|number| fresh.stored(number)).collect();
    for stored in &old {
        create(store, stored, None).await;
    }
    let first_page = async || store.list(&tenant, PAGE, None).await.expect("a list");
    eventually(first_page, |page| page.items.len() == 6).await;
    let first = store.list(&tenant, 3, None).await.expect("a list");
    create(store, &fresh.stored(7), None).await;
    append(store, 1, &sample::after(&old[0], vec![sample::document_stored()], 50), None).await;
    eventually(first_page, |page| page.items.len() == 7).await;
    let cursor = first.next.expect("more").to_string().parse().expect("a cursor of ours");
    let second = store.list(&tenant, 3, Some(cursor)).await.expect("a list");
    let ids: Vec<ApplicationId> = second.items.iter().map(StoredApplication::id).collect();
    assert_eq!(ids, [3, 2, 1].map(|number| fresh.id(number)), "newer applications do not shift the page");
    assert_eq!(
        second.items.last().map(StoredApplication::version),
        Some(2),
        "the page shows the current version"
    );
    assert_eq!(second.next, None);
}

async fn a_list_is_restricted_by_its_index(store: &impl Store) {
    let (fresh, other) = (Fresh::new(), Fresh::new());
    let tenant = sample::tenant(&fresh.tenant);
    let due = Deadline { date: jiff::civil::date(2026, 3, 31), provisional: false };
    let mut all: Vec<StoredApplication> = (1..=12).map(|number| fresh.stored(number)).collect();
    for stored in &all {
        create(store, stored, None).await;
    }
    create(store, &other.stored(1), None).await;
    for (number, stored) in all.iter_mut().enumerate() {
        let events = match number % 4 {
            0 => continue,
            1 => vec![Event::Submitted { due }],
            2 => vec![Event::Submitted { due }, Event::Overdue { leg: 0 }],
            _ => vec![Event::Withdrawn],
        };
        *stored = sample::after(stored, events, 100);
        append(store, 1, stored, None).await;
    }
    all.reverse();
    let service = all[0].ledger.state().opened.service;
    let elsewhere = Service::all().into_iter().find(|other| *other != service).expect("two services");
    let agency = |code: &str| Some(code.parse().expect("an agency"));
    let by = ListFilter::default;
    let of = |stage| ListFilter { stage: Some(stage), ..by() };
    for (by, count) in [
        (by(), 12),
        (ListFilter { service: Some(service), ..by() }, 12),
        (ListFilter { service: Some(elsewhere), ..by() }, 0),
        (of(Stage::Draft), 3),
        (of(Stage::Submitted), 6),
        (of(Stage::Withdrawn), 3),
        (of(Stage::Received), 0),
        (ListFilter { overdue: Some(true), ..by() }, 3),
        (ListFilter { overdue: Some(false), ..by() }, 9),
        (ListFilter { overdue: Some(false), service: Some(service), ..by() }, 9),
        (ListFilter { agency: agency("11"), ..by() }, 6),
        (ListFilter { agency: agency("37"), ..by() }, 0),
        (ListFilter { agency: agency("11"), overdue: Some(true), service: Some(service), ..by() }, 3),
        (ListFilter { agency: agency("11"), overdue: Some(false), ..of(Stage::Submitted) }, 3),
        (ListFilter { service: Some(service), ..of(Stage::Withdrawn) }, 3),
        (ListFilter { agency: agency("11"), ..of(Stage::Draft) }, 0),
    ] {
        let expected: Vec<StoredApplication> =
            all.iter().filter(|stored| by.matches(stored.ledger.state())).cloned().collect();
        assert_eq!(expected.len(), count, "{by:?}");
        let listed = async || {
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let page = store.list_by(&tenant, &by, 5, after).await.expect("a list");
                assert!(page.items.len() <= 5);
                listed.extend(page.items);
                after = page.next;
                if after.is_none() {
                    return listed;
                }
            }
        };
        assert_eq!(eventually(&listed, |listed| listed.len() == count).await, expected, "{by:?}");
    }
}

/// Case P10 of `tests/FIELD_CASES.md`.
async fn the_applications_of_a_person_are_found(store: &impl Store) {
    let (fresh, other) = (Fresh::new(), Fresh::new());
    let value = |key: &str| format!("{key}.{}", &fresh.nonce[..22]);
    let of = |fresh: &Fresh, number, person: &[String]| StoredApplication {
        person: person.to_vec(),
        ..fresh.stored(number)
    };
    // The key was rotated between the first application and the others, one of which is another tenant's.
    let (former, present) = (vec![value("old1")], vec![value("new1"), value("old1")]);
    let mut all = vec![of(&fresh, 1, &former), of(&other, 2, &present), of(&fresh, 3, &present)];
    for stored in &all {
        create(store, stored, None).await;
        assert_eq!(get(store, stored.id()).await.as_ref(), Some(stored), "the values read back");
    }
    create(store, &fresh.stored(4), None).await;
    all.reverse();
    let found = async |except: Option<ApplicationId>, limit| {
        store.of_person(&present, except, limit).await.expect("an answer to of_person")
    };
    assert_eq!(eventually(|| found(None, 9), |found| found.len() == 3).await, all, "newest first");
    assert_eq!(found(None, 2).await, all[..2]);
    assert_eq!(found(Some(all[0].id()), 2).await, all[1..]);
    assert_eq!(store.of_person(&former, Some(all[2].id()), 9).await, Ok(Vec::new()));
    // A correction may make a draft another person's.
    let mut corrected = sample::after(&all[0], vec![sample::corrected()], 5);
    corrected.person = vec![value("new2")];
    append(store, 1, &corrected, None).await;
    assert_eq!(get(store, corrected.id()).await, Some(corrected));
    assert_eq!(eventually(|| found(None, 9), |found| found.len() == 2).await, all[1..]);
}

async fn the_cases_of_an_agency_are_listed(store: &impl Store) {
    let fresh = Fresh::new();
    let ids: Vec<ApplicationId> = (1..=7).map(|number| fresh.id(number)).collect();
    let due = Deadline { date: jiff::civil::date(2026, 3, 31), provisional: false };
    let mut open = Vec::new();
    for number in 1..=7 {
        let draft = fresh.stored(number);
        create(store, &draft, None).await;
        open.push(sample::after(&draft, vec![Event::Submitted { due }], 100));
    }
    // A shared table may hold other cases of this agency.
    let listed = async || {
        let mut ours = Vec::new();
        let mut after = None;
        loop {
            let page =
                store.before_agency(&"11".parse().expect("an agency"), 3, after).await.expect("a list");
            assert!(page.items.len() <= 3);
            ours.extend(page.items.into_iter().filter(|stored| ids.contains(&stored.id())));
            after = page.next;
            if after.is_none() {
                return ours;
            }
        }
    };
    assert_eq!(listed().await, [], "a draft is no case of an agency");
    for stored in &open {
        append(store, 1, stored, None).await;
    }
    assert_eq!(eventually(&listed, |ours| ours.len() == 7).await, open, "oldest first, over all shards");
    let withdrawn = sample::after(&open[2], vec![Event::Withdrawn], 200);
    append(store, 2, &withdrawn, None).await;
    open.remove(2);
    assert_eq!(eventually(&listed, |ours| ours.len() == 6).await, open);
    let others = store.before_agency(&"37".parse().expect("an agency"), PAGE, None).await.expect("a list");
    assert!(others.items.iter().all(|stored| !ids.contains(&stored.id())), "another agency sees nothing");
}

async fn a_resend_can_be_requested_again_after_a_while(store: &impl Store) {
    let stored = Fresh::new().stored(1);
    let request = async |message, seconds| {
        let now = sample::start() + SignedDuration::from_secs(seconds);
        store.mark_for_resend(stored.id(), message, now).await.expect("an answer to mark_for_resend")
    };
    assert_eq!(request(2, 0).await, ResendMark::Missing);
    create(store, &stored, None).await;
    assert_eq!(request(5, 0).await, ResendMark::Set);
    assert_eq!(request(5, 0).await, ResendMark::Set, "the very same mark is recognised");
    assert_eq!(request(2, RESEND_SECONDS - 1).await, ResendMark::TooSoon);
    assert_eq!(
        request(3, RESEND_SECONDS).await,
        ResendMark::Set,
        "exactly old enough, whatever the messages"
    );
    assert_eq!(request(2, RESEND_SECONDS + 1).await, ResendMark::TooSoon);
    assert_eq!(get(store, stored.id()).await, Some(stored.clone()), "the record does not change");
    let after = sample::after(&stored, vec![sample::document_stored()], 5);
    assert_eq!(append(store, 1, &after, None).await, AppendOutcome::Done, "the version does not change");
}

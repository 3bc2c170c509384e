//! Reads of an app: conditional requests, filtered lists, waiting for events.

use http_kit::testing::{Answer, TestHub};
use std::time::Duration;

use domain::command::{Actor, Attempt, Command};
use domain::event::Event;
use platform::apply::apply;
use serde_json::{Value, json};

use crate::support::{adult, new_hub};

/// Creates a draft and returns its id.
async fn draft(test_hub: &TestHub, key: &str) -> String {
    let answer = test_hub.create(key, &adult()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.id()
}

async fn conditional(test_hub: &TestHub, method: &str, path: &str, name: &str, value: &str) -> Answer {
    let request =
        test_hub.request(method, path, "hohhot-app").header(name, value).header("idempotency-key", "k");
    test_hub.send(request.body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_unchanged_application_is_304() {
    let test_hub = new_hub();
    let created = test_hub.create("create", &adult()).await;
    assert_eq!(created.headers["etag"], "\"1\"");
    let path = format!("/v1/applications/{}", created.id());
    let same = conditional(&test_hub, "GET", &path, "if-none-match", "\"1\"").await;
    assert_eq!((same.status, same.bytes.len(), &same.headers["etag"]), (304, 0, &created.headers["etag"]));
    let withdrawn = conditional(&test_hub, "POST", &format!("{path}/withdraw"), "if-match", "\"1\"").await;
    assert_eq!((withdrawn.status, &withdrawn.headers["etag"]), (200, &"\"2\"".parse().unwrap()));
    let changed = conditional(&test_hub, "GET", &path, "if-none-match", "\"1\"").await;
    assert_eq!((changed.status, &changed.body["stage"]), (200, &json!("withdrawn")));
}

#[tokio::test]
async fn a_command_for_another_version_is_412_and_changes_nothing() {
    let test_hub = new_hub();
    let path = format!("/v1/applications/{}", draft(&test_hub, "create").await);
    let refused = conditional(&test_hub, "POST", &format!("{path}/withdraw"), "if-match", "\"2\"").await;
    assert_eq!((refused.status, refused.code()), (412, "precondition_failed"));
    assert_eq!(refused.body["version"], 1, "the problem states the current version");
    assert_eq!(test_hub.get(&path).await.body["stage"], "draft");
    // A repeat is answered although the version has changed.
    for _ in 0..2 {
        let done = conditional(&test_hub, "POST", &format!("{path}/withdraw"), "if-match", "\"1\"").await;
        assert_eq!((done.status, &done.body["stage"]), (200, &json!("withdrawn")));
    }
}

#[tokio::test]
async fn a_draft_shows_its_expiry() {
    let test_hub = new_hub();
    let view = test_hub.create("create", &adult()).await.body;
    let (opened, expires) = (&view["opened_at"], &view["expires_at"]);
    let moment = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(moment(expires).duration_since(moment(opened)).as_hours(), 24 * 30);
    let path = format!("/v1/applications/{}/withdraw", view["id"].as_str().unwrap());
    let withdrawn = conditional(&test_hub, "POST", &path, "accept-language", "en").await;
    assert!(withdrawn.body.get("expires_at").is_none());
}

async fn listed(test_hub: &TestHub, query: &str) -> (Vec<String>, Option<String>) {
    let answer = test_hub.get(&format!("/v1/applications?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ids = answer.body["applications"].as_array().unwrap().iter();
    let ids = ids.map(|view| view["id"].as_str().unwrap().to_owned()).collect();
    (ids, answer.body["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn a_list_is_filtered_and_its_cursor_loses_nothing() {
    let test_hub = new_hub();
    let mut drafts = Vec::new();
    let mut withdrawn = Vec::new();
    for number in 0..9 {
        let id = draft(&test_hub, &format!("create-{number}")).await;
        test_hub.hub.clock.advance(jiff::SignedDuration::from_secs(1));
        if number % 3 == 0 {
            let by = Actor::Tenant("hohhot-app".parse().unwrap());
            let withdraw = Attempt { by, key: None, command: Command::Withdraw, expected_version: None };
            apply(&test_hub.hub, id.parse().unwrap(), &withdraw, None).await.unwrap();
            withdrawn.insert(0, id);
        } else {
            drafts.insert(0, id);
        }
    }
    for (stage, expected) in [("draft", &drafts), ("withdrawn", &withdrawn)] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let (page, next) = listed(&test_hub, &format!("stage={stage}&limit=2{cursor}")).await;
            assert!(page.len() <= 2);
            found.extend(page);
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(&found, expected, "{stage}");
    }
    let count = async |query: &str| listed(&test_hub, query).await.0.len();
    assert_eq!(count("service=first_identity_card").await, 9);
    assert_eq!(count("service=household_transfer").await, 0);
    assert_eq!(count("overdue=true").await, 0);
    assert_eq!(count("agency=11").await, 0, "a draft has no agency yet");
    let view = test_hub.get(&format!("/v1/applications/{}", drafts[0])).await.body;
    let changed = view["changed_at"].as_str().unwrap();
    assert_eq!(count(&format!("updated_since={changed}")).await, 1);
    let wrong =
        test_hub.get("/v1/applications?stage=lost&overdue=perhaps&updated_since=today&agency=x").await;
    assert_eq!((wrong.status, wrong.faults().len()), (422, 4), "{}", wrong.body);
}

/// A page that finds nothing examined 500 applications, and the list had many such pages.
#[tokio::test]
async fn o12_a_list_whose_conditions_have_an_index_needs_one_page_to_find_nothing() {
    let test_hub = new_hub();
    for number in 0..600 {
        let stored = platform::contract::sample::stored("hohhot-app", number);
        platform::store::Store::create(&test_hub.hub.store, &stored, None).await.unwrap();
    }
    for query in [
        "overdue=true",
        "agency=37",
        "service=household_transfer",
        "stage=ready",
        "stage=received",
        "stage=withdrawn",
        "stage=received&service=first_identity_card",
        "overdue=true&stage=draft",
        "overdue=false&service=household_transfer",
        "agency=37&service=first_identity_card&overdue=false",
        "agency=11&stage=draft",
        "overdue=true&stage=received&agency=11",
        "stage=collected&service=first_identity_card&updated_since=2020-01-01T00:00:00Z",
    ] {
        let before = test_hub.hub.store.listed();
        assert_eq!(listed(&test_hub, query).await, (Vec::new(), None), "{query}");
        assert_eq!(test_hub.hub.store.listed() - before, 0, "{query}");
    }
    let before = test_hub.hub.store.listed();
    let (drafts, next) = listed(&test_hub, "stage=draft&limit=100").await;
    assert_eq!((drafts.len(), next.is_some()), (100, true));
    assert_eq!(test_hub.hub.store.listed() - before, 201, "each entry, its item, and one entry more");
}

/// Entries and items that a page reads beyond twice what it shows: a page of examined applications, and the shares of the
/// key ranges.
const BEYOND: usize = 2 * 100 + 120;

/// Most of the tenant's applications match no condition. Every list reads little for each page, has as many pages as it
/// must, and shows what a search through everything would show.
#[tokio::test]
async fn o12_no_page_of_any_list_reads_more_than_twice_what_it_shows_and_a_constant() {
    let test_hub = new_hub();
    let due = domain::calendar::Deadline { date: "2026-03-31".parse().unwrap(), provisional: false };
    let mut all = Vec::new();
    for number in 0..700 {
        let mut stored = platform::contract::sample::stored("hohhot-app", number);
        let store = &test_hub.hub.store;
        platform::store::Store::create(store, &stored, None).await.unwrap();
        let submitted = Event::Submitted { due };
        let events = match number % 100 {
            1 => vec![Event::Withdrawn],
            2..80 => vec![submitted, Event::Dispatched { leg: 0 }],
            80 => vec![submitted, Event::Dispatched { leg: 0 }, Event::Received],
            81..90 => vec![submitted, Event::Overdue { leg: 0 }],
            90..100 => vec![submitted, Event::Ready { place: "hall".to_owned() }],
            _ => Vec::new(),
        };
        if !events.is_empty() {
            stored =
                platform::contract::sample::after(&stored, events, 2000 + i64::try_from(number).unwrap());
            platform::store::Store::append(store, 1, &stored, None).await.unwrap();
        }
        all.insert(0, stored);
    }
    let since = platform::contract::sample::start() + jiff::SignedDuration::from_secs(2690);
    let since_query = format!("updated_since={since}");
    type Holds<'a> = &'a dyn Fn(&domain::application::Application) -> bool;
    let conditions: [(&str, Holds<'_>); 8] = [
        ("overdue=false", &|state| !state.overdue),
        ("overdue=true", &|state| state.overdue),
        ("stage=received", &|state| state.stage.name() == "received"),
        ("stage=ready", &|state| state.stage.name() == "ready"),
        ("stage=draft", &|state| state.stage.name() == "draft"),
        ("agency=11", &|state| state.leg_opened > 0),
        ("service=first_identity_card", &|_| true),
        (&since_query, &|state| state.changed_at >= since),
    ];
    for (one, holds) in conditions {
        for (other, also) in conditions {
            if one.split('=').next() == other.split('=').next() && one != other {
                continue;
            }
            let query = if one == other { one.to_owned() } else { format!("{one}&{other}") };
            let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
            loop {
                let before = test_hub.hub.store.listed();
                let (ids, next) = listed(&test_hub, &format!("{query}&limit=50{cursor}")).await;
                let read = test_hub.hub.store.listed() - before;
                assert!(read <= 2 * ids.len() + BEYOND, "{query}: {read} rows read, {} shown", ids.len());
                pages += 1;
                found.extend(ids);
                let Some(next) = next else { break };
                cursor = format!("&cursor={next}");
            }
            let expected: Vec<String> = all
                .iter()
                .filter(|stored| holds(stored.ledger.state()) && also(stored.ledger.state()))
                .map(|stored| stored.id().to_string())
                .collect();
            assert_eq!(found, expected, "{query}");
            assert!(pages <= found.len() / 50 + 700 / 100 + 2, "{query}: {pages} pages for {}", found.len());
        }
    }
}

#[tokio::test]
async fn i6_a_cursor_of_another_tenant_or_filter_is_refused() {
    let test_hub = new_hub();
    for number in 0..3 {
        draft(&test_hub, &format!("create-{number}")).await;
        test_hub.hub.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let next = listed(&test_hub, "stage=draft&limit=1").await.1.unwrap();
    for query in ["", "stage=withdrawn&", "stage=draft&overdue=false&", "service=first_identity_card&"] {
        let answer = test_hub.get(&format!("/v1/applications?{query}limit=1&cursor={next}")).await;
        assert_eq!((answer.status, answer.fault("/cursor").as_deref()), (422, Some("cursor")), "{query}");
    }
    let own = format!("/v1/applications?stage=draft&limit=2&cursor={next}");
    let theirs = test_hub.get_as("another-app", &own).await;
    assert_eq!((theirs.status, theirs.fault("/cursor").as_deref()), (422, Some("cursor")));
    let rest = test_hub.get(&own).await;
    assert_eq!((rest.status, rest.body["applications"].as_array().unwrap().len()), (200, 2), "another limit");
}

#[tokio::test]
async fn a28_a_weak_tag_in_if_match_is_named_as_the_reason() {
    let test_hub = new_hub();
    let path = format!("/v1/applications/{}/withdraw", draft(&test_hub, "create").await);
    for (tag, words) in [("W/\"1\"", "weak"), ("\"one\"", "not the ETag")] {
        let refused = conditional(&test_hub, "POST", &path, "if-match", tag).await;
        assert_eq!((refused.status, refused.code()), (412, "precondition_failed"));
        assert!(refused.body["detail"].as_str().unwrap().contains(words), "{}", refused.body);
    }
    let other = conditional(&test_hub, "POST", &path, "if-match", "\"7\"").await;
    assert_eq!((other.status, other.body.get("detail")), (412, None));
    // A proxy that compresses weakens the tag. For a read that is the same tag (RFC 9110, section 13.1.2).
    let read = path.trim_end_matches("/withdraw");
    assert_eq!(conditional(&test_hub, "GET", read, "if-none-match", "W/\"1\"").await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_an_event() {
    let test_hub = new_hub();
    let id = draft(&test_hub, "create").await;
    let path = |wait: u32| format!("/v1/applications/{id}/events?after=1&wait={wait}");
    let started = tokio::time::Instant::now();
    let nothing = test_hub.get(&path(20)).await;
    assert_eq!((nothing.status, &nothing.body["events"]), (200, &json!([])));
    assert_eq!(started.elapsed().as_secs(), 20);
    assert_eq!(test_hub.get(&path(21)).await.fault("/wait").as_deref(), Some("out_of_range"));

    let started = tokio::time::Instant::now();
    let waiting = {
        let (test_hub, path) = (test_hub.clone(), path(20));
        tokio::spawn(async move { test_hub.get(&path).await })
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    let withdraw = Attempt {
        by: Actor::Tenant("hohhot-app".parse().unwrap()),
        key: None,
        command: Command::Withdraw,
        expected_version: None,
    };
    apply(&test_hub.hub, id.parse().unwrap(), &withdraw, None).await.unwrap();
    let events = waiting.await.unwrap();
    assert_eq!(events.body["events"][0]["type"], "application.withdrawn");
    assert!((5..8).contains(&started.elapsed().as_secs()));

    let started = tokio::time::Instant::now();
    let after_end = test_hub.get(&format!("/v1/applications/{id}/events?after=2&wait=20")).await;
    assert_eq!(
        (after_end.status, started.elapsed().as_secs()),
        (200, 0),
        "a final application has no more events"
    );
    let stranger = test_hub.get_as("another-app", &path(20)).await;
    assert_eq!((stranger.status, started.elapsed().as_secs()), (404, 0));
}

#[tokio::test]
async fn unchanged_coverage_is_304() {
    let test_hub = new_hub();
    let path = "/v1/coverage?service=first_identity_card&from=150102&to=110105&age=30";
    let first = test_hub.get(path).await;
    assert_eq!((first.status, &first.headers["cache-control"]), (200, &"private, no-cache".parse().unwrap()));
    let fields = first.body["cases"][0]["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["pointer"] == "/commitment" && field["required"] == true));
    let tag = first.headers["etag"].to_str().unwrap();
    let same = conditional(&test_hub, "GET", path, "if-none-match", tag).await;
    assert_eq!((same.status, same.bytes.len()), (304, 0));
    let other = conditional(&test_hub, "GET", &path.replace("30", "10"), "if-none-match", tag).await;
    assert_eq!(other.status, 200);
}

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::IntoResponse as _;
use protocol::case::Case;
use protocol::jose::PrivateKey;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::case_handler::{CaseHandlerError, Outcome};
use crate::inbox::MemoryInbox;
use crate::journal::Entry;
use crate::stop::Stopper;
use crate::testing::{FakeQueue, TestFolder, agency, case, message, test_server};

/// A handler that keeps what it saw and does what a function says.
struct Clerk<W> {
    seen: Arc<Mutex<Vec<u32>>>,
    work: W,
}

impl<W, F> CaseHandler for Clerk<W>
where
    W: Fn(Case) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, CaseHandlerError>> + Send,
{
    async fn handle(&self, case: Case, _office: &HubClient) -> Result<Outcome, CaseHandlerError> {
        self.seen.lock().unwrap().push(case.version);
        (self.work)(case).await
    }
}

/// A running consumer.
struct Running {
    queue: FakeQueue,
    config: Config,
    hub: PrivateKey,
    seen: Arc<Mutex<Vec<u32>>>,
    entries: watch::Receiver<Vec<Entry>>,
    stopper: Stopper,
    task: JoinHandle<Result<(), ConsumerError>>,
}

fn run<W, F>(work: W, prepare: impl FnOnce(&FakeQueue, &Config, &PrivateKey)) -> Running
where
    W: Fn(Case) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, CaseHandlerError>> + Send + 'static,
{
    let (config, hub) = agency("http://127.0.0.1:1");
    let queue = FakeQueue::default();
    prepare(&queue, &config, &hub);
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let clerk = Clerk { seen: Arc::clone(&seen), work };
    let (sender, entries) = watch::channel(Vec::new());
    let journal = Journal::new(move |entry| sender.send_modify(|all| all.push(entry.clone())));
    let client = HubClient::new(&config).unwrap();
    let (stopper, stop) = Stop::new();
    let consumer = Consumer::new(&config, queue.clone(), clerk, client)
        .with_inbox(MemoryInbox::default())
        .with_journal(journal);
    Running { task: tokio::spawn(consumer.run(stop)), queue, config, hub, seen, entries, stopper }
}

impl Running {
    /// How often a message was handed out.
    fn deliveries(&self) -> usize {
        self.queue.deliveries()
    }

    /// Waits until the journal has this many entries of a kind; an hour of the paused clock at most.
    async fn until(&mut self, what: &str, times: usize) {
        let enough = |all: &Vec<Entry>| all.iter().filter(|e| e.what == what).count() >= times;
        let hour = Duration::from_secs(3600);
        let met = tokio::time::timeout(hour, self.entries.wait_for(enough)).await;
        assert!(met.is_ok(), "no {what}");
    }

    async fn end(self) -> (Vec<u32>, FakeQueue, Vec<Entry>) {
        self.stopper.ask();
        self.task.await.unwrap().unwrap();
        let seen = self.seen.lock().unwrap().clone();
        let entries = self.entries.borrow().clone();
        (seen, self.queue, entries)
    }
}

/// And a redrive that brings an old message after a new one changes nothing.
#[tokio::test(start_paused = true)]
async fn row_22_a_message_that_comes_again_is_handled_once() {
    let mut running = run(
        async |_| Ok(Outcome::Done),
        |queue, config, hub| {
            for version in [4, 4, 7, 5] {
                queue.send("1", message(&case(1, version), config, hub));
            }
        },
    );
    running.until("repeat", 2).await;
    let late = message(&case(1, 4), &running.config, &running.hub);
    running.queue.send("1", late);
    running.until("repeat", 3).await;
    let (seen, queue, _) = running.end().await;
    assert_eq!(seen, [4, 7], "an older version after a newer one is old news");
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_case_keeps_its_order_while_others_go_on() {
    let authenticator = Arc::new(Notify::new());
    let opened = Arc::clone(&authenticator);
    let work = move |case: Case| {
        let authenticator = Arc::clone(&opened);
        async move {
            match case.version {
                // The first message of case 1 is done only after case 2, which came last.
                10 => authenticator.notified().await,
                20 => authenticator.notify_one(),
                _ => {}
            }
            Ok(Outcome::Done)
        }
    };
    let mut running = run(work, |queue, config, hub| {
        for (number, version) in [(1, 10), (1, 11), (1, 12), (2, 20)] {
            queue.send(&number.to_string(), message(&case(number, version), config, hub));
        }
    });
    running.until("handled", 4).await;
    let (seen, queue, _) = running.end().await;
    assert_eq!(seen, [10, 20, 11, 12]);
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn row_21_what_cannot_be_read_is_left_and_stops_only_its_own_case() {
    let canary = "110101202311012176";
    let mut running = run(
        async |_| Ok(Outcome::Done),
        |queue, config, hub| {
            let (other, other_hub) = agency("http://127.0.0.1:1");
            let mut elsewhere = case(6, 4);
            elsewhere.agency = "12".parse().unwrap();
            queue.send("3", format!("{{\"name\":\"{canary}\"}}"));
            queue.send("4", message(&case(4, 4), &other, hub));
            queue.send("5", message(&case(5, 4), config, &other_hub));
            queue.send("6", message(&elsewhere, config, hub));
            queue.send("6", message(&case(6, 5), config, hub));
            queue.send("7", message(&case(7, 9), config, hub));
        },
    );
    running.until("unreadable", 8).await;
    let (seen, queue, entries) = running.end().await;
    assert_eq!(seen, [9]);
    let left = queue.messages();
    assert_eq!(left.len(), 5);
    assert!(left[0].times >= 2, "it came again");
    assert!(!format!("{entries:?}").contains(canary));
}

#[tokio::test(start_paused = true)]
async fn long_work_keeps_its_message() {
    let work = async |_| {
        tokio::time::sleep(Duration::from_secs(900)).await;
        Ok(Outcome::Done)
    };
    let mut running = run(work, |queue, config, hub| {
        queue.send("1", message(&case(1, 4), config, hub));
        queue.send("1", message(&case(1, 6), config, hub));
    });
    running.until("handled", 2).await;
    assert_eq!(running.deliveries(), 2, "each was delivered once");
    let (seen, queue, _) = running.end().await;
    assert_eq!(seen, [4, 6]);
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn row_20_a_delivery_that_comes_while_its_elder_is_at_work_waits() {
    let work = async |_| {
        tokio::time::sleep(Duration::from_secs(900)).await;
        Ok(Outcome::Done)
    };
    let mut running = run(work, |queue, config, hub| {
        // The message cannot be hidden for longer, and so is delivered again and again.
        queue.fail_hide(true);
        queue.send("1", message(&case(1, 4), config, hub));
    });
    running.until("handled", 1).await;
    assert!(running.deliveries() > 2);
    let (seen, queue, _) = running.end().await;
    assert_eq!(seen, [4]);
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_again_before_what_is_behind_it() {
    let failed = AtomicBool::new(false);
    let work = move |_| {
        let first = !failed.swap(true, Ordering::SeqCst);
        async move {
            let after = Duration::from_secs(90);
            let later = CaseHandlerError::Later { after, cause: None };
            if first { Err(later) } else { Ok(Outcome::Done) }
        }
    };
    let started = Instant::now();
    let mut running = run(work, |queue, config, hub| {
        queue.send("1", message(&case(1, 4), config, hub));
        queue.send("1", message(&case(1, 6), config, hub));
    });
    running.until("handled", 2).await;
    assert!(started.elapsed() >= Duration::from_secs(90));
    let (seen, queue, _) = running.end().await;
    assert_eq!(seen, [4, 4, 6]);
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_the_desk_costs_one_delivery() {
    let fallen = AtomicBool::new(false);
    let work = move |_| {
        let first = !fallen.swap(true, Ordering::SeqCst);
        async move {
            assert!(!first, "the handler falls");
            Ok(Outcome::Done)
        }
    };
    let mut running = run(work, |queue, config, hub| {
        queue.send("1", message(&case(1, 4), config, hub));
    });
    running.until("handled", 1).await;
    let (seen, queue, _) = running.end().await;
    assert_eq!(seen, [4, 4]);
    assert!(queue.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_the_message_at_work_and_gives_the_rest_back() {
    let authenticator = Arc::new(Notify::new());
    let opened = Arc::clone(&authenticator);
    let work = move |_| {
        let authenticator = Arc::clone(&opened);
        async move {
            authenticator.notified().await;
            Ok(Outcome::Done)
        }
    };
    let mut running = run(work, |queue, config, hub| {
        queue.send("1", message(&case(1, 4), config, hub));
        queue.send("1", message(&case(1, 6), config, hub));
    });
    running.until("case", 1).await;
    running.stopper.ask();
    authenticator.notify_one();
    running.until("stopped", 1).await;
    let (seen, queue, entries) = running.end().await;
    assert_eq!(seen, [4]);
    let left = queue.receive_now(10, Duration::ZERO);
    assert_eq!(left.len(), 1, "visible at once");
    assert_eq!(entries.last().unwrap().detail, "");
}

/// A queue that is not this agency's.
struct Barred;

impl CaseQueue for Barred {
    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        Err(QueueError::Refused { code: "AccessDenied".to_owned() })
    }

    async fn delete(&self, _: &Delivery) -> Result<(), QueueError> {
        Ok(())
    }

    async fn hide(&self, _: &[Delivery], _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_queue_that_refuses_from_the_start_ends_the_consumer() {
    let (config, _) = agency("http://127.0.0.1:1");
    let client = HubClient::new(&config).unwrap();
    let clerk = Clerk { seen: Arc::default(), work: async |_| Ok(Outcome::Done) };
    let (_stopper, stop) = Stop::new();
    let consumer = Consumer::new(&config, Barred, clerk, client).with_inbox(MemoryInbox::default());
    let ended = consumer.run(stop).await;
    assert!(matches!(ended, Err(ConsumerError::Queue(_))));
}

#[tokio::test]
async fn an_inbox_that_cannot_be_used_ends_the_consumer_before_the_first_message() {
    let folder = TestFolder::new();
    let (mut config, _) = agency("http://127.0.0.1:1");
    config.inbox = folder.path("none/inbox.sqlite");
    let client = HubClient::new(&config).unwrap();
    let clerk = Clerk { seen: Arc::default(), work: async |_| Ok(Outcome::Done) };
    let (_stopper, stop) = Stop::new();
    let ended = Consumer::new(&config, FakeQueue::default(), clerk, client).run(stop).await;
    assert!(matches!(ended, Err(ConsumerError::Inbox(_))), "{ended:?}");
}

/// An agency that fetches the hub's keys, and the hub's two keys of which it publishes the first at first.
async fn fetching(fails: bool) -> (Config, PrivateKey, PrivateKey) {
    let (mut config, first) = agency("http://127.0.0.1:1");
    let (_, second) = agency("http://127.0.0.1:1");
    let jwks = [&first, &second].map(|key| key.public().to_jwk().unwrap());
    let (url, _) = test_server(move |turn, _| {
        if fails {
            return axum::http::StatusCode::BAD_GATEWAY.into_response();
        }
        axum::Json(serde_json::json!({ "keys": jwks[..(turn + 1).min(2)] })).into_response()
    })
    .await;
    config.hub_url = format!("{url}/").parse().unwrap();
    config.keys.hub = Vec::new();
    (config, first, second)
}

/// Opens a message as the consumer does.
async fn handed(config: &Config, bodies: Vec<String>) -> (Vec<u32>, Vec<Entry>) {
    let queue = FakeQueue::default();
    for (group, body) in bodies.into_iter().enumerate() {
        queue.send(&group.to_string(), body);
    }
    let messages = queue.receive_now(BATCH, Duration::from_secs(60));
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let clerk = Clerk { seen: Arc::clone(&seen), work: async |_| Ok(Outcome::Done) };
    let entries = Arc::<Mutex<Vec<Entry>>>::default();
    let log = Arc::clone(&entries);
    let journal = Journal::new(move |entry| log.lock().unwrap().push(entry.clone()));
    let client = HubClient::new(config).unwrap();
    let consumer =
        Consumer::new(config, queue, clerk, client).with_inbox(MemoryInbox::default()).with_journal(journal);
    let (_stopper, stop) = Stop::new();
    for message in messages {
        consumer.counter.work(VecDeque::from([message]), &stop).await;
    }
    (seen.lock().unwrap().clone(), entries.lock().unwrap().clone())
}

#[tokio::test]
async fn the_hubs_keys_are_fetched_for_the_first_message() {
    let (config, first, second) = fetching(false).await;
    let (_, stranger) = agency("http://127.0.0.1:1");
    let bodies = vec![
        message(&case(1, 4), &config, &first),
        message(&case(2, 5), &config, &second),
        message(&case(3, 6), &config, &stranger),
    ];
    let (seen, entries) = handed(&config, bodies).await;
    // The second key was published within the ten seconds in which nothing is fetched again.
    assert_eq!(seen, [4]);
    let unreadable: Vec<_> = entries.iter().filter(|entry| entry.what == "unreadable").collect();
    assert_eq!(unreadable.len(), 2);
    assert_eq!(unreadable[0].detail, "the key is not known");
}

#[tokio::test]
async fn a_message_waits_while_the_hubs_keys_cannot_be_fetched() {
    let (config, first, _) = fetching(true).await;
    let (other, _) = agency("http://127.0.0.1:1");
    let (seen, entries) = handed(&config, vec![message(&case(1, 4), &config, &first)]).await;
    assert!(seen.is_empty());
    assert_eq!(entries[0].what, "left", "it is not unreadable: {entries:?}");
    // What is encrypted to a key that is not here is never a reason to ask for the hub's.
    let mut given = config.clone();
    given.keys.hub = vec![first.public().clone()];
    let (_, entries) = handed(&given, vec![message(&case(1, 4), &other, &first)]).await;
    assert_eq!(entries[0].detail, "encrypted to a key that is not configured");
}

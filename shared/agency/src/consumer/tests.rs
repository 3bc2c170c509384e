#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::IntoResponse as _;
use protocol::case::Case;
use protocol::jose::PrivateKey;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::case_handler::{CaseHandlerError, HandlerOutcome};
use crate::inbox::MemoryInbox;
use crate::journal::JournalEntry;
use crate::stop::Stopper;
use crate::testing::{FakeQueue, TestFolder, agency, case, message, test_server};

/// A handler that records the versions of its cases and calls a function.
struct TestHandler<W> {
    seen: Arc<Mutex<Vec<u32>>>,
    work: W,
}

impl<W, F> CaseHandler for TestHandler<W>
where
    W: Fn(Case) -> F + Send + Sync + 'static,
    F: Future<Output = Result<HandlerOutcome, CaseHandlerError>> + Send,
{
    async fn handle(&self, case: Case, _client: &HubClient) -> Result<HandlerOutcome, CaseHandlerError> {
        self.seen.lock().unwrap().push(case.version);
        (self.work)(case).await
    }
}

/// A running consumer.
struct RunningConsumer {
    queue: FakeQueue,
    config: AgencyConfig,
    hub: PrivateKey,
    seen: Arc<Mutex<Vec<u32>>>,
    entries: watch::Receiver<Vec<JournalEntry>>,
    stopper: Stopper,
    task: JoinHandle<Result<(), ConsumerError>>,
}

fn run<W, F>(work: W, prepare: impl FnOnce(&FakeQueue, &AgencyConfig, &PrivateKey)) -> RunningConsumer
where
    W: Fn(Case) -> F + Send + Sync + 'static,
    F: Future<Output = Result<HandlerOutcome, CaseHandlerError>> + Send + 'static,
{
    let (config, hub) = agency("http://127.0.0.1:1");
    let queue = FakeQueue::default();
    prepare(&queue, &config, &hub);
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let handler = TestHandler { seen: Arc::clone(&seen), work };
    let (sender, entries) = watch::channel(Vec::new());
    let journal = ConsumerJournal::new(move |entry| sender.send_modify(|all| all.push(entry.clone())));
    let client = HubClient::new(&config).unwrap();
    let (stopper, stop) = Stop::new();
    let consumer = Consumer::new(&config, queue.clone(), handler, client)
        .with_inbox(MemoryInbox::default())
        .with_journal(journal);
    RunningConsumer { task: tokio::spawn(consumer.run(stop)), queue, config, hub, seen, entries, stopper }
}

impl RunningConsumer {
    /// Deliveries of the queue so far.
    fn deliveries(&self) -> usize {
        self.queue.deliveries()
    }

    /// Waits until the journal has this many entries of a kind; an hour of the paused clock at most.
    async fn until(&mut self, what: &str, times: usize) {
        let enough = |all: &Vec<JournalEntry>| all.iter().filter(|e| e.what == what).count() >= times;
        let hour = Duration::from_secs(3600);
        let met = tokio::time::timeout(hour, self.entries.wait_for(enough)).await;
        assert!(met.is_ok(), "no {what}");
    }

    async fn end(self) -> (Vec<u32>, FakeQueue, Vec<JournalEntry>) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
        let seen = self.seen.lock().unwrap().clone();
        let entries = self.entries.borrow().clone();
        (seen, self.queue, entries)
    }
}

/// An old message that is redriven after a newer message has no effect either. Row 22 of `tests/FAULTS.md`.
#[tokio::test(start_paused = true)]
async fn a_repeated_message_is_handled_once() {
    let mut running = run(
        async |_| Ok(HandlerOutcome::Done),
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
async fn messages_of_one_case_are_handled_in_order_and_other_cases_meanwhile() {
    let finish = Arc::new(Notify::new());
    let signal = Arc::clone(&finish);
    let work = move |case: Case| {
        let finish = Arc::clone(&signal);
        async move {
            match case.version {
                // The first message of case 1 finishes only after case 2, whose message came last.
                10 => finish.notified().await,
                20 => finish.notify_one(),
                _ => {}
            }
            Ok(HandlerOutcome::Done)
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

/// Row 21 of `tests/FAULTS.md`.
#[tokio::test(start_paused = true)]
async fn an_unreadable_message_stays_in_the_queue_and_blocks_only_its_own_case() {
    let canary = "110101202311012176";
    let mut running = run(
        async |_| Ok(HandlerOutcome::Done),
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
async fn the_visibility_timeout_is_extended_during_long_work() {
    let work = async |_| {
        tokio::time::sleep(Duration::from_secs(900)).await;
        Ok(HandlerOutcome::Done)
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

/// Row 20 of `tests/FAULTS.md`.
#[tokio::test(start_paused = true)]
async fn a_repeated_delivery_waits_while_the_first_is_in_progress() {
    let work = async |_| {
        tokio::time::sleep(Duration::from_secs(900)).await;
        Ok(HandlerOutcome::Done)
    };
    let mut running = run(work, |queue, config, hub| {
        // The visibility timeout cannot be extended, so SQS delivers the message repeatedly.
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
async fn a_failed_message_is_retried_before_later_messages_of_its_case() {
    let failed = AtomicBool::new(false);
    let work = move |_| {
        let first = !failed.swap(true, Ordering::SeqCst);
        async move {
            let after = Duration::from_secs(90);
            let later = CaseHandlerError::Later { after, cause: None };
            if first { Err(later) } else { Ok(HandlerOutcome::Done) }
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
async fn a_message_is_delivered_again_after_a_panic_of_the_handler() {
    let panicked = AtomicBool::new(false);
    let work = move |_| {
        let first = !panicked.swap(true, Ordering::SeqCst);
        async move {
            assert!(!first, "the handler panics");
            Ok(HandlerOutcome::Done)
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
async fn a_stop_finishes_the_message_in_progress_and_releases_the_rest() {
    let finish = Arc::new(Notify::new());
    let signal = Arc::clone(&finish);
    let work = move |_| {
        let finish = Arc::clone(&signal);
        async move {
            finish.notified().await;
            Ok(HandlerOutcome::Done)
        }
    };
    let mut running = run(work, |queue, config, hub| {
        queue.send("1", message(&case(1, 4), config, hub));
        queue.send("1", message(&case(1, 6), config, hub));
    });
    running.until("case", 1).await;
    running.stopper.stop();
    finish.notify_one();
    running.until("stopped", 1).await;
    let (seen, queue, entries) = running.end().await;
    assert_eq!(seen, [4]);
    let left = queue.receive_now(10, Duration::ZERO);
    assert_eq!(left.len(), 1, "visible at once");
    assert_eq!(entries.last().unwrap().detail, "");
}

/// A queue that refuses every receive, like the queue of another agency.
struct RefusingQueue;

impl CaseQueue for RefusingQueue {
    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        Err(QueueError::Refused { code: "AccessDenied".to_owned() })
    }

    async fn delete(&self, _: &ReceivedMessage) -> Result<(), QueueError> {
        Ok(())
    }

    async fn hide(&self, _: &[ReceivedMessage], _: Duration) -> Result<(), QueueError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_consumer_ends_when_the_queue_refuses_the_first_receive() {
    let (config, _) = agency("http://127.0.0.1:1");
    let client = HubClient::new(&config).unwrap();
    let handler = TestHandler { seen: Arc::default(), work: async |_| Ok(HandlerOutcome::Done) };
    let (_stopper, stop) = Stop::new();
    let consumer = Consumer::new(&config, RefusingQueue, handler, client).with_inbox(MemoryInbox::default());
    let ended = consumer.run(stop).await;
    assert!(matches!(ended, Err(ConsumerError::Queue(_))));
}

#[tokio::test]
async fn the_consumer_ends_before_the_first_message_when_the_inbox_fails() {
    let folder = TestFolder::new();
    let (mut config, _) = agency("http://127.0.0.1:1");
    config.inbox = folder.path("none/inbox.sqlite");
    let client = HubClient::new(&config).unwrap();
    let handler = TestHandler { seen: Arc::default(), work: async |_| Ok(HandlerOutcome::Done) };
    let (_stopper, stop) = Stop::new();
    let ended = Consumer::new(&config, FakeQueue::default(), handler, client).run(stop).await;
    assert!(matches!(ended, Err(ConsumerError::Inbox(_))), "{ended:?}");
}

/// An agency that fetches the hub's keys, and the hub's two signing keys. The hub publishes the second key only from
/// the second fetch on.
async fn fetching(fails: bool) -> (AgencyConfig, PrivateKey, PrivateKey) {
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

/// Processes messages as the consumer does, without polling.
async fn process(config: &AgencyConfig, bodies: Vec<String>) -> (Vec<u32>, Vec<JournalEntry>) {
    let queue = FakeQueue::default();
    for (group, body) in bodies.into_iter().enumerate() {
        queue.send(&group.to_string(), body);
    }
    let messages = queue.receive_now(BATCH, Duration::from_secs(60));
    let seen = Arc::<Mutex<Vec<u32>>>::default();
    let handler = TestHandler { seen: Arc::clone(&seen), work: async |_| Ok(HandlerOutcome::Done) };
    let entries = Arc::<Mutex<Vec<JournalEntry>>>::default();
    let log = Arc::clone(&entries);
    let journal = ConsumerJournal::new(move |entry| log.lock().unwrap().push(entry.clone()));
    let client = HubClient::new(config).unwrap();
    let consumer = Consumer::new(config, queue, handler, client)
        .with_inbox(MemoryInbox::default())
        .with_journal(journal);
    let (_stopper, stop) = Stop::new();
    for message in messages {
        consumer.processor.process_group(VecDeque::from([message]), &stop).await;
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
    let (seen, entries) = process(&config, bodies).await;
    // The second key was published less than ten seconds after the first fetch, so no new fetch is made.
    assert_eq!(seen, [4]);
    let unreadable: Vec<_> = entries.iter().filter(|entry| entry.action == "unreadable").collect();
    assert_eq!(unreadable.len(), 2);
    assert_eq!(unreadable[0].detail, "no known key has the `kid` that the object names");
}

#[tokio::test]
async fn a_message_waits_while_the_hubs_keys_cannot_be_fetched() {
    let (config, first, _) = fetching(true).await;
    let (other, _) = agency("http://127.0.0.1:1");
    let (seen, entries) = process(&config, vec![message(&case(1, 4), &config, &first)]).await;
    assert!(seen.is_empty());
    assert_eq!(entries[0].what, "left", "it is not unreadable: {entries:?}");
    // A message that is encrypted to an unknown key never causes a fetch of the hub's keys.
    let mut given = config.clone();
    given.keys.hub = vec![first.public().clone()];
    let (_, entries) = process(&given, vec![message(&case(1, 4), &other, &first)]).await;
    assert_eq!(entries[0].detail, "the message is encrypted to a key that is not configured");
}

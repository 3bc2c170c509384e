//! The contract suite of the queues.

use std::future::Future;

use tokio::time::{Instant, interval};
use uuid::Uuid;

use super::{DEADLINE, POLL_INTERVAL};
use crate::queues::{BATCH, BATCH_BYTES, Outgoing, Queue, Queues, SendError};

/// A consumer of a queue: an agency, the callbacks function or an operator.
pub trait Reader: Sync {
    /// Receives and deletes some or all messages of a queue, in the order of the queue.
    fn take(&self, queue: &Queue) -> impl Future<Output = Vec<QueuedMessage>> + Send;
}

/// A message that was received and deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueuedMessage {
    /// Message group; `None` in a standard queue.
    pub group: Option<String>,
    /// The message body.
    pub body: String,
}

/// Runs the suite. `queues` has the queues of callbacks, drains, agency 11 and the quarantine, which nothing else may
/// use; the queue of agency 46 is configured but does not exist. `unconfigured` is the same port without any configured
/// queue.
///
/// # Panics
/// When the queues break the contract.
pub async fn queues_contract(queues: &impl Queues, unconfigured: &impl Queues, reader: &impl Reader) {
    for queue in [Queue::Callbacks, Queue::Drains, agency("11")] {
        every_group_is_in_order(queues, reader, &queue).await;
        a_repeat_is_dropped_within_its_group(queues, reader, &queue).await;
        a_message_that_is_too_large_stops_only_its_group(queues, reader, &queue).await;
    }
    a_quarantined_record_is_never_dropped(queues, reader).await;
    a_send_to_a_missing_queue_fails(queues, unconfigured, reader).await;
}

fn agency(code: &str) -> Queue {
    Queue::Agency(code.parse().expect("an agency"))
}

/// A text that no other test or run uses.
fn fresh(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4().simple())
}

/// A message with its id as body and deduplication id.
fn message(group: &str, name: &str) -> Outgoing {
    let id = fresh(name);
    Outgoing { id: id.clone(), group: group.to_owned(), dedup: id.clone(), body: id }
}

fn bodies(messages: &[Outgoing], group: &str) -> Vec<String> {
    messages.iter().filter(|message| message.group == group).map(|message| message.body.clone()).collect()
}

fn bodies_of_group(taken: &[QueuedMessage], group: &str) -> Vec<String> {
    let of = taken.iter().filter(|taken| taken.group.as_deref() == Some(group));
    of.map(|taken| taken.body.clone()).collect()
}

async fn send(queues: &impl Queues, queue: &Queue, messages: &[Outgoing]) -> Vec<Result<(), SendError>> {
    let receipts = queues.send(queue.clone(), messages.to_vec()).await.expect("receipts");
    let names = receipts.iter().map(|(id, _)| id);
    assert!(names.eq(messages.iter().map(|message| &message.id)), "a receipt for each, in order");
    receipts.into_iter().map(|(_, result)| result).collect()
}

/// Receives messages until the expected number has arrived, and once more to find surplus ones.
async fn all(reader: &impl Reader, queue: &Queue, expected: usize) -> Vec<QueuedMessage> {
    let begun = Instant::now();
    let mut poll = interval(POLL_INTERVAL);
    let mut taken = Vec::new();
    while taken.len() < expected && begun.elapsed() < DEADLINE {
        poll.tick().await;
        taken.extend(reader.take(queue).await);
    }
    taken.extend(reader.take(queue).await);
    taken
}

async fn every_group_is_in_order(queues: &impl Queues, reader: &impl Reader, queue: &Queue) {
    let groups = ["a", "b", "c"].map(fresh);
    let messages: Vec<Outgoing> = (0..2 * BATCH + 7)
        .map(|number| message(&groups[number % groups.len()], &number.to_string()))
        .collect();
    assert!(send(queues, queue, &messages).await.iter().all(Result::is_ok));
    let more: Vec<Outgoing> = groups.iter().map(|group| message(group, "later")).collect();
    assert!(send(queues, queue, &more).await.iter().all(Result::is_ok));
    let sent = [messages, more].concat();
    let taken = all(reader, queue, sent.len()).await;
    assert_eq!(taken.len(), sent.len());
    for group in &groups {
        assert_eq!(bodies_of_group(&taken, group), bodies(&sent, group), "order within {group}");
    }
}

async fn a_repeat_is_dropped_within_its_group(queues: &impl Queues, reader: &impl Reader, queue: &Queue) {
    let (group, other) = (fresh("a"), fresh("b"));
    let first = message(&group, "first");
    let repeat = Outgoing { body: "repeat".to_owned(), ..first.clone() };
    assert_eq!(send(queues, queue, std::slice::from_ref(&first)).await, [Ok(())]);
    assert_eq!(send(queues, queue, std::slice::from_ref(&repeat)).await, [Ok(())], "a repeat is no failure");
    assert_eq!(
        bodies_of_group(&all(reader, queue, 1).await, &group),
        bodies(std::slice::from_ref(&first), &group)
    );
    assert_eq!(send(queues, queue, &[repeat]).await, [Ok(())]);
    let again = Outgoing { dedup: fresh("again"), ..first.clone() };
    let another = Outgoing { group: other.clone(), body: "another".to_owned(), ..first };
    assert_eq!(send(queues, queue, &[again.clone(), another]).await, [Ok(()), Ok(())]);
    let taken = all(reader, queue, 2).await;
    assert_eq!(
        bodies_of_group(&taken, &group),
        [again.body],
        "a repeat is dropped, received or not; a new deduplication id is not"
    );
    assert_eq!(bodies_of_group(&taken, &other), ["another"], "a deduplication id counts within its group");
}

async fn a_message_that_is_too_large_stops_only_its_group(
    queues: &impl Queues,
    reader: &impl Reader,
    queue: &Queue,
) {
    let (group, other) = (fresh("a"), fresh("b"));
    let large = Outgoing { body: "x".repeat(BATCH_BYTES), ..message(&other, "large") };
    let too_large = Outgoing { body: "x".repeat(BATCH_BYTES + 1), ..message(&group, "too large") };
    let messages = [message(&group, "1"), too_large, message(&group, "3"), large, message(&other, "5")];
    let results = send(queues, queue, &messages).await;
    assert_eq!(results, [Ok(()), Err(SendError::Refused), Err(SendError::Blocked), Ok(()), Ok(())]);
    let taken = all(reader, queue, 3).await;
    assert_eq!(bodies_of_group(&taken, &group), [messages[0].body.clone()]);
    assert!(
        bodies_of_group(&taken, &other) == bodies(&messages, &other),
        "a message of 256 KiB arrives complete"
    );
}

async fn a_quarantined_record_is_never_dropped(queues: &impl Queues, reader: &impl Reader) {
    let mut messages: Vec<Outgoing> = (0..BATCH + 2).map(|_| message("quarantine", "record")).collect();
    messages[1].dedup = messages[0].dedup.clone();
    assert!(send(queues, &Queue::Quarantine, &messages).await.iter().all(Result::is_ok));
    let mut taken = all(reader, &Queue::Quarantine, messages.len()).await;
    let mut sent: Vec<QueuedMessage> =
        messages.iter().map(|message| QueuedMessage { group: None, body: message.body.clone() }).collect();
    taken.sort();
    sent.sort();
    assert_eq!(taken, sent, "no order, no groups, no deduplication");
}

async fn a_send_to_a_missing_queue_fails(
    queues: &impl Queues,
    unconfigured: &impl Queues,
    reader: &impl Reader,
) {
    let group = fresh("a");
    let messages = [message(&group, "1"), message(&group, "2"), message(&fresh("b"), "3")];
    let results = send(queues, &agency("46"), &messages).await;
    let none = Err(SendError::NoQueue);
    assert_eq!(results, [none, Err(SendError::Blocked), none]);
    for queue in [Queue::Callbacks, Queue::Drains, Queue::Quarantine, agency("11")] {
        let answer = unconfigured.send(queue.clone(), messages.to_vec()).await;
        assert_eq!(answer, Err(SendError::NoQueue));
        let answer = unconfigured.postpone(queue.clone(), "receipt", DEADLINE).await;
        assert_eq!(answer, Err(SendError::NoQueue));
        assert_eq!(reader.take(&queue).await, []);
    }
}

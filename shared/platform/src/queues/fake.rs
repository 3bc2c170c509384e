//! Queues in memory. As in the template they are FIFO, with SQS's five minutes of deduplication within a group; the
//! quarantine queue is a standard queue and drops no duplicate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, BatchSender, Outgoing, Queue, Queues, Receipts, SendError, deliver};
use crate::clock::{Clock as _, FakeClock};
use crate::faults::{CallOutcome, Faults};

/// How long SQS remembers a deduplication id.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// A message that a queue accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The queue that accepted the message.
    pub queue: Queue,
    /// The message as sent.
    pub message: Outgoing,
    /// Time of the send.
    pub at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Sent>,
    /// Time of each accepted message, by queue, group and deduplication id.
    seen: BTreeMap<(Queue, String, String), Timestamp>,
    removed: BTreeSet<Queue>,
    refusals: BTreeMap<String, (u32, SendError)>,
    postponed: Vec<(String, Duration)>,
}

/// Queues in memory. Clones share the messages. Each call of up to ten messages counts in [`Faults`] as one
/// `queues.send`.
#[derive(Clone, Debug)]
pub struct FakeQueues {
    faults: Faults,
    clock: FakeClock,
    configured: bool,
    state: Arc<Mutex<State>>,
}

impl FakeQueues {
    /// Empty queues whose calls obey these faults.
    #[must_use]
    pub fn new(faults: Faults, clock: FakeClock) -> Self {
        FakeQueues { faults, clock, configured: true, state: Arc::default() }
    }

    /// The same queues for a function that has no queue URLs configured.
    #[must_use]
    pub fn unconfigured(&self) -> Self {
        FakeQueues { configured: false, ..self.clone() }
    }

    /// Removes a queue: every later send fails with [`SendError::NoQueue`].
    pub fn remove(&self, queue: Queue) {
        self.lock().removed.insert(queue);
    }

    /// The messages in all queues, oldest first, without the duplicates that SQS would drop.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    /// Removes all messages of one queue and returns them, oldest first.
    pub fn drain(&self, queue: &Queue) -> Vec<Outgoing> {
        let mut state = self.lock();
        let (taken, rest) = state.sent.drain(..).partition(|sent| &sent.queue == queue);
        state.sent = rest;
        let taken: Vec<Sent> = taken;
        taken.into_iter().map(|sent| sent.message).collect()
    }

    /// The receipts of the postponed messages, each with its wait.
    #[must_use]
    pub fn postponed(&self) -> Vec<(String, Duration)> {
        self.lock().postponed.clone()
    }

    /// Makes the next `times` sends of the message with this [`Outgoing::id`] fail; the rest of its batch succeeds.
    pub fn refuse(&self, id: &str, times: u32, error: SendError) {
        self.lock().refusals.insert(id.to_owned(), (times, error));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, queue: &Queue, message: &Outgoing) -> Result<(), SendError> {
        let now = self.clock.now();
        let mut state = self.lock();
        if let Some((times, error)) = state.refusals.get_mut(&message.id)
            && *times > 0
        {
            *times = times.saturating_sub(1);
            return Err(*error);
        }
        if state.removed.contains(queue) {
            return Err(SendError::NoQueue);
        }
        if drops_repeats(queue) {
            let key = (queue.clone(), message.group.clone(), message.dedup.clone());
            if state.seen.get(&key).is_some_and(|seen| now.duration_since(*seen) < WINDOW) {
                return Ok(());
            }
            state.seen.insert(key, now);
        }
        state.sent.push(Sent { queue: queue.clone(), message: message.clone(), at: now });
        Ok(())
    }
}

/// FIFO queues drop duplicates.
fn drops_repeats(queue: &Queue) -> bool {
    match queue {
        Queue::Agency(_) | Queue::Callbacks | Queue::Drains => true,
        Queue::Quarantine | Queue::Reports => false,
    }
}

impl Queues for FakeQueues {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Receipts, SendError> {
        if !self.configured {
            return Err(SendError::NoQueue);
        }
        Ok(deliver(&Memory { queues: self, queue }, messages).await)
    }

    async fn postpone(&self, _queue: Queue, receipt: &str, wait: Duration) -> Result<(), SendError> {
        if !self.configured {
            return Err(SendError::NoQueue);
        }
        let outcome = self.faults.next_call("queues.postpone");
        if matches!(outcome, CallOutcome::Succeeds | CallOutcome::LosesAnswer) {
            self.lock().postponed.push((receipt.to_owned(), wait));
        }
        match outcome {
            CallOutcome::Succeeds => Ok(()),
            CallOutcome::Throttles => Err(SendError::Throttled),
            CallOutcome::Fails | CallOutcome::LosesAnswer => Err(SendError::Unavailable),
        }
    }
}

struct Memory<'a> {
    queues: &'a FakeQueues,
    queue: Queue,
}

impl BatchSender for Memory<'_> {
    async fn call(&self, batch: &[&Outgoing]) -> Answer {
        let outcome = self.queues.faults.next_call("queues.send");
        match outcome {
            CallOutcome::Fails => return Err(SendError::Unavailable),
            CallOutcome::Throttles => return Err(SendError::Throttled),
            CallOutcome::Succeeds | CallOutcome::LosesAnswer => {}
        }
        let results = batch.iter().map(|message| self.queues.take(&self.queue, message)).collect();
        if outcome == CallOutcome::LosesAnswer { Err(SendError::Unavailable) } else { Ok(results) }
    }

    async fn pause(&self, _bound: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Fault;

    fn message(id: &str) -> Outgoing {
        Outgoing { id: id.into(), group: "a".into(), dedup: id.into(), body: "{}".into() }
    }

    #[tokio::test]
    async fn a_lost_answer_leads_to_one_message() {
        let faults = Faults::default();
        let queues = FakeQueues::new(faults.clone(), FakeClock::default());
        faults.plan(1, Fault::AnswerLost);
        let receipts = queues.send(Queue::Callbacks, vec![message("1")]).await;
        assert_eq!(receipts, Ok(vec![("1".to_owned(), Ok(()))]));
        assert_eq!(faults.calls(), ["queues.send", "queues.send"]);
        assert_eq!(queues.drain(&Queue::Callbacks).len(), 1);
        assert!(queues.sent().is_empty());
    }

    #[tokio::test]
    async fn deduplication_ends_after_five_minutes() {
        let clock = FakeClock::default();
        let queues = FakeQueues::new(Faults::default(), clock.clone());
        for minutes in [0, 4, 6] {
            clock.set(FakeClock::default().now() + SignedDuration::from_mins(minutes));
            let receipts = queues.send(Queue::Callbacks, vec![message("1")]).await;
            assert_eq!(receipts, Ok(vec![("1".to_owned(), Ok(()))]));
        }
        assert_eq!(queues.sent().len(), 2);
    }

    #[tokio::test]
    async fn one_message_of_a_batch_can_fail() {
        let queues = FakeQueues::new(Faults::default(), FakeClock::default());
        queues.refuse("1", 9, SendError::Throttled);
        let other = Outgoing { group: "b".into(), ..message("2") };
        let receipts = queues.send(Queue::Callbacks, vec![message("1"), other]).await;
        let expected = vec![("1".to_owned(), Err(SendError::Throttled)), ("2".to_owned(), Ok(()))];
        assert_eq!(receipts, Ok(expected));
    }
}

//! The queues that the hub sends to: one FIFO queue for each agency, queues for callbacks and drains, and a quarantine.
//!
//! A queue is never the record: the hub sends a lost message again from the table. Messages of a group (an application)
//! keep their order: a call carries at most one message of each group, and the next message follows only after the
//! queue accepted the one before, because a batch may fail in part.

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use domain::ids::AgencyCode;
use thiserror::Error;

use crate::jitter::{doubled, jitter};

pub use aws::{AwsQueues, QueueUrls};
#[cfg(any(test, feature = "testing"))]
pub use fake::{FakeQueues, Sent};

/// Most messages in one call (AWS limit of `SendMessageBatch`).
pub const BATCH: usize = 10;
/// Most bytes of all bodies in one call: 256 KiB, which every SQS queue accepts by default.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Most attempts to send one message, the first included. The SDK retries each call in addition.
pub const MAX_ATTEMPTS: u32 = 4;
/// Longest wait before the second attempt; the bound doubles with each further attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// A queue the hub sends to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The cases of an agency.
    Agency(AgencyCode),
    /// The callbacks to app backends.
    Callbacks,
    /// The endpoints whose stored callbacks may be due. Separate from the callbacks, so that a long drain does not
    /// delay them.
    Drains,
    /// The stream records that the router cannot read, each with the reason. A standard queue, without order.
    Quarantine,
    /// The reports of the agencies. The hub only receives from it, and postpones. A standard queue, without order.
    Reports,
}

/// A message to send to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Identifies the message in the receipts.
    pub id: String,
    /// Message group: the application's id. The queue keeps the order within a group.
    pub group: String,
    /// Deduplication id: SQS drops a second message with the same id within five minutes.
    pub dedup: String,
    /// The message body.
    pub body: String,
}

/// Why a message is not in its queue. Sending the message again is safe after each of these errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// Too many calls; a later call may succeed.
    #[error("the queue is throttled")]
    Throttled,
    /// The queue did not answer in time. The message may be in the queue.
    #[error("the queue is not available")]
    Unavailable,
    /// Not sent, because an earlier message of the group failed.
    #[error("an earlier message of the group was not sent")]
    Blocked,
    /// More than [`BATCH_BYTES`], or malformed. The same message never succeeds.
    #[error("the message is not acceptable")]
    Refused,
    /// The queue does not exist or is not configured, or the hub may not send to it.
    #[error("the queue is unknown or forbidden")]
    NoQueue,
}

impl SendError {
    /// Whether a retry may succeed without an operator.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            SendError::Throttled | SendError::Unavailable | SendError::Blocked => true,
            SendError::Refused | SendError::NoQueue => false,
        }
    }
}

/// The result of each message, by [`Outgoing::id`], in the order of the send.
pub type Receipts = Vec<(String, Result<(), SendError>)>;

/// Sends messages to queues.
pub trait Queues: Clone + Send + Sync + 'static {
    /// Sends messages, in calls of at most [`BATCH`] messages and [`BATCH_BYTES`]. Retries only the messages that
    /// failed, up to [`MAX_ATTEMPTS`] attempts with jitter. A message waits until the queue has accepted the earlier
    /// ones of its group.
    ///
    /// # Errors
    /// [`SendError::NoQueue`] when the queue is not configured: nothing was sent. The receipts report all other errors.
    fn send(
        &self,
        queue: Queue,
        messages: Vec<Outgoing>,
    ) -> impl Future<Output = Result<Receipts, SendError>> + Send;

    /// Hides a received message for `wait`, at most 12 hours (AWS limit); then the queue delivers it again.
    ///
    /// # Errors
    /// [`SendError`]: the queue delivers the message again after its own visibility timeout.
    fn postpone(
        &self,
        queue: Queue,
        receipt: &str,
        wait: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;
}

/// The answer to a call: a result for each message in order, or the error of the call.
type Answer = Result<Vec<Result<(), SendError>>, SendError>;

/// One queue. The SQS adapter and the fake differ only here.
trait BatchSender: Sync {
    fn call(&self, batch: &[&Outgoing]) -> impl Future<Output = Answer> + Send;

    /// Waits up to `bound` before the next attempt.
    fn pause(&self, bound: Duration) -> impl Future<Output = ()> + Send;
}

/// A message, its attempts so far and its final result.
struct PendingSend {
    message: Outgoing,
    tries: u32,
    result: Option<Result<(), SendError>>,
}

impl PendingSend {
    fn new(message: Outgoing) -> Self {
        let too_large = message.body.len() > BATCH_BYTES;
        PendingSend { result: too_large.then_some(Err(SendError::Refused)), message, tries: 0 }
    }

    /// Counts an attempt. A transient failure is final only when no attempts are left.
    fn attempted(&mut self, result: Result<(), SendError>) {
        self.tries = self.tries.saturating_add(1);
        match result {
            Err(error) if error.is_transient() && self.tries < MAX_ATTEMPTS => {}
            settled => self.result = Some(settled),
        }
    }
}

async fn deliver(sender: &impl BatchSender, messages: Vec<Outgoing>) -> Receipts {
    let mut sends: Vec<PendingSend> = messages.into_iter().map(PendingSend::new).collect();
    loop {
        block_behind_failures(&mut sends);
        let batch = next_batch(&mut sends);
        let Some(tried) = batch.iter().map(|send| send.tries).max() else { break };
        if let Some(retries) = tried.checked_sub(1) {
            sender.pause(doubled(PAUSE, retries.min(8))).await;
        }
        let call: Vec<&Outgoing> = batch.iter().map(|send| &send.message).collect();
        let answer = sender.call(&call).await;
        for (place, send) in batch.into_iter().enumerate() {
            let result = match &answer {
                // The answer does not mention the message: it may be in the queue or not.
                Ok(results) => results.get(place).copied().unwrap_or(Err(SendError::Unavailable)),
                Err(error) => Err(*error),
            };
            send.attempted(result);
        }
    }
    sends
        .into_iter()
        .map(|send| (send.message.id, send.result.unwrap_or(Err(SendError::Unavailable))))
        .collect()
}

/// Messages behind a failed message of their group are not sent.
fn block_behind_failures(sends: &mut [PendingSend]) {
    let mut failed = HashSet::new();
    for send in sends {
        match send.result {
            Some(Err(_)) => {
                failed.insert(send.message.group.clone());
            }
            None if failed.contains(&send.message.group) => send.result = Some(Err(SendError::Blocked)),
            None | Some(Ok(())) => {}
        }
    }
}

/// The first unfinished message of each group, as many as one call takes. A batch does not mix first attempts with
/// retries, because a first attempt must not wait.
fn next_batch(sends: &mut [PendingSend]) -> Vec<&mut PendingSend> {
    let mut groups = HashSet::new();
    let mut open: Vec<&mut PendingSend> = sends
        .iter_mut()
        .filter(|send| send.result.is_none() && groups.insert(send.message.group.clone()))
        .collect();
    let Some(fewest) = open.iter().map(|send| send.tries).min() else { return Vec::new() };
    open.retain(|send| send.tries == fewest);
    let mut bytes = 0_usize;
    open.into_iter()
        .take(BATCH)
        .take_while(|send| {
            bytes = bytes.saturating_add(send.message.body.len());
            bytes <= BATCH_BYTES
        })
        .collect()
}

/// Sleeps up to `bound`, with jitter so that callers do not retry together.
async fn wait(bound: Duration) {
    tokio::time::sleep(jitter(bound)).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::sync::Mutex;

    use super::*;

    /// Answers each call from a script; after the script's end every message succeeds.
    #[derive(Default)]
    struct Script {
        answers: Mutex<Vec<Answer>>,
        calls: Mutex<Vec<Vec<String>>>,
        pauses: Mutex<u32>,
    }

    impl BatchSender for Script {
        async fn call(&self, batch: &[&Outgoing]) -> Answer {
            self.calls.lock().unwrap().push(batch.iter().map(|message| message.id.clone()).collect());
            let mut answers = self.answers.lock().unwrap();
            if answers.is_empty() { Ok(vec![Ok(()); batch.len()]) } else { answers.remove(0) }
        }

        async fn pause(&self, _bound: Duration) {
            *self.pauses.lock().unwrap() += 1;
        }
    }

    fn message(id: &str, group: &str) -> Outgoing {
        Outgoing { id: id.into(), group: group.into(), dedup: id.into(), body: "x".into() }
    }

    #[tokio::test]
    async fn only_failed_messages_are_sent_again() {
        let script = Script::default();
        *script.answers.lock().unwrap() = vec![Ok(vec![Ok(()), Err(SendError::Throttled), Ok(())])];
        let receipts = deliver(&script, vec![message("1", "a"), message("2", "b"), message("3", "c")]).await;
        assert!(receipts.iter().all(|(_, result)| result.is_ok()), "{receipts:?}");
        assert_eq!(*script.calls.lock().unwrap(), [vec!["1", "2", "3"], vec!["2"]]);
        assert_eq!(*script.pauses.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_group_goes_in_order_and_stops_at_a_failure() {
        let script = Script::default();
        *script.answers.lock().unwrap() = vec![Ok(vec![Err(SendError::Refused), Ok(())])];
        let receipts = deliver(
            &script,
            vec![message("1", "a"), message("2", "a"), message("3", "b"), message("4", "b")],
        )
        .await;
        assert_eq!(*script.calls.lock().unwrap(), [vec!["1", "3"], vec!["4"]]);
        let results: Vec<_> = receipts.into_iter().map(|(_, result)| result).collect();
        assert_eq!(results, [Err(SendError::Refused), Err(SendError::Blocked), Ok(()), Ok(())]);
    }

    #[tokio::test]
    async fn attempts_are_bounded() {
        let script = Script::default();
        *script.answers.lock().unwrap() = vec![Err(SendError::Unavailable); 9];
        let receipts = deliver(&script, vec![message("1", "a")]).await;
        assert_eq!(receipts, [("1".to_owned(), Err(SendError::Unavailable))]);
        assert_eq!(script.calls.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn a_call_takes_ten_messages_and_256_kib() {
        let script = Script::default();
        let mut messages: Vec<Outgoing> = (0..12).map(|n| message(&n.to_string(), &n.to_string())).collect();
        messages[10].body = "x".repeat(BATCH_BYTES);
        messages[11].body = "x".repeat(BATCH_BYTES + 1);
        let receipts = deliver(&script, messages).await;
        let sizes: Vec<usize> = script.calls.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 1]);
        assert_eq!(receipts[11].1, Err(SendError::Refused));
        assert!(deliver(&script, Vec::new()).await.is_empty());
    }

    #[tokio::test]
    async fn a_message_the_answer_leaves_out_is_sent_again() {
        let script = Script::default();
        *script.answers.lock().unwrap() = vec![Ok(vec![Ok(())])];
        let receipts = deliver(&script, vec![message("1", "a"), message("2", "b")]).await;
        assert!(receipts.iter().all(|(_, result)| result.is_ok()));
        assert_eq!(*script.calls.lock().unwrap(), [vec!["1", "2"], vec!["2"]]);
    }
}

//! The queues that leave the hub: one FIFO queue for each agency, one for callbacks.
//!
//! A queue is never the record: what is lost here is sent again from the table. Order is kept within a
//! group (an application): a call carries at most one message of each group, and the next one goes only
//! after the one before it was taken, because a batch may fail in part.

mod aws;
#[cfg(any(test, feature = "testing"))]
mod fake;

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use domain::ids::AgencyCode;
use thiserror::Error;

use crate::jitter::jitter;

pub use aws::{AwsQueues, QueueUrls};
#[cfg(any(test, feature = "testing"))]
pub use fake::{FakeQueues, Sent};

/// Messages of one call (AWS limit of `SendMessageBatch`).
pub const BATCH: usize = 10;
/// Bytes of one call's bodies: 256 KiB, what every SQS queue takes by default.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Attempts at one message, the first included, beyond the SDK's own at the call.
pub const TRIES: u32 = 4;
/// Bound of the wait before the second attempt; it doubles with each one.
const PAUSE: Duration = Duration::from_millis(50);

/// A queue the hub sends to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The queue of an agency.
    Agency(AgencyCode),
    /// The queue of callbacks to app backends.
    Callbacks,
    /// The queue of endpoints whose held callbacks may be due. Apart from the callbacks, so that a long drain is
    /// in nobody's way.
    Drains,
    /// Where the router sets aside what it cannot read, with its reason. A standard queue: no order.
    Quarantine,
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Names it in the result of the send.
    pub id: String,
    /// Message group: the application's id. Order is kept within it.
    pub group: String,
    /// Deduplication id: within five minutes a second message with it is dropped by SQS.
    pub dedup: String,
    /// The body.
    pub body: String,
}

/// Why a message is not in its queue. Each is safe to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The queue takes no more for now.
    #[error("the queue is throttled")]
    Throttled,
    /// It did not answer, or not in time. The message may have been taken.
    #[error("the queue is not available")]
    Unavailable,
    /// An earlier message of its group was not taken, so it was not sent.
    #[error("an earlier message of the group was not sent")]
    Held,
    /// More than [`BATCH_BYTES`], or refused as malformed. It will not be taken later either.
    #[error("the message is not acceptable")]
    Refused,
    /// No such queue, or the hub may not send to it.
    #[error("the queue is unknown or forbidden")]
    NoQueue,
}

impl SendError {
    /// Whether the same message may be taken later without anybody's help.
    #[must_use]
    pub fn is_transient(self) -> bool {
        match self {
            SendError::Throttled | SendError::Unavailable | SendError::Held => true,
            SendError::Refused | SendError::NoQueue => false,
        }
    }
}

/// What became of each message, by [`Outgoing::id`], in the order given.
pub type Receipts = Vec<(String, Result<(), SendError>)>;

/// Where messages are sent.
pub trait Queues: Clone + Send + Sync + 'static {
    /// Sends messages, in calls of at most [`BATCH`] messages and [`BATCH_BYTES`]. Only what was not
    /// taken is tried again, up to [`TRIES`] times with jitter. A message is held back while an earlier one
    /// of its group is not taken.
    ///
    /// # Errors
    /// [`SendError::NoQueue`] where the queue is not configured: nothing was sent. Everything else is said
    /// message by message.
    fn send(
        &self,
        queue: Queue,
        messages: Vec<Outgoing>,
    ) -> impl Future<Output = Result<Receipts, SendError>> + Send;

    /// Hides a message that was received for a while, at most 12 hours (AWS limit): it comes again then.
    ///
    /// # Errors
    /// [`SendError`]: the message comes again when its queue's own time is up.
    fn postpone(
        &self,
        queue: Queue,
        receipt: &str,
        wait: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;
}

/// The answer of a call: a result for each message in order, or why the whole call failed.
type Answer = Result<Vec<Result<(), SendError>>, SendError>;

/// One call to a queue: what the adapter and the fake differ in.
trait Line: Sync {
    /// Sends a batch.
    fn call(&self, batch: &[&Outgoing]) -> impl Future<Output = Answer> + Send;

    /// Waits before another attempt, up to `bound`.
    fn pause(&self, bound: Duration) -> impl Future<Output = ()> + Send;
}

/// A message under way.
struct Parcel {
    message: Outgoing,
    tries: u32,
    result: Option<Result<(), SendError>>,
}

impl Parcel {
    fn new(message: Outgoing) -> Self {
        let too_large = message.body.len() > BATCH_BYTES;
        Parcel { result: too_large.then_some(Err(SendError::Refused)), message, tries: 0 }
    }

    /// Takes note of an attempt. A failure that may pass leaves it open while tries are left.
    fn attempted(&mut self, result: Result<(), SendError>) {
        self.tries += 1;
        match result {
            Err(error) if error.is_transient() && self.tries < TRIES => {}
            settled => self.result = Some(settled),
        }
    }
}

async fn deliver(line: &impl Line, messages: Vec<Outgoing>) -> Receipts {
    let mut parcels: Vec<Parcel> = messages.into_iter().map(Parcel::new).collect();
    loop {
        hold_behind_failures(&mut parcels);
        let batch = next_batch(&parcels);
        let Some(tried) = batch.iter().map(|index| parcels[*index].tries).max() else { break };
        if tried > 0 {
            line.pause(PAUSE * (1 << (tried - 1).min(8))).await;
        }
        let call: Vec<&Outgoing> = batch.iter().map(|index| &parcels[*index].message).collect();
        let answer = line.call(&call).await;
        for (place, index) in batch.into_iter().enumerate() {
            let result = match &answer {
                // A message the answer does not mention may have been taken or not.
                Ok(results) => results.get(place).copied().unwrap_or(Err(SendError::Unavailable)),
                Err(error) => Err(*error),
            };
            parcels[index].attempted(result);
        }
    }
    parcels
        .into_iter()
        .map(|parcel| (parcel.message.id, parcel.result.unwrap_or(Err(SendError::Unavailable))))
        .collect()
}

/// What comes after a failed message of its group is not sent at all.
fn hold_behind_failures(parcels: &mut [Parcel]) {
    let mut failed = HashSet::new();
    for parcel in parcels {
        match parcel.result {
            Some(Err(_)) => {
                failed.insert(parcel.message.group.clone());
            }
            None if failed.contains(&parcel.message.group) => parcel.result = Some(Err(SendError::Held)),
            None | Some(Ok(())) => {}
        }
    }
}

/// The first open message of each group, as many as one call takes. Fresh ones and repeats do not mix: the
/// fresh must not wait.
fn next_batch(parcels: &[Parcel]) -> Vec<usize> {
    let mut groups = HashSet::new();
    let mut open: Vec<usize> = (0..parcels.len())
        .filter(|index| parcels[*index].result.is_none() && groups.insert(&parcels[*index].message.group))
        .collect();
    let Some(fewest) = open.iter().map(|index| parcels[*index].tries).min() else { return Vec::new() };
    open.retain(|index| parcels[*index].tries == fewest);
    let mut bytes = 0;
    open.into_iter()
        .take(BATCH)
        .take_while(|index| {
            bytes += parcels[*index].message.body.len();
            bytes <= BATCH_BYTES
        })
        .collect()
}

/// A wait of up to `bound`, spread evenly so that callers do not return together.
async fn wait(bound: Duration) {
    tokio::time::sleep(jitter(bound)).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::sync::Mutex;

    use super::*;

    /// Answers each call from a script; after its end everything is taken.
    #[derive(Default)]
    struct Script {
        answers: Mutex<Vec<Answer>>,
        calls: Mutex<Vec<Vec<String>>>,
        pauses: Mutex<u32>,
    }

    impl Line for Script {
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
    async fn only_what_failed_is_sent_again() {
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
        assert_eq!(results, [Err(SendError::Refused), Err(SendError::Held), Ok(()), Ok(())]);
    }

    #[tokio::test]
    async fn tries_are_bounded() {
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

//! Batches: each record on its own, and only what failed comes again.
//!
//! A record that fails, is poisonous or is not finished in time is reported alone; everything else is done
//! with. The order within a group (an application) is kept; groups run beside each other.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use protocol::json;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

/// Groups handled at once.
pub const CONCURRENCY: usize = 16;
/// Time kept of a function's own for its answer.
const MARGIN: Duration = Duration::from_millis(500);

/// Why a record is not done. The reason is logged: it says what and never whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may work later.
    Retry(String),
    /// It will never work. It comes again nevertheless, until its queue sets it aside: what is poison to this
    /// version may not be to the next, and nothing accepted is thrown away.
    Poison(String),
}

impl Failure {
    /// It may work later.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Failure::Retry(reason.to_string())
    }

    /// It will never work.
    pub fn poison(reason: impl fmt::Display) -> Self {
        Failure::Poison(reason.to_string())
    }
}

/// Whether Lambda passed a batch of records and not an HTTP request or a schedule's event. API Gateway puts everything from a
/// caller into members of its own, so a caller cannot add `Records`.
#[must_use]
pub fn is_batch(event: &Value) -> bool {
    event.get("Records").is_some()
}

/// A message of an SQS queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of it.
    pub id: String,
    /// Its group, in a FIFO queue.
    pub group: Option<String>,
    /// The body, as it was sent. Never for a log.
    pub body: String,
    /// How often it has been received, this time included.
    pub receives: u32,
    /// When it was put into the queue, as far as SQS says.
    pub sent: Option<Timestamp>,
    /// What SQS knows this delivery of it by.
    pub receipt: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("receives", &self.receives)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// Reads the body as JSON.
    ///
    /// # Errors
    /// [`Failure::Poison`] with the position, without the content.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        json::from_slice(self.body.as_bytes(), self.body.len())
            .map_err(|error| Failure::Poison(format!("the body of the message cannot be read: {error}")))
    }
}

impl From<SqsMessage> for Message {
    fn from(mut message: SqsMessage) -> Self {
        let sent = message.attributes.get("SentTimestamp").and_then(|at| at.parse().ok());
        Message {
            sent: sent.and_then(|at| Timestamp::from_millisecond(at).ok()),
            id: message.message_id.unwrap_or_default(),
            group: message.attributes.remove("MessageGroupId"),
            body: message.body.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            receives: message
                .attributes
                .get("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
        }
    }
}

/// When the work on a batch must end, so that its answer is still given: half a second before the function's
/// own end.
#[must_use]
pub fn deadline(context: &lambda_runtime::Context) -> Instant {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now() + left.saturating_sub(MARGIN)
}

/// Handles the messages of an SQS batch, at most [`CONCURRENCY`] groups at once. In a FIFO queue a failure
/// ends its group: the rest of it is reported as failed, so that it comes again in order. Messages without a
/// group stand each for itself. What is not finished at the deadline is dropped and reported.
pub async fn messages<H, F>(event: SqsEvent, deadline: Instant, handle: H) -> SqsBatchResponse
where
    H: Fn(Message) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let messages: Vec<Message> = event.records.into_iter().map(Message::from).collect();
    let ids: Vec<(String, u32)> =
        messages.iter().map(|message| (message.id.clone(), message.receives)).collect();
    let groups = grouped(messages, |message| message.group.clone());
    let outcomes = run(groups, deadline, handle).await;
    let mut response = SqsBatchResponse::default();
    for ((id, receives), outcome) in ids.into_iter().zip(outcomes) {
        log(&id, receives, &outcome);
        if !outcome.is_done() {
            // Without an id, it fails the whole batch: too often rather than not at all.
            response.add_failure(id);
        }
    }
    response
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed(Failure),
    /// An earlier one of its group failed.
    Held,
    /// The time was up.
    Unfinished,
}

impl Outcome {
    fn is_done(&self) -> bool {
        match self {
            Outcome::Done => true,
            Outcome::Failed(_) | Outcome::Held | Outcome::Unfinished => false,
        }
    }
}

/// Logs the outcome of a record.
fn log(record: &str, receives: u32, outcome: &Outcome) {
    match outcome {
        Outcome::Done => tracing::info!(record, receives, outcome = "done", "record processed"),
        Outcome::Failed(Failure::Retry(reason)) => {
            tracing::warn!(record, receives, outcome = "failed", reason, "record failed, will retry");
        }
        Outcome::Failed(Failure::Poison(reason)) => {
            tracing::error!(
                record,
                receives,
                outcome = "poison",
                reason,
                "record can never be processed; it goes to the dead-letter queue"
            );
        }
        Outcome::Held => tracing::warn!(
            record,
            receives,
            outcome = "held",
            "record waits: an earlier record of its group failed"
        ),
        Outcome::Unfinished => tracing::warn!(
            record,
            receives,
            outcome = "unfinished",
            "record not finished before the deadline, will retry"
        ),
    }
}

/// Records with their places, by group in order of appearance.
fn grouped<R>(records: Vec<R>, group_of: impl Fn(&R) -> Option<String>) -> Vec<Vec<(usize, R)>> {
    let mut groups: Vec<Vec<(usize, R)>> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for (index, record) in records.into_iter().enumerate() {
        let place = match group_of(&record) {
            Some(name) => *by_name.entry(name).or_insert(groups.len()),
            None => groups.len(),
        };
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push((index, record));
    }
    groups
}

/// Runs the groups beside each other.
async fn run<R, H, F>(groups: Vec<Vec<(usize, R)>>, deadline: Instant, handle: H) -> Vec<Outcome>
where
    H: Fn(R) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let records = groups.iter().map(Vec::len).sum();
    let outcomes = Mutex::new(vec![Outcome::Unfinished; records]);
    let set = |index: usize, outcome: Outcome| {
        outcomes.lock().unwrap_or_else(PoisonError::into_inner)[index] = outcome;
    };
    let group = |records: Vec<(usize, R)>| {
        let (set, handle) = (&set, &handle);
        async move {
            let mut stopped = false;
            for (index, record) in records {
                if stopped {
                    set(index, Outcome::Held);
                    continue;
                }
                if Instant::now() >= deadline {
                    break;
                }
                match handle(record).await {
                    Ok(()) => set(index, Outcome::Done),
                    Err(failure) => {
                        stopped = true;
                        set(index, Outcome::Failed(failure));
                    }
                }
            }
        }
    };
    let work = stream::iter(groups.into_iter().map(group)).buffer_unordered(CONCURRENCY).collect::<()>();
    // What is not finished is dropped where it waits; it stays unfinished in the outcomes.
    let _ = timeout_at(deadline, work).await;
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

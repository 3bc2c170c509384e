//! SQS batches with partial failure: only the failed records are delivered again.
//!
//! A record that fails, can never be processed, or does not finish in time is reported to Lambda; the others are
//! deleted. The order within a group (an application) is kept, and groups run concurrently.

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

use crate::queues::SendError;
use crate::store::StoreError;
use crate::vault::VaultError;

/// Groups handled at once.
pub const CONCURRENCY: usize = 16;
/// Time before the function's timeout that is reserved for its answer.
const MARGIN: Duration = Duration::from_millis(500);

/// Why a record was not processed. The reason is logged, so it must not contain personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A later try may succeed.
    Retry(String),
    /// This version can never process the record. The record is not deleted: after its last receive the queue moves it
    /// to the dead-letter queue, and the next version may process it from there.
    Poison(String),
}

impl Failure {
    /// A failure that may pass.
    pub fn retry(reason: impl fmt::Display) -> Self {
        Failure::Retry(reason.to_string())
    }

    /// A record that this version can never process.
    pub fn poison(reason: impl fmt::Display) -> Self {
        Failure::Poison(reason.to_string())
    }

    /// A failure that may pass, or one that needs a person.
    fn of(error: impl fmt::Display, is_transient: bool) -> Self {
        if is_transient { Failure::retry(error) } else { Failure::poison(error) }
    }

    /// The same failure with a consequence in front of its reason.
    #[must_use]
    pub fn because(self, what: &str) -> Self {
        match self {
            Failure::Retry(reason) => Failure::Retry(format!("{what}: {reason}")),
            Failure::Poison(reason) => Failure::Poison(format!("{what}: {reason}")),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let is_transient = error.is_transient();
        Failure::of(error, is_transient)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Failure::of(error, error.is_transient())
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Failure::of(error, error.is_transient())
    }
}

/// Whether Lambda passed a batch of records and not an HTTP request or a schedule's event. API Gateway puts everything
/// from a caller into members of its own, so a caller cannot add `Records`.
#[must_use]
pub fn is_batch(event: &Value) -> bool {
    event.get("Records").is_some()
}

/// A message of an SQS queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Message id of SQS.
    pub id: String,
    /// Message group; `None` in a standard queue.
    pub group: Option<String>,
    /// The body. It may hold personal data and must not be logged.
    pub body: String,
    /// How often SQS has delivered the message, this delivery included.
    pub receives: u32,
    /// Time of the send; `None` when SQS does not report it.
    pub sent: Option<Timestamp>,
    /// Receipt handle of this delivery.
    pub receipt: String,
    /// Name of the queue; `None` when SQS does not report it.
    pub queue: Option<String>,
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
    /// [`Failure::Poison`] with the position of the error, without the content.
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
            queue: message.event_source_arn.and_then(|arn| Some(arn.rsplit_once(':')?.1.to_owned())),
            receives: message
                .attributes
                .get("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
        }
    }
}

/// Deadline for the work on a batch: half a second before the function's timeout, so that the answer is still sent.
#[must_use]
pub fn deadline(context: &lambda_runtime::Context) -> Instant {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    let now = Instant::now();
    // A time limit that the clock cannot reach is none, and the work is left to the next try.
    now.checked_add(left.saturating_sub(MARGIN)).unwrap_or(now)
}

/// Handles the messages of an SQS batch, at most [`CONCURRENCY`] groups at once. In a FIFO queue a failure ends its
/// group: the later messages of the group are reported as failed, so that SQS delivers them again in order. A message
/// without a group is a group of one. Work that has not finished at the deadline is cancelled and reported.
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
            // An empty id makes Lambda retry the complete batch, which is safe; to omit the failure is not.
            response.add_failure(id);
        }
    }
    response
}

/// The outcome of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed(Failure),
    /// An earlier record of the group failed.
    Blocked,
    /// The deadline passed.
    Unfinished,
}

impl Outcome {
    fn is_done(&self) -> bool {
        match self {
            Outcome::Done => true,
            Outcome::Failed(_) | Outcome::Blocked | Outcome::Unfinished => false,
        }
    }
}

fn log(record: &str, receives: u32, outcome: &Outcome) {
    match outcome {
        Outcome::Done => tracing::info!(record, receives, outcome = "done", "record processed"),
        Outcome::Failed(Failure::Retry(reason)) => {
            tracing::warn!(record, receives, outcome = "failed", reason, "record failed, will retry");
        }
        // The alarm on errors rings once. The alarm of the dead-letter queue rings for a record whose first delivery
        // was lost.
        Outcome::Failed(Failure::Poison(reason)) if receives <= 1 => {
            tracing::error!(
                record,
                receives,
                outcome = "poison",
                reason,
                "record cannot be processed; an operator must look; it goes to the dead-letter queue"
            );
        }
        Outcome::Failed(Failure::Poison(reason)) => {
            tracing::warn!(record, receives, outcome = "poison", reason, "record still cannot be processed");
        }
        Outcome::Blocked => tracing::warn!(
            record,
            receives,
            outcome = "blocked",
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

/// Groups the records, each with its index, in order of appearance.
fn grouped<R>(records: Vec<R>, group_of: impl Fn(&R) -> Option<String>) -> Vec<Vec<(usize, R)>> {
    let mut groups: Vec<Vec<(usize, R)>> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for (index, record) in records.into_iter().enumerate() {
        let place = group_of(&record).map(|name| *by_name.entry(name).or_insert(groups.len()));
        match place.and_then(|place| groups.get_mut(place)) {
            Some(group) => group.push((index, record)),
            None => groups.push(vec![(index, record)]),
        }
    }
    groups
}

/// Runs the groups concurrently, and the records of a group in order.
async fn run<R, H, F>(groups: Vec<Vec<(usize, R)>>, deadline: Instant, handle: H) -> Vec<Outcome>
where
    H: Fn(R) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let records = groups.iter().map(Vec::len).sum();
    let outcomes = Mutex::new(vec![Outcome::Unfinished; records]);
    let set = |index: usize, outcome: Outcome| {
        if let Some(place) = outcomes.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *place = outcome;
        }
    };
    let group = |records: Vec<(usize, R)>| {
        let (set, handle) = (&set, &handle);
        async move {
            let mut stopped = false;
            for (index, record) in records {
                if stopped {
                    set(index, Outcome::Blocked);
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
    // The timeout cancels the remaining work; its outcomes stay `Unfinished`.
    let _ = timeout_at(deadline, work).await;
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

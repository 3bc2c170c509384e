//! The reports queue: each message is one report, with the same bytes as over HTTP.

use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use http_kit::problem::Problem;
use platform::batch::{Failure, Message, messages};
use platform::clock::Clock as _;
use platform::hub::Hub;
use platform::queues::{Queue, Queues as _};
use tokio::time::Instant;

use crate::first_arrival::remember;
use crate::report::{ReportHandler, Waiting};
use crate::report_error::ReportError;

/// The delivery at which a report that still waits for another report is refused: about twenty minutes after the first.
/// The queue gives up a message after 30 deliveries.
pub const LAST_HELD_RECEIVE: u32 = 25;
/// Longest wait before a held report is looked at again.
pub const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// Applies a batch of reports. The senders get no answer.
///
/// The queue has no order. A report that arrived before its predecessor is held: it is not refused, and the queue
/// delivers it again within seconds. A report that a later one overtook and does not need (`produced` after `ready`,
/// `verified` after `rejected`, `received` after `settled`) is deleted and not refused. A refused report is deleted,
/// because its evidence is stored. A report that no agency signed is retried until the queue moves it to the dead-letter
/// queue, where an operator looks at it.
pub async fn reports<H: Hub>(
    handler: &ReportHandler<H>,
    event: SqsEvent,
    deadline: Instant,
) -> SqsBatchResponse {
    messages(event, deadline, async |message| report(handler, &message).await).await
}

async fn report<H: Hub>(handler: &ReportHandler<H>, message: &Message) -> Result<(), Failure> {
    let jws = message.body.trim();
    let sent = message.sent.unwrap_or_else(|| handler.hub.clock().now());
    let waiting = match message.receives {
        0 | 1 => Waiting::First,
        LAST_HELD_RECEIVE.. => Waiting::Never,
        _ => Waiting::Again,
    };
    let Err(unapplied) = handler.take_or_hold(jws, sent, waiting).await else { return Ok(()) };
    let error = unapplied.error;
    if waiting != Waiting::Never && error.waits_for_another() {
        hold(handler, message).await;
        return Err(Failure::retry(error));
    }
    if waiting != Waiting::Never && error.is_overtaken() {
        tracing::info!(message = %message.id, "report overtaken by a later one of its agency: it is deleted and not refused");
        return Ok(());
    }
    if error.refusal().is_some() {
        return Ok(());
    }
    remember(&handler.hub, jws, sent).await;
    Err(failure(error))
}

fn failure(error: ReportError) -> Failure {
    let problem = Problem::from(error);
    let reason = problem.code().name();
    if problem.status().is_server_error() { Failure::retry(reason) } else { Failure::poison(reason) }
}

/// Lets the queue deliver a held report again soon.
async fn hold<H: Hub>(handler: &ReportHandler<H>, message: &Message) {
    let wait = hold_time(message.receives);
    if let Err(error) = handler.hub.queues().postpone(Queue::Reports, &message.receipt, wait).await {
        tracing::warn!(message = %message.id, %error, "a held report was not postponed: the queue delivers it again after its visibility timeout");
    }
}

/// Wait before a held report is delivered again: 2 seconds after the first delivery, then twice as long each time, up
/// to [`LONGEST_HOLD`].
#[must_use]
pub fn hold_time(receives: u32) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(receives.clamp(1, 6))).min(LONGEST_HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a12_a_held_report_is_delivered_again_within_seconds_and_for_twenty_minutes() {
        assert_eq!([1, 2, 3].map(|receives| hold_time(receives).as_secs()), [2, 4, 8]);
        let held: u64 = (1..LAST_HELD_RECEIVE).map(|receives| hold_time(receives).as_secs()).sum();
        assert!((1_100..1_300).contains(&held), "{held}");
        assert_eq!(hold_time(u32::MAX), LONGEST_HOLD);
    }
}

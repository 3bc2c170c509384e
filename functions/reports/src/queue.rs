//! The reports queue: each message is one report, with the same bytes as over HTTP.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use http_kit::problem::Problem;
use platform::batch::{Failure, Message, messages};
use platform::clock::Clock as _;
use platform::hub::Hub;
use tokio::time::Instant;

use crate::report::ReportHandler;
use crate::report_error::ReportError;

/// Applies a batch of reports. The senders get no answer.
///
/// A refused report is deleted, because its evidence is stored. A report that arrived before its predecessor is
/// retried, because the queue has no order. A report that no agency signed is retried until the queue moves it to the
/// dead-letter queue, where an operator looks at it.
pub async fn reports<H: Hub>(
    handler: &ReportHandler<H>,
    event: SqsEvent,
    deadline: Instant,
) -> SqsBatchResponse {
    messages(event, deadline, async |message| report(handler, &message).await).await
}

async fn report<H: Hub>(handler: &ReportHandler<H>, message: &Message) -> Result<(), Failure> {
    let arrived = message.sent.unwrap_or_else(|| handler.hub.clock().now());
    let Err(error) = handler.take(message.body.trim(), arrived).await else { return Ok(()) };
    if matches!(error, ReportError::Early(_)) {
        return Err(Failure::retry(error));
    }
    if error.refusal().is_some() {
        return Ok(());
    }
    let problem = Problem::from(error);
    let reason = problem.code().name();
    Err(if problem.status().is_server_error() { Failure::retry(reason) } else { Failure::poison(reason) })
}

//! The reports queue: the same bytes as over HTTP, one report a message.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use http_kit::problem::Problem;
use platform::batch::{Failure, Message, messages};
use platform::clock::Clock as _;
use platform::hub::Hub;
use tokio::time::Instant;

use crate::report::{ReportError, ReportHandler};

/// Takes a batch. Nobody hears an answer here. A report that is refused is done with, because its evidence is kept;
/// one that has overtaken another comes again, as the queue has no order; what no agency has signed comes again until
/// the queue sets it aside, and is looked at there.
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

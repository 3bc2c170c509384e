//! The reports queue: the same bytes as over HTTP, one report a message.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use platform::batch::{Failure, messages};
use platform::hub::Hub;
use platform::problem::Problem;
use tokio::time::Instant;

use crate::report::Desk;

/// Takes a batch. Nobody hears an answer here: a report that is refused comes again until the queue sets it
/// aside with the others that were, and is looked at there.
pub async fn reports<H: Hub>(desk: &Desk<H>, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
    messages(event, deadline, async |message| match desk.take(message.body.trim()).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let problem = Problem::from(error);
            let reason = problem.code().name();
            Err(if problem.status().is_server_error() {
                Failure::retry(reason)
            } else {
                Failure::poison(reason)
            })
        }
    })
    .await
}

//! Starts the function: reads its environment, builds the router, handles stream batches.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::batch::deadline;
use platform::config::Variable;
use platform::startup::start;
use router::handler::Router;

const REQUIRED_VARIABLES: [Variable; 7] = [
    Variable::Table,
    Variable::AgenciesTable,
    Variable::KeyId,
    Variable::CallbackQueueUrl,
    Variable::QueueUrlPrefix,
    Variable::QuarantineQueueUrl,
    Variable::HubSigningKey,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (_, hub, secrets) = start(&REQUIRED_VARIABLES).await;
    let router =
        &Router::new(hub, secrets.signing_key.ok_or("the variable HUB_SIGNING_KEY_ARN is required")?);
    run(service_fn(|event: LambdaEvent<_>| async move {
        let deadline = deadline(&event.context);
        Ok::<_, Error>(router.handle(event.payload, deadline).await)
    }))
    .await
}

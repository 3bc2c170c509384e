//! Starts the function: reads its environment, builds the sweeper, sweeps on each event.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::batch::deadline;
use platform::config::Variable;
use platform::startup::start;
use serde_json::Value;
use sweeper::handler::Sweeper;

const REQUIRED_VARIABLES: [Variable; 6] = [
    Variable::Table,
    Variable::AgenciesTable,
    Variable::Bucket,
    Variable::KeyId,
    Variable::QueueUrlPrefix,
    Variable::HubSigningKey,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (_, hub, secrets) = start(&REQUIRED_VARIABLES).await;
    let sweeper =
        &Sweeper::new(hub, secrets.signing_key.ok_or("the variable HUB_SIGNING_KEY_ARN is required")?);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(sweeper.sweep(deadline(&event.context)).await)
    }))
    .await
}

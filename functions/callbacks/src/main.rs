//! Starts the function: consumes the callback and drain queues (`handler`), and wakes drainers on the schedule
//! (`drain`).

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use callbacks::delivery::CallbackSender;
use callbacks::handler::callbacks;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::batch::{deadline, is_batch};
use platform::config::Variable;
use platform::startup::start;
use serde_json::{Value, json};

const REQUIRED_VARIABLES: [Variable; 5] = [
    Variable::SubscriptionsTable,
    Variable::DeliveriesTable,
    Variable::KeyId,
    Variable::CallbackQueueUrl,
    Variable::DrainQueueUrl,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (config, hub, _) = start(&REQUIRED_VARIABLES).await;
    let sender = &CallbackSender::new(hub, config.mode)?;
    run(service_fn(|event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context } = event;
        if !is_batch(&payload) {
            return Ok::<_, Error>(json!({ "woken": sender.wake_due().await }));
        }
        let batch = serde_json::from_value(payload)?;
        Ok(serde_json::to_value(callbacks(sender, batch, deadline(&context)).await)?)
    }))
    .await
}

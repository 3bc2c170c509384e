//! Wires the webhooks: see `handler`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::batch::deadline;
use platform::config::Variable;
use platform::startup::start;
use serde_json::{Value, json};
use webhooks::delivery::Courier;
use webhooks::handler::callbacks;

const NEEDED: [Variable; 5] = [
    Variable::SettingsTable,
    Variable::DeliveriesTable,
    Variable::KeyId,
    Variable::WebhookQueueUrl,
    Variable::DrainQueueUrl,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (config, hub) = start(&NEEDED);
    let courier = &Courier::new(hub, config.mode)?;
    run(service_fn(|event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context } = event;
        // A batch of a queue has records; the schedule has none.
        if payload.get("Records").is_none() {
            return Ok::<_, Error>(json!({ "woken": courier.wake_due().await }));
        }
        let batch = serde_json::from_value(payload)?;
        Ok(serde_json::to_value(callbacks(courier, batch, deadline(&context)).await)?)
    }))
    .await
}

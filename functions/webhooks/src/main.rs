//! Wires the webhooks: see `handler`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use platform::batch::deadline;
use platform::config::Variable;
use platform::startup::start;
use webhooks::delivery::Courier;
use webhooks::handler::callbacks;

const NEEDED: [Variable; 3] = [Variable::SettingsTable, Variable::KeyId, Variable::WebhookQueueUrl];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (config, hub) = start(&NEEDED);
    let courier = &Courier::new(hub, config.mode)?;
    run(service_fn(|event: LambdaEvent<_>| async move {
        let deadline = deadline(&event.context);
        Ok::<_, Error>(callbacks(courier, event.payload, deadline).await)
    }))
    .await
}

//! Starts the function: reads its environment, builds the handler, serves API Gateway and the reports queue.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use http_kit::triggers::serve;
use lambda_runtime::Error;
use platform::config::Variable;
use platform::startup::start;
use reports::http::routes;
use reports::queue::reports;
use reports::report::ReportHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (_, hub, secrets) = start(&[
        Variable::Table,
        Variable::AgenciesTable,
        Variable::Bucket,
        Variable::KeyId,
        Variable::ReportsQueueUrl,
        Variable::HubSigningKey,
    ])
    .await;
    let signing = secrets.signing_key.ok_or("the variable HUB_SIGNING_KEY_ARN is required")?;
    let handler = &ReportHandler::new(hub, signing);
    serve(routes(handler.clone()), |event, deadline| reports(handler, event, deadline)).await
}

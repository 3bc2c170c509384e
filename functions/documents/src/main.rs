//! Starts the function: the HTTP operations are in `handler`, the queue of S3 events in `arrived`.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use documents::handler::{LinkHandler, routes};
use documents::upload_events::Recorder;
use http_kit::authentication::Authenticator;
use http_kit::config::start_http;
use http_kit::triggers::serve;
use platform::config::Variable;

const REQUIRED_VARIABLES: [Variable; 7] = [
    Variable::Table,
    Variable::SubscriptionsTable,
    Variable::AgenciesTable,
    Variable::Bucket,
    Variable::KeyId,
    Variable::TokenIssuers,
    Variable::RequestsPerMinute,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (_, http, hub, _) = start_http(&REQUIRED_VARIABLES).await;
    let Some(issuers) = http.issuers else { return Err("the file token-issuers.json is required".into()) };
    let recorder = Recorder::new(hub.clone());
    let recorder = &recorder;
    let authenticator = Authenticator::new(hub.clone(), issuers, http.limits.requests_per_minute);
    serve(routes(LinkHandler::new(hub, authenticator)), move |batch, deadline| {
        recorder.record(batch, deadline)
    })
    .await
}

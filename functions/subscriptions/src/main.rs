//! Starts the function: reads its environment, builds the handler, serves API Gateway. The routes are in `handler`.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use http_kit::authentication::Authenticator;
use http_kit::config::start_http;
use http_kit::namespace::Namespace;
use http_kit::triggers::serve_http;
use platform::config::Variable;
use subscriptions::handler::{SubscriptionHandler, routes};

const REQUIRED_VARIABLES: [Variable; 9] = [
    Variable::Table,
    Variable::SubscriptionsTable,
    Variable::DeliveriesTable,
    Variable::CallbackQueueUrl,
    Variable::DrainQueueUrl,
    Variable::KeyId,
    Variable::IdSecret,
    Variable::TokenIssuers,
    Variable::RequestsPerMinute,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, http, hub, secrets) = start_http(&REQUIRED_VARIABLES).await;
    let (Some(secret), Some(issuers)) = (secrets.id_secret, http.issuers) else {
        return Err("ID_SECRET_ARN and token-issuers.json are required".into());
    };
    let authenticator = Authenticator::new(hub.clone(), issuers, http.limits.requests_per_minute);
    let handler = SubscriptionHandler::new(hub, authenticator, Namespace::new(secret), config.mode);
    serve_http(routes(handler)).await
}

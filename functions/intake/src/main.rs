//! Wires intake: see `handler`.

use intake::handler::{Intake, routes};
use intake::namespace::Namespace;
use platform::config::Variable;
use platform::startup::start;
use platform::triggers::serve_http;

const NEEDED: [Variable; 13] = [
    Variable::Table,
    Variable::SettingsTable,
    Variable::DeliveriesTable,
    Variable::WebhookQueueUrl,
    Variable::DrainQueueUrl,
    Variable::PartnersTable,
    Variable::Bucket,
    Variable::KeyId,
    Variable::IdSecret,
    Variable::TokenIssuers,
    Variable::HubKeys,
    Variable::RequestsPerMinute,
    Variable::ApplicationsPerDay,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, hub) = start(&NEEDED);
    let (Some(secret), Some(issuers), Some(keys)) = (config.id_secret, config.issuers, config.hub_keys)
    else {
        return Err("ID_SECRET, TOKEN_ISSUERS and HUB_KEYS are needed".into());
    };
    let namespace = Namespace::new(secret);
    let intake = Intake::new(hub, issuers, namespace, keys.to_json()?, config.mode, config.limits);
    serve_http(routes(intake)).await
}

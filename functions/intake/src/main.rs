//! Wires intake: see `handler`.

use http_kit::config::start_http;
use http_kit::triggers::serve_http;
use intake::handler::{Intake, routes};
use intake::namespace::Namespace;
use platform::config::Variable;

const NEEDED: [Variable; 13] = [
    Variable::Table,
    Variable::SettingsTable,
    Variable::DeliveriesTable,
    Variable::CallbackQueueUrl,
    Variable::DrainQueueUrl,
    Variable::AgenciesTable,
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
    let (config, http, hub) = start_http(&NEEDED);
    let (Some(secret), Some(issuers), Some(keys)) = (config.id_secret, http.issuers, config.hub_keys) else {
        return Err("ID_SECRET, TOKEN_ISSUERS and HUB_KEYS are needed".into());
    };
    let namespace = Namespace::new(secret);
    let intake = Intake::new(hub, issuers, namespace, keys.to_json()?, config.mode, http.limits);
    serve_http(routes(intake)).await
}

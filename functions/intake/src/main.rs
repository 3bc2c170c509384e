//! Starts the function: reads its environment, builds the handler, serves API Gateway. The operations are in `handler`.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::expect_used))]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

use http_kit::config::start_http;
use http_kit::namespace::Namespace;
use http_kit::triggers::serve_http;
use intake::handler::{Intake, routes};
use intake::reference::Reference;
use platform::config::Variable;

const REQUIRED_VARIABLES: [Variable; 11] = [
    Variable::Table,
    Variable::SubscriptionsTable,
    Variable::AgenciesTable,
    Variable::Bucket,
    Variable::KeyId,
    Variable::IdSecret,
    Variable::PersonIndexKey,
    Variable::TokenIssuers,
    Variable::HubKeys,
    Variable::RequestsPerMinute,
    Variable::ApplicationsPerDay,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, http, hub, secrets) = start_http(&REQUIRED_VARIABLES).await;
    let secrets = secrets.id_secret.zip(secrets.person_index);
    let (Some((secret, persons)), Some(issuers), Some(keys)) = (secrets, http.issuers, config.hub_keys)
    else {
        return Err(
            "ID_SECRET_ARN, PERSON_INDEX_KEY_ARN, token-issuers.json and hub-keys.json are required".into()
        );
    };
    let namespace = Namespace::new(secret);
    let intake = Intake::new(hub, issuers, namespace, keys.to_json()?, http.limits);
    let intake = intake.with_person_index(persons).with_reference(Reference::of_package());
    serve_http(routes(intake)).await
}

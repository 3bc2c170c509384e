//! Wires intake: see `handler`.

use intake::handler::{Intake, routes};
use intake::namespace::Namespace;
use platform::config::Variable;
use platform::startup::start;

const NEEDED: [Variable; 6] = [
    Variable::Table,
    Variable::SettingsTable,
    Variable::Bucket,
    Variable::KeyId,
    Variable::IdSecret,
    Variable::TokenIssuers,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, hub) = start(&NEEDED);
    let (Some(secret), Some(issuers)) = (config.id_secret, config.issuers) else {
        return Err("ID_SECRET and TOKEN_ISSUERS are needed".into());
    };
    let intake = Intake::new(hub, issuers, Namespace::new(secret), config.mode);
    lambda_http::run(routes(intake)).await
}

//! Wires the documents function: see `handler` for its routes and `arrived` for its queue.

use documents::arrived::Recorder;
use documents::handler::{Desk, routes};
use platform::caller::Gate;
use platform::config::Variable;
use platform::startup::start;
use platform::triggers::serve;

const NEEDED: [Variable; 7] = [
    Variable::Table,
    Variable::SettingsTable,
    Variable::PartnersTable,
    Variable::Bucket,
    Variable::KeyId,
    Variable::TokenIssuers,
    Variable::RequestsPerMinute,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let (config, hub) = start(&NEEDED);
    let Some(issuers) = config.issuers else { return Err("TOKEN_ISSUERS is needed".into()) };
    let recorder = Recorder::new(hub.clone());
    let recorder = &recorder;
    let gate = Gate::new(hub.clone(), issuers, config.limits.requests_per_minute);
    serve(routes(Desk::new(hub, gate)), move |batch, deadline| recorder.record(batch, deadline)).await
}

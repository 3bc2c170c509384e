//! Starts every function: configuration, log, ports and secrets, once for each process.

use crate::aws::Aws;
use crate::config::{Config, Mode, Reader, Variable};
use crate::hub::AwsHub;
use crate::secrets::Secrets;
use crate::telemetry;

/// Reads the needed settings, starts the log, creates the ports and reads the secrets. Every function needs the
/// agencies. When a setting or a secret is missing or invalid, standard error names it and the process exits.
pub async fn start(needed: &[Variable]) -> (Config, AwsHub, Secrets) {
    let (config, hub, secrets, ()) = start_with(needed, |_, _| ()).await;
    (config, hub, secrets)
}

/// Like [`start`]; `more` reads the settings of another crate from the same environment.
pub async fn start_with<T>(
    needed: &[Variable],
    more: impl FnOnce(&mut Reader<'_>, Mode) -> T,
) -> (Config, AwsHub, Secrets, T) {
    let needed = [needed, &[Variable::Agencies]].concat();
    let (config, more) = match Config::from_env_with(&needed, more) {
        Ok(read) => read,
        Err(error) => telemetry::cannot_start(&error),
    };
    telemetry::init(config.log_level);
    let aws = Aws::new(config.access.clone());
    let hub = match AwsHub::new(&config, &aws) {
        Ok(hub) => hub,
        Err(error) => telemetry::cannot_start(&error),
    };
    match Secrets::read(&aws, &config).await {
        Ok(secrets) => (config, hub, secrets, more),
        Err(error) => telemetry::cannot_start(&error),
    }
}

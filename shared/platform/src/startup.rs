//! How every function begins: configuration, log, ports; once a process.

use crate::config::{Config, Variable};
use crate::hub::AwsHub;
use crate::telemetry;

/// Reads what a function needs, starts the log and prepares the ports. The agencies are always needed.
/// Where something is missing or wrong it is told on standard error, and the process ends.
#[must_use]
pub fn start(needed: &[Variable]) -> (Config, AwsHub) {
    let needed = [needed, &[Variable::Partners]].concat();
    let config = match Config::from_env(&needed) {
        Ok(config) => config,
        Err(error) => telemetry::cannot_start(&error),
    };
    telemetry::init(config.log_level);
    match AwsHub::new(&config) {
        Ok(hub) => (config, hub),
        Err(error) => telemetry::cannot_start(&error),
    }
}

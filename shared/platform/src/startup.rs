//! How every function begins: configuration, log, ports; once a process.

use crate::config::{Config, Mode, Reader, Variable};
use crate::hub::AwsHub;
use crate::telemetry;

/// Reads what a function needs, starts the log and prepares the ports. The agencies are always needed.
/// Where something is missing or wrong, standard error names all of it and the process ends.
#[must_use]
pub fn start(needed: &[Variable]) -> (Config, AwsHub) {
    let (config, hub, ()) = start_with(needed, |_, _| ());
    (config, hub)
}

/// [`start`], and with it what another crate reads of the same environment.
#[must_use]
pub fn start_with<T>(
    needed: &[Variable],
    more: impl FnOnce(&mut Reader<'_>, Mode) -> T,
) -> (Config, AwsHub, T) {
    let needed = [needed, &[Variable::Agencies]].concat();
    let (config, more) = match Config::from_env_with(&needed, more) {
        Ok(read) => read,
        Err(error) => telemetry::cannot_start(&error),
    };
    telemetry::init(config.log_level);
    match AwsHub::new(&config) {
        Ok(hub) => (config, hub, more),
        Err(error) => telemetry::cannot_start(&error),
    }
}

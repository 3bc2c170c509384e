//! Starts every function: configuration, log and ports, once for each process.

use crate::config::{Config, Mode, Reader, Variable};
use crate::hub::AwsHub;
use crate::telemetry;

/// Reads the needed variables, starts the log and creates the ports. Every function needs the agencies. When a variable
/// is missing or invalid, standard error names all such variables and the process exits.
#[must_use]
pub fn start(needed: &[Variable]) -> (Config, AwsHub) {
    let (config, hub, ()) = start_with(needed, |_, _| ());
    (config, hub)
}

/// Like [`start`]; `more` reads the variables of another crate from the same environment.
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

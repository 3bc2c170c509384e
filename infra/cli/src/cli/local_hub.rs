//! Arguments that select a hub on this machine.

use anyhow::{Context as _, Result};
use clap::Args;
use domain::ids::TenantId;
use tongban::emulator::PORT;
use tongban::running::RunningHub;
use tongban::walk::TENANT;

/// The hub on this machine, and the tenant of the requests.
#[derive(Clone, Debug, Args)]
pub(crate) struct LocalHub {
    /// Tenant of the app backend.
    #[arg(long, default_value = TENANT, value_parser = tenant)]
    pub(crate) tenant: TenantId,
    /// Port of the hub on this machine. Default: TONGBAN_PORT, then 4580.
    // A separate id, because the top-level command has a `port` with a default. The alias is the name of earlier
    // versions.
    #[arg(id = "hub_port", long = "port", alias = "hub-port", value_name = "PORT")]
    port: Option<u16>,
    /// Name of the stack. Default: TONGBAN_STACK, then tongban.
    #[arg(long)]
    stack: Option<String>,
}

impl LocalHub {
    /// Finds the hub.
    ///
    /// # Errors
    /// No hub runs on the port, or it has no stack of this name.
    pub(crate) async fn hub(&self) -> Result<RunningHub> {
        RunningHub::find(self.port()?, &self.stack()).await
    }

    /// The hub's port.
    ///
    /// # Errors
    /// TONGBAN_PORT is not a port number.
    pub(crate) fn port(&self) -> Result<u16> {
        port_of(self.port)
    }

    /// The name of the stack.
    pub(crate) fn stack(&self) -> String {
        stack_of(self.stack.clone())
    }
}

/// The hub's port: the argument, else TONGBAN_PORT, else the default.
///
/// # Errors
/// TONGBAN_PORT is not a port number.
pub(crate) fn port_of(given: Option<u16>) -> Result<u16> {
    match (given, variable("TONGBAN_PORT")) {
        (Some(port), _) => Ok(port),
        (None, Some(text)) => text.parse().context("TONGBAN_PORT is not a port number"),
        (None, None) => Ok(PORT),
    }
}

/// The stack's name: the argument, else TONGBAN_STACK, else the default.
pub(crate) fn stack_of(given: Option<String>) -> String {
    given.or_else(|| variable("TONGBAN_STACK")).unwrap_or_else(|| "tongban".to_owned())
}

/// Shell commands that set the address and a token of the hub on this machine, for `eval`. The quotes are for the
/// dollar sign of the address; no value contains a quote.
pub(crate) fn exports(port: u16, url: &str, token: &str) -> [String; 3] {
    [format!("export TONGBAN_PORT={port}"), format!("export URL='{url}'"), format!("export TOKEN='{token}'")]
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn tenant(text: &str) -> Result<TenantId, &'static str> {
    text.parse().map_err(|_| "a tenant has 1 to 64 of a-z 0-9 . _ -, the first a letter or digit")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::exports;

    #[test]
    fn k6_the_exports_are_one_block_that_a_shell_evaluates() {
        let url = "http://127.0.0.1:4580/_aws/execute-api/ab12/$default";
        let block = exports(4580, url, "e30.e30.x").join("\n");
        let script = "eval \"$1\" && echo \"$TONGBAN_PORT $URL $TOKEN\"";
        let told = Command::new("sh").args(["-c", script, "sh", &block]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), format!("4580 {url} e30.e30.x"));
    }
}

//! Which hub of this machine is meant.

use anyhow::{Context as _, Result};
use clap::Args;
use domain::ids::TenantId;
use tongban::emulator::PORT;
use tongban::running::RunningHub;
use tongban::walk::TENANT;

/// The hub on this machine, and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct LocalHub {
    /// The app backend.
    #[arg(long, default_value = TENANT, value_parser = tenant)]
    pub(crate) tenant: TenantId,
    /// Port of the hub on this machine; else TONGBAN_PORT, else 4580.
    // An id of its own: the program's first level has a port with a default.
    #[arg(id = "hub_port", long = "hub-port", value_name = "PORT")]
    port: Option<u16>,
    /// Name of its stack; else TONGBAN_STACK, else tongban.
    #[arg(long)]
    stack: Option<String>,
}

impl LocalHub {
    /// Finds the hub.
    ///
    /// # Errors
    /// It does not run, or not under this name.
    pub(crate) async fn hub(&self) -> Result<RunningHub> {
        RunningHub::find(port_of(self.port)?, &stack_of(self.stack.clone())).await
    }
}

/// The hub's port: what is given, else the environment's, else the usual one.
///
/// # Errors
/// The environment names no port.
pub(crate) fn port_of(given: Option<u16>) -> Result<u16> {
    match (given, variable("TONGBAN_PORT")) {
        (Some(port), _) => Ok(port),
        (None, Some(text)) => text.parse().context("TONGBAN_PORT is no port"),
        (None, None) => Ok(PORT),
    }
}

/// The stack's name: what is given, else the environment's, else the usual one.
pub(crate) fn stack_of(given: Option<String>) -> String {
    given.or_else(|| variable("TONGBAN_STACK")).unwrap_or_else(|| "tongban".to_owned())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn tenant(text: &str) -> Result<TenantId, &'static str> {
    text.parse().map_err(|_| "a tenant has 1 to 64 of a-z 0-9 . _ -, the first a letter or digit")
}

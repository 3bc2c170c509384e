//! `tongban token`: access tokens of app backends.

use anyhow::Result;
use clap::{Args, value_parser};
use tongban::secrets::{SCOPES, TOKEN_HOURS, TOKEN_HOURS_MOST};
use tongban::terminal::Terminal;

use super::local_hub::{LocalHub, exports};

/// Prints an access token for the hub on this machine (`cargo run`, `cargo run -- up`), and nothing else.
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(flatten)]
    local_hub: LocalHub,
    /// Scopes, separated by commas. Default: all scopes.
    #[arg(long, value_delimiter = ',', value_parser = scope, default_values = SCOPES)]
    scopes: Vec<String>,
    /// Lifetime in hours. The hub rejects tokens with a lifetime of more than a day.
    #[arg(long, default_value_t = TOKEN_HOURS, value_parser = value_parser!(u8).range(1..=i64::from(TOKEN_HOURS_MOST)))]
    hours: u8,
    /// Prints shell commands that set TONGBAN_PORT, URL and TOKEN, for `eval "$(…)"`.
    #[arg(long)]
    export: bool,
}

fn scope(text: &str) -> Result<String, String> {
    if SCOPES.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("unknown scope; the scopes are {}", SCOPES.join(", ")))
    }
}

impl Token {
    /// Prints the token.
    ///
    /// # Errors
    /// No hub runs on this machine.
    pub(crate) async fn run(&self, terminal: &Terminal) -> Result<()> {
        let hub = self.local_hub.hub().await?;
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let token = hub.token(&self.local_hub.tenant, &scopes, self.hours)?;
        if self.export {
            for line in exports(self.local_hub.port()?, hub.url(), &token) {
                terminal.line(&line);
            }
        } else {
            terminal.line(&token);
        }
        Ok(())
    }
}

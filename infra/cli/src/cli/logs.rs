//! `tongban logs`: what the functions of the hub on this machine wrote.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tongban::function_logs::FunctionLogs;
use tongban::functions::FUNCTIONS;
use tongban::terminal::Terminal;

use super::local_hub::LocalHub;

/// Pause between two looks at the logs.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Prints the log lines of all functions of the hub on this machine, the oldest first: time, function, and the line as
/// the function wrote it.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Prints new lines until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Prints only lines that contain this text, for example a `request-id` or the id of an application.
    #[arg(long, value_name = "TEXT")]
    with: Option<String>,
    #[command(flatten)]
    local_hub: LocalHub,
}

impl Logs {
    /// Prints the lines.
    ///
    /// # Errors
    /// No hub runs on this machine.
    pub(crate) async fn run(&self, terminal: &Terminal) -> Result<()> {
        self.local_hub.hub().await?;
        let mut logs = FunctionLogs::new(self.local_hub.port()?, &self.local_hub.stack())?;
        let width = FUNCTIONS.iter().map(|name| name.len()).max().unwrap_or(0);
        loop {
            for line in logs.next().await? {
                if self.with.as_ref().is_none_or(|text| line.text.contains(text)) {
                    terminal.line(&format!("{:.3}  {:<width$}  {}", line.at, line.function, line.text));
                }
            }
            if !self.follow {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

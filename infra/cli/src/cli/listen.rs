//! `tongban listen`: receives callbacks on this machine.

use std::time::Duration;

use anyhow::{Result, bail};
use app_client::{AppClient, CallbackReceiver, ReceivedCallback};
use clap::Args;
use console::style;
use serde_json::json;
use tokio::sync::mpsc;
use tongban::secrets::{SCOPES, TOKEN_HOURS};
use tongban::terminal::Terminal;
use tongban::walk::words::what;

use super::local_hub::LocalHub;
use super::signals::termination;

/// Callbacks that wait to be printed. When the queue is full, the receiver answers 503 and the hub retries.
const QUEUE_LENGTH: usize = 256;
/// How long the hub may take to end the subscription.
const UNSUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The hub accepts at most this many event types in a subscription.
const EVENT_TYPES: usize = 32;

/// Prints the callbacks of the hub on this machine as they arrive, one line each, until Ctrl-C.
///
/// Subscribes for the tenant, verifies each signature, answers a forged callback with 401, and ends the subscription
/// when it stops. Callbacks have ids only. The hub may take 15 seconds to use a new subscription; the event feed has
/// the events of that time.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Port of 127.0.0.1 to listen on; 0 chooses a free port.
    #[arg(long, value_name = "PORT", default_value_t = 4590)]
    listen_port: u16,
    /// Event types, separated by commas, for example application.received. Default: all types.
    #[arg(long, value_delimiter = ',')]
    events: Vec<String>,
    /// Prints one JSON object per line, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local_hub: LocalHub,
}

impl Listen {
    /// Listens until a signal ends the command.
    ///
    /// # Errors
    /// No hub runs on this machine, the port is in use, or the hub has no such event type.
    pub(crate) async fn run(self, terminal: &Terminal) -> Result<()> {
        if self.events.len() > EVENT_TYPES {
            bail!("--events takes at most {EVENT_TYPES} types");
        }
        let hub = self.local_hub.hub().await?;
        let token = hub.token(&self.local_hub.tenant, &SCOPES, TOKEN_HOURS)?;
        let app = AppClient::new(hub.http(), hub.url(), token);
        let (sender, mut received) = mpsc::channel(QUEUE_LENGTH);
        let receiver =
            CallbackReceiver::listen(self.listen_port, move |callback| sender.try_send(callback).is_ok())
                .await?;
        // A killed run leaves its subscription. Its receiver is gone, because this process has the port.
        app.unsubscribe_url(receiver.url()).await?;
        let (subscription, secret) = app.subscribe(receiver.url(), &self.events).await?;
        receiver.trust(secret);
        if !self.json {
            terminal.line(&format!("Listening for {} at {}", self.local_hub.tenant, receiver.url()));
        }
        let end = termination();
        tokio::pin!(end);
        let signal = loop {
            tokio::select! {
                signal = &mut end => break signal,
                Some(callback) = received.recv() => terminal.line(&self.line(&callback)),
            }
        };
        if let Ok(ended) = tokio::time::timeout(UNSUBSCRIBE_TIMEOUT, app.unsubscribe(subscription)).await {
            ended?;
        }
        signal
    }

    fn line(&self, callback: &Result<ReceivedCallback, String>) -> String {
        if self.json { json_line(callback) } else { text_line(callback) }
    }
}

fn json_line(callback: &Result<ReceivedCallback, String>) -> String {
    let line = match callback {
        Ok(ReceivedCallback { payload, delay, .. }) => json!({
            "verified": true,
            "type": payload.kind,
            "timestamp": payload.timestamp,
            "application": payload.data.application,
            "version": payload.data.version,
            "stage": payload.data.stage,
            "after_seconds": delay.as_secs_f64(),
        }),
        Err(reason) => json!({ "verified": false, "why": reason }),
    };
    line.to_string()
}

fn text_line(callback: &Result<ReceivedCallback, String>) -> String {
    match callback {
        Ok(ReceivedCallback { payload, delay, .. }) => {
            let data = &payload.data;
            let words = what(payload.kind.strip_prefix("application.").unwrap_or(&payload.kind));
            let kind = console::pad_str(&payload.kind, 32, console::Alignment::Left, None).into_owned();
            format!(
                "{}  {}  {kind}  {}  v{}  {}  {}  {words}",
                payload.timestamp.strftime("%H:%M:%S"),
                style("ok").green(),
                data.application,
                data.version,
                style(data.stage.name()).bold(),
                style(format!("+{:.2} s", delay.as_secs_f64())).dim(),
            )
        }
        Err(reason) => format!("{}  {reason}", style("forged").red().bold()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_ids_and_says_whether_the_signature_is_valid() {
        let payload = json!({
            "type": "application.received",
            "timestamp": "2026-03-01T08:00:00Z",
            "data": {
                "application": "00000000-0000-8000-8000-000000000001",
                "version": 6,
                "stage": "received",
                "url": "/v1/applications/00000000-0000-8000-8000-000000000001",
            },
        });
        let payload = serde_json::from_value(payload).expect("a payload");
        let callback = Ok(ReceivedCallback {
            id: "00000000-0000-8000-8000-000000000001:6".to_owned(),
            payload,
            body: String::new(),
            signed_by: 1,
            delay: jiff::SignedDuration::from_millis(210),
        });
        let line = console::strip_ansi_codes(&text_line(&callback)).into_owned();
        assert_eq!(
            line,
            "08:00:00  ok  application.received              00000000-0000-8000-8000-000000000001  v6  received  \
             +0.21 s  已接收 received"
        );
        assert!(json_line(&callback).contains("\"verified\":true"));
        let forged = Err("the signature does not verify".to_owned());
        assert!(console::strip_ansi_codes(&text_line(&forged)).starts_with("forged  the signature"));
        assert!(json_line(&forged).contains("\"verified\":false"));
    }
}

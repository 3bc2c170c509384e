//! `tongban listen`: a receiver of callbacks on this machine.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use console::style;
use serde_json::json;
use tokio::sync::mpsc;
use tongban::app::App;
use tongban::receiver::{Heard, Receiver};
use tongban::screen::Screen;
use tongban::secrets::{SCOPES, TOKEN_HOURS};
use tongban::walk::words::what;

use super::local_hub::LocalHub;
use super::told_to_end;

/// Callbacks that are held until they are printed; what does not fit is sent again by the hub.
const HELD: usize = 256;
/// How long the hub may take to end the subscription.
const END: Duration = Duration::from_secs(10);
/// Most types that may be named, as the hub bounds them.
const TYPES: usize = 32;

/// Prints the callbacks of the hub on this machine as they arrive, one line each, until Ctrl-C.
///
/// Subscribes for the tenant, verifies each signature, answers a forged callback with 401, and ends the subscription
/// with itself. Callbacks hold ids alone. Where the tenant had another subscription a moment ago, the hub may take 15
/// seconds to know of this one; what was missed is in the event feed.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Port of 127.0.0.1 to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 4590)]
    port: u16,
    /// Types of events, several with commas between, for example application.received; all without it.
    #[arg(long, value_delimiter = ',')]
    events: Vec<String>,
    /// For programs: a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local_hub: LocalHub,
}

impl Listen {
    /// Listens until a signal comes.
    ///
    /// # Errors
    /// There is no hub, the port is in use, or the hub knows no such type.
    pub(crate) async fn run(self, screen: &Screen) -> Result<()> {
        if self.events.len() > TYPES {
            bail!("at most {TYPES} types of events may be named");
        }
        let hub = self.local_hub.hub().await?;
        let token = hub.token(&self.local_hub.tenant, &SCOPES, TOKEN_HOURS)?;
        let app = App::new(hub.http(), hub.url(), token);
        let (sender, mut arrivals) = mpsc::channel(HELD);
        let receiver = Receiver::listen(self.port, move |heard| sender.try_send(heard).is_ok()).await?;
        // What an earlier run of this left when it was killed: nobody else can be called on this port now.
        app.unsubscribe_url(receiver.url()).await?;
        let (subscription, secret) = app.subscribe(receiver.url(), &self.events).await?;
        receiver.trust(secret);
        if !self.json {
            screen.line(&format!("Listening for {} at {}", self.local_hub.tenant, receiver.url()));
        }
        let end = told_to_end();
        tokio::pin!(end);
        let signal = loop {
            tokio::select! {
                signal = &mut end => break signal,
                Some(heard) = arrivals.recv() => screen.line(&self.line(heard)),
            }
        };
        if let Ok(ended) = tokio::time::timeout(END, app.unsubscribe(subscription)).await {
            ended?;
        }
        signal
    }

    fn line(&self, heard: Result<Heard, String>) -> String {
        if self.json { machine(&heard) } else { human(&heard) }
    }
}

fn machine(heard: &Result<Heard, String>) -> String {
    let line = match heard {
        Ok(Heard { payload, after }) => json!({
            "verified": true,
            "type": payload.kind,
            "timestamp": payload.timestamp,
            "application": payload.data.application,
            "version": payload.data.version,
            "stage": payload.data.stage,
            "after_seconds": after.as_secs_f64(),
        }),
        Err(why) => json!({ "verified": false, "why": why }),
    };
    line.to_string()
}

fn human(heard: &Result<Heard, String>) -> String {
    match heard {
        Ok(Heard { payload, after }) => {
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
                style(format!("+{:.2} s", after.as_secs_f64())).dim(),
            )
        }
        Err(why) => format!("{}  {why}", style("forged").red().bold()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_ids_and_says_whether_it_is_believed() {
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
        let heard = Ok(Heard { payload, after: jiff::SignedDuration::from_millis(210) });
        let line = console::strip_ansi_codes(&human(&heard)).into_owned();
        assert_eq!(
            line,
            "08:00:00  ok  application.received              00000000-0000-8000-8000-000000000001  v6  received  \
             +0.21 s  已接收 received"
        );
        assert!(machine(&heard).contains("\"verified\":true"));
        let forged = Err("the signature does not verify".to_owned());
        assert!(console::strip_ansi_codes(&human(&forged)).starts_with("forged  the signature"));
        assert!(machine(&forged).contains("\"verified\":false"));
    }
}

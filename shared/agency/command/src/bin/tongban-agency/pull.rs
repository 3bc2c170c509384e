//! `pull`: prints messages and leaves them in the queue.

use std::process::ExitCode;
use std::time::Duration;

use agency::queue::ReceivedMessage;
use agency::{AgencyConfig, CaseQueue as _, HubKeys, Stop};
use anyhow::{Context as _, Result};
use protocol::case::{Case, Envelope};
use protocol::jose::{JoseError, decrypt, signer_kid};
use serde_json::{Value, json};

use crate::arguments::Pull;
use crate::screen::{members, print, spinner};
use crate::setting;

/// Visibility timeout of a message while this command reads it.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(30);
/// Visibility timeout of a printed message with `--follow`, while the command waits for others.
const PRINTED_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(10);

/// Prints one message, or with `--follow` all of them, and releases each.
pub(crate) async fn pull(given: &Pull) -> Result<ExitCode> {
    let file = given.agency.config.as_deref();
    let config = setting::config(file)?;
    let queue = setting::queue(&config, file, true)?;
    let keys = HubKeys::new(&config)?;
    let stop = Stop::on_signals().context("signals")?;
    loop {
        let waiting = spinner("waiting for a message");
        let received = tokio::select! {
            () = stop.requested() => return Ok(ExitCode::SUCCESS),
            received = queue.receive(1, config.consumer.wait, VISIBILITY_TIMEOUT) => received?,
        };
        waiting.finish_and_clear();
        let code = match received.first() {
            Some(delivery) => {
                queue
                    .hide(&received, if given.follow { PRINTED_VISIBILITY_TIMEOUT } else { Duration::ZERO })
                    .await?;
                show(given, &config, &keys, delivery).await?
            }
            None if given.follow => continue,
            None => {
                print(if given.agency.json { "null" } else { "no message" })?;
                4
            }
        };
        if !given.follow {
            return Ok(ExitCode::from(code));
        }
    }
}

async fn show(given: &Pull, config: &AgencyConfig, keys: &HubKeys, delivery: &ReceivedMessage) -> Result<u8> {
    let (shown, code) = match opened(config, keys, delivery).await? {
        Ok(case) => (summary(case, delivery.times, given.personal)?, 0),
        Err(reason) => {
            (json!({ "message": delivery.message, "deliveries": delivery.times, "unreadable": reason }), 5)
        }
    };
    if given.agency.json {
        print(&shown.to_string())?;
    } else {
        members(&shown)?;
        if given.follow {
            print("")?;
        }
    }
    Ok(code)
}

/// Decrypts and verifies a message. The inner error is the reason why the message is unreadable.
async fn opened(
    config: &AgencyConfig,
    keys: &HubKeys,
    delivery: &ReceivedMessage,
) -> Result<Result<Case, String>> {
    let Ok(envelope) = serde_json::from_str::<Envelope>(&delivery.body) else {
        return Ok(Err("the message is not a CloudEvent of the hub".to_owned()));
    };
    let own = &config.keys.encryption;
    let opened = match envelope.open(own, &*keys.current().await?) {
        Err(JoseError::UnknownKey) => {
            let kid = decrypt(&envelope.data, own)
                .and_then(|jws| signer_kid(std::str::from_utf8(&jws).map_err(|_| JoseError::Malformed)?));
            match kid {
                Ok(kid) => envelope.open(own, &*keys.containing(&kid).await?),
                Err(error) => Err(error),
            }
        }
        opened => opened,
    };
    Ok(opened.map_err(|error| error.to_string()))
}

/// A case as JSON, without the persons unless `personal` is set.
fn summary(mut case: Case, deliveries: u32, personal: bool) -> Result<Value> {
    let persons = if personal { None } else { case.personal_data.take() };
    let mut shown = serde_json::to_value(&case)?;
    shown["deliveries"] = Value::from(deliveries);
    if !personal {
        shown["persons"] = Value::from(if persons.is_some() { "not shown" } else { "none" });
    }
    Ok(shown)
}

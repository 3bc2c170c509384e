//! The commands that speak with the queue.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use partner::aws::Access;
use partner::journal::Journal;
use partner::{CaseQueue as _, Config, Consumer, Office, Script, Simulator, SqsQueue, Stop};
use protocol::case::{Case, Envelope};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Variables of the environment that are not set.
#[derive(Debug, thiserror::Error)]
#[error("the environment lacks {}", .0.join(", "))]
pub(crate) struct Missing(pub(crate) Vec<&'static str>);

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn sqs() -> Result<aws_sdk_sqs::Client> {
    Ok(Access::from_variables(variable).map_err(Missing)?.sqs())
}

fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Plays a script for every configured agency until the end is asked for.
pub(crate) async fn simulate(files: &[PathBuf], script: &str) -> Result<ExitCode> {
    if script == "list" {
        for (name, what) in Script::NAMES {
            print(&format!("{name:<12}{what}"))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let script =
        Script::named(script).ok_or_else(|| anyhow!("no script {script:?}; `--script list` names them"))?;
    let configs = if files.is_empty() {
        vec![Config::load(None, variable)?]
    } else {
        // With several files a variable would set every agency alike.
        let load = |file: &PathBuf| match files.len() {
            1 => Config::load(Some(file), variable),
            _ => Config::load(Some(file), |_| None),
        };
        files.iter().map(load).collect::<Result<_, _>>()?
    };
    let client = sqs()?;
    let stop = Stop::on_signals().context("signals")?;
    let journal = Journal::new(|entry| {
        if let Ok(line) = serde_json::to_string(entry) {
            // A reader that went away does not stop an agency.
            let _gone = print(&line);
        }
    });
    let mut agencies = JoinSet::new();
    for config in configs {
        let queue = SqsQueue::new(client.clone(), &config.queue_url);
        let office = Office::new(&config)?;
        let desk = Simulator::new(script.clone(), journal.clone());
        let consumer = Consumer::new(&config, queue, desk, office).with_journal(journal.clone());
        let (agency, stop) = (config.agency, stop.clone());
        agencies.spawn(async move {
            let ended = consumer.run(stop).await;
            ended.with_context(|| format!("agency {agency}"))
        });
    }
    while let Some(ended) = agencies.join_next().await {
        ended??;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one message and gives it back.
pub(crate) async fn pull(file: Option<&Path>, as_json: bool) -> Result<ExitCode> {
    let config = Config::load(file, variable)?;
    let queue = SqsQueue::new(sqs()?, &config.queue_url);
    let hidden = Duration::from_secs(30);
    let received = queue.receive(1, config.pace.wait, hidden).await?;
    let Some(delivery) = received.first() else {
        print(if as_json { "null" } else { "no message" })?;
        return Ok(ExitCode::from(4));
    };
    queue.hide(&received, Duration::ZERO).await?;
    let opened = serde_json::from_str::<Envelope>(&delivery.body)
        .map_err(|_| "no envelope".to_owned())
        .and_then(|envelope| {
            let opened = envelope.open(&config.keys.encryption, &config.keys.hub);
            opened.map_err(|error| error.to_string())
        });
    let (shown, code) = match opened {
        Ok(case) => (summary(case, delivery.times)?, 0),
        Err(why) => {
            (json!({ "message": delivery.message, "deliveries": delivery.times, "unreadable": why }), 5)
        }
    };
    if as_json {
        print(&shown.to_string())?;
    } else {
        table(&shown)?;
    }
    Ok(ExitCode::from(code))
}

/// A case without its persons.
fn summary(mut case: Case, deliveries: u32) -> Result<Value> {
    let persons = case.dossier.take().is_some();
    let mut shown = serde_json::to_value(&case)?;
    shown["deliveries"] = Value::from(deliveries);
    shown["persons"] = Value::from(if persons { "not shown" } else { "none" });
    Ok(shown)
}

fn table(shown: &Value) -> Result<()> {
    for (name, value) in shown.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => print(&format!("{name:<16}{text}"))?,
            Value::Array(rows) => {
                for (index, row) in rows.iter().enumerate() {
                    let label = if index == 0 { name.as_str() } else { "" };
                    let row = row.as_str().map_or_else(|| row.to_string(), str::to_owned);
                    print(&format!("{label:<16}{row}"))?;
                }
            }
            other => print(&format!("{name:<16}{other}"))?,
        }
    }
    Ok(())
}

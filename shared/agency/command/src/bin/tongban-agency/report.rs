//! `report`: sends one report.

use std::process::ExitCode;

use agency::HubClient;
use anyhow::{Context as _, Result, bail, ensure};
use domain::command::ReportedResult;
use serde_json::{Map, Value, json};

use crate::arguments::ReportArguments;
use crate::screen::{members, print, spinner};
use crate::setting;

/// Most bytes of a file with a result.
const FILE_BYTES: usize = 64 * 1024;

/// The arguments give no valid result.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(crate) struct InvalidResult(anyhow::Error);

/// Sends a report. The hub answers a repeated report with the first receipt.
pub(crate) async fn report(given: &ReportArguments) -> Result<ExitCode> {
    let result = result(given).map_err(InvalidResult)?;
    let config = setting::config(given.agency.config.as_deref())?;
    let asking = spinner("reporting");
    let receipt = HubClient::new(&config)?.report(given.application, given.seen, result).await?;
    asking.finish_and_clear();
    let shown = serde_json::to_value(&receipt)?;
    if given.agency.json {
        print(&shown.to_string())?
    } else {
        members(&shown)?
    }
    Ok(ExitCode::SUCCESS)
}

fn result(given: &ReportArguments) -> Result<ReportedResult> {
    let object = match (&given.file, &given.result) {
        (Some(file), _) => {
            let name = || file.display().to_string();
            ensure!(
                std::fs::metadata(file).with_context(name)?.len() <= FILE_BYTES as u64,
                "{} is over 64 KiB",
                name()
            );
            protocol::json::parse(&std::fs::read(file).with_context(name)?, FILE_BYTES).with_context(name)?
        }
        (None, Some(kind)) => written(kind, given)?,
        (None, None) => bail!("name a result, or give --file"),
    };
    serde_json::from_value(object)
        .context("the result is not valid: give its members with --reason, --item or --set")
}

/// The result as it is on the wire.
fn written(kind: &str, given: &ReportArguments) -> Result<Value> {
    let mut object = Map::from_iter([("kind".to_owned(), Value::from(kind.replace('-', "_")))]);
    if let Some(reason) = &given.reason {
        object.insert("reason".to_owned(), Value::from(reason.as_str()));
    }
    if !given.item.is_empty() {
        let items = given.item.iter().map(|text| item(text)).collect::<Result<Vec<_>>>()?;
        object.insert("items".to_owned(), Value::from(items));
    }
    for member in &given.members {
        let (name, value) = member
            .split_once('=')
            .with_context(|| format!("--set {member} must have the form NAME=VALUE"))?;
        object.insert(name.to_owned(), Value::from(value));
    }
    Ok(Value::Object(object))
}

fn item(text: &str) -> Result<Value> {
    let mut parts = text.splitn(3, ':');
    let (Some(name), Some(kinds)) = (parts.next(), parts.next()) else {
        bail!("--item {text} must have the form name:kind[+kind][:note]");
    };
    let accepts: Vec<&str> = kinds.split('+').collect();
    Ok(json!({ "name": name, "accepts": accepts, "note": parts.next().unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn read(words: &[&str]) -> Result<ReportedResult> {
        let fixed = ["x", "report", "0190f4c0-0000-8000-8000-000000000001", "--seen", "4"];
        let arguments = Arguments::try_parse_from(fixed.iter().chain(words))?;
        let Command::Report(given) = arguments.command else {
            bail!("another command");
        };
        result(&given)
    }

    #[test]
    fn results_are_built_from_arguments() {
        assert_eq!(read(&["signed"]).expect("a result"), ReportedResult::Signed);
        let refused = read(&["not-issued", "--reason", "no"]).expect("a result");
        assert_eq!(refused, ReportedResult::NotIssued { reason: "no".to_owned() });
        let asked = read(&["supplement-requested", "--item", "home:proof_of_residence+other:a note: new"]);
        let ReportedResult::SupplementRequested { items } = asked.expect("a result") else {
            panic!("another");
        };
        assert_eq!((items[0].accepts.len(), items[0].note.as_str()), (2, "a note: new"));
        let out = ["moved-out", "--set", "certificate=Q", "--set", "issued_on=2026-03-01"];
        assert!(read(&[&out[..], &["--set", "valid_until=2026-03-31"]].concat()).is_ok());
        assert!(read(&out).is_err(), "a member is missing");
        assert!(read(&["signd"]).is_err() && read(&[]).is_err());
        assert!(read(&["supplement-requested", "--item", "home"]).is_err());
    }
}

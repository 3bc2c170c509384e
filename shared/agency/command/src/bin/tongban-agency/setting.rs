//! Loads the configuration and the credentials of a command.

use std::collections::BTreeMap;
use std::path::Path;

use agency::aws::SqsAccess;
use agency::{AgencyConfig, ReportsQueue, SqsQueue};
use anyhow::{Context as _, Result};

/// Most bytes of a file with variables.
const FILE_BYTES: u64 = 64 * 1024;

/// Environment variables that are missing.
#[derive(Debug, thiserror::Error)]
#[error("neither the environment nor a file {file} sets {}", .names.join(", "))]
pub(crate) struct MissingVariables {
    names: Vec<&'static str>,
    file: String,
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Loads the configuration of one agency. The environment overrides the file.
pub(crate) fn config(file: Option<&Path>) -> Result<AgencyConfig> {
    Ok(AgencyConfig::load(file, variable)?)
}

/// The agency's queue. With one agency, the environment overrides the file of variables beside the configuration. With
/// several agencies the file overrides the environment, which would apply to all of them.
pub(crate) fn queue(config: &AgencyConfig, file: Option<&Path>, alone: bool) -> Result<SqsQueue> {
    let access = access(file, alone)?;
    Ok(SqsQueue::new(access.sqs(), &config.queue_url))
}

/// The agency's queue, and the reports queue of an agency that reports by it: see [`queue`].
pub(crate) fn queues(
    config: &AgencyConfig,
    file: Option<&Path>,
    alone: bool,
) -> Result<(SqsQueue, Option<ReportsQueue>)> {
    let client = access(file, alone)?.sqs();
    Ok((SqsQueue::new(client.clone(), &config.queue_url), ReportsQueue::configured(config, client)))
}

pub(crate) fn access(file: Option<&Path>, alone: bool) -> Result<SqsAccess> {
    let beside = file.map(|file| file.with_extension("env"));
    let given = match &beside {
        Some(path) if path.is_file() => variables(path)?,
        _ => BTreeMap::new(),
    };
    let read = |name: &str| {
        let own = given.get(name).cloned();
        if alone { variable(name).or(own) } else { own.or_else(|| variable(name)) }
    };
    let file = beside.map_or("*.env beside a configuration".to_owned(), |path| path.display().to_string());
    Ok(SqsAccess::from_variables(read).map_err(|names| MissingVariables { names, file })?)
}

/// Reads lines `export NAME=value`, the value plain or quoted. Expands nothing.
fn variables(path: &Path) -> Result<BTreeMap<String, String>> {
    let name = || path.display().to_string();
    anyhow::ensure!(
        std::fs::metadata(path).with_context(name)?.len() <= FILE_BYTES,
        "{} is over 64 KiB",
        name()
    );
    Ok(read(&std::fs::read_to_string(path).with_context(name)?))
}

fn read(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        (!name.starts_with('#')).then(|| (name.trim().to_owned(), bare.unwrap_or(value).to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_plain_and_quoted() {
        let given =
            read("# AWS\nexport AWS_REGION=r-1\nAWS_ACCESS_KEY_ID='a b'\n\nexport X=\"y\"\nnothing\n");
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(given, [("AWS_ACCESS_KEY_ID", "a b"), ("AWS_REGION", "r-1"), ("X", "y")]);
    }
}

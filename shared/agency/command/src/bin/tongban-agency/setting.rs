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

/// Variables of the environment, and of the file beside the configuration, which a consumer's shell reads, too.
pub(crate) struct Variables {
    given: BTreeMap<String, String>,
    file: String,
    alone: bool,
}

impl Variables {
    /// With one agency, the environment overrides the file beside the configuration. With several agencies the file
    /// overrides the environment, which would apply to all of them.
    pub(crate) fn read(file: Option<&Path>, alone: bool) -> Result<Variables> {
        let beside = file.map(|file| file.with_extension("env"));
        let given = match &beside {
            Some(path) if path.is_file() => variables(path)?,
            _ => BTreeMap::new(),
        };
        let file =
            beside.map_or("*.env beside a configuration".to_owned(), |path| path.display().to_string());
        Ok(Variables { given, file, alone })
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let own = self.given.get(name).cloned();
        if self.alone { variable(name).or(own) } else { own.or_else(|| variable(name)) }
    }
}

/// Loads the configuration of one agency. The environment overrides the file.
pub(crate) fn config(file: Option<&Path>) -> Result<AgencyConfig> {
    let variables = Variables::read(file, true)?;
    Ok(AgencyConfig::load(file, |name| variables.get(name))?)
}

/// Loads the configuration of one of several agencies, which takes no setting from the environment.
pub(crate) fn config_of_many(file: &Path) -> Result<AgencyConfig> {
    let variables = Variables::read(Some(file), false)?;
    let read = |name: &str| if name.starts_with("TONGBAN_") { None } else { variables.get(name) };
    Ok(AgencyConfig::load(Some(file), read)?)
}

/// The agency's queue.
pub(crate) fn queue(config: &AgencyConfig, file: Option<&Path>, alone: bool) -> Result<SqsQueue> {
    let access = access(file, alone)?;
    Ok(SqsQueue::new(access.sqs(&config.network), &config.queue_url))
}

/// The agency's queue, and the reports queue of an agency that reports by it: see [`queue`].
pub(crate) fn queues(
    config: &AgencyConfig,
    file: Option<&Path>,
    alone: bool,
) -> Result<(SqsQueue, Option<ReportsQueue>)> {
    let client = access(file, alone)?.sqs(&config.network);
    Ok((SqsQueue::new(client.clone(), &config.queue_url), ReportsQueue::configured(config, client)))
}

pub(crate) fn access(file: Option<&Path>, alone: bool) -> Result<SqsAccess> {
    let variables = Variables::read(file, alone)?;
    let read = |name: &str| variables.get(name);
    Ok(SqsAccess::from_variables(read)
        .map_err(|names| MissingVariables { names, file: variables.file.clone() })?)
}

/// Reads lines `export NAME=value`, the value plain or quoted. Expands nothing.
fn variables(path: &Path) -> Result<BTreeMap<String, String>> {
    let name = || path.display().to_string();
    anyhow::ensure!(
        std::fs::metadata(path).with_context(name)?.len() <= FILE_BYTES,
        "{} is over 64 KiB",
        name()
    );
    let text = std::fs::read_to_string(path).with_context(name)?;
    anyhow::ensure!(
        !text.starts_with('\u{feff}'),
        "{} begins with a byte order mark, which a shell takes for a command: save it as UTF-8 without one",
        name()
    );
    Ok(read(&text))
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

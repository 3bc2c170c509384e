//! The operator's command, run as a child process.

use std::process::Stdio;
use std::time::Duration;

use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::error::CertifyError;

/// Bound on one run, which may compile the command first.
const RUN: Duration = Duration::from_secs(300);
/// The reason that the hub records for certification's key changes.
const REASON: &str = "certification";

/// The hub operator's command line.
#[derive(Clone, Debug)]
pub struct OperatorCommand {
    words: Vec<String>,
}

/// A report with a valid signature that the hub refused.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RefusedReport {
    /// The problem's code.
    pub(super) outcome: String,
    #[serde(default)]
    pub(super) application: Option<ApplicationId>,
}

/// A bad message that the operator's command put into the queue.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct BadMessage {
    /// The queue's id of the message.
    pub(super) message_id: String,
    /// The application that the message names, which does not exist.
    pub(super) application: ApplicationId,
}

/// The fault of a bad message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadMessageKind {
    /// The message cannot be decrypted.
    Unreadable,
    /// The message decrypts, but its signature is not the hub's.
    Forged,
}

impl OperatorCommand {
    /// Splits a command line at spaces. Returns `None` when it is empty.
    #[must_use]
    pub fn new(command: &str) -> Option<OperatorCommand> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(OperatorCommand { words })
    }

    /// Runs the command with further arguments and returns its standard output.
    async fn run(&self, more: &[&str]) -> Result<String, CertifyError> {
        let command_line = [self.words.join(" "), more.join(" ")].join(" ");
        let failed = |why: String| CertifyError::Operator { command: command_line.clone(), why };
        let Some((program, first)) = self.words.split_first() else {
            return Err(failed("the command is empty".to_owned()));
        };
        let child =
            Command::new(program).args(first).args(more).stdin(Stdio::null()).kill_on_drop(true).output();
        let ended = tokio::time::timeout(RUN, child).await;
        let ended =
            ended.map_err(|_| failed(format!("the command did not finish within {} s", RUN.as_secs())))?;
        let ended = ended.map_err(|error| failed(error.kind().to_string()))?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
            return Err(failed(format!("{}: {}", ended.status, last.trim())));
        }
        String::from_utf8(ended.stdout).map_err(|_| failed("the output is not UTF-8".to_owned()))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, what: &str, text: &str) -> Result<T, CertifyError> {
        serde_json::from_str(text.trim()).map_err(|_| CertifyError::Operator {
            command: format!("{} {what}", self.words.join(" ")),
            why: "the output is not the agreed JSON".to_owned(),
        })
    }

    /// An access token of an app backend.
    ///
    /// # Errors
    /// [`CertifyError::Operator`].
    pub async fn token(&self) -> Result<String, CertifyError> {
        Ok(self.run(&["token"]).await?.trim().to_owned())
    }

    /// The reports of an agency that the hub refused since a time.
    pub(super) async fn refused(
        &self,
        agency: &AgencyCode,
        since: Timestamp,
    ) -> Result<Vec<RefusedReport>, CertifyError> {
        let (code, since) = (agency.to_string(), since.to_string());
        let text = self.run(&["agency", "refused", &code, "--since", &since, "--json"]).await?;
        self.read("agency refused", &text)
    }

    /// Puts a bad message into an agency's queue.
    pub(super) async fn probe(
        &self,
        agency: &AgencyCode,
        kind: BadMessageKind,
    ) -> Result<BadMessage, CertifyError> {
        let kind = match kind {
            BadMessageKind::Unreadable => "unreadable",
            BadMessageKind::Forged => "forged",
        };
        let text = self.run(&["agency", "probe", &agency.to_string(), "--kind", kind]).await?;
        self.read("agency probe", &text)
    }

    /// The `kid` of every key of an agency at the hub, revoked keys included.
    pub(super) async fn keys(&self, agency: &AgencyCode) -> Result<Vec<String>, CertifyError> {
        let text = self.run(&["agency", "keys", &agency.to_string(), "--json"]).await?;
        let mut names = Vec::new();
        collect_kids(&self.read("agency keys", &text)?, &mut names);
        Ok(names)
    }

    pub(super) async fn add_key(&self, agency: &AgencyCode, file: &str) -> Result<(), CertifyError> {
        self.run(&["agency", "keys", &agency.to_string(), "add", file, "--reason", REASON]).await.map(drop)
    }

    pub(super) async fn revoke_key(&self, agency: &AgencyCode, kid: &str) -> Result<(), CertifyError> {
        // A `kid` may begin with a hyphen.
        let code = agency.to_string();
        self.run(&["agency", "keys", &code, "revoke", "--reason", REASON, "--", kid]).await.map(drop)
    }
}

fn collect_kids(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            names.extend(members.get("kid").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect_kids(member, names));
        }
        Value::Array(list) => list.iter().for_each(|member| collect_kids(member, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_command_runs_with_its_arguments_and_its_failure_is_reported() {
        let echo = OperatorCommand::new(" echo  one ").expect("a command");
        assert_eq!(echo.token().await.expect("a token"), "one token");
        let wrong = echo.keys(&"11".parse().expect("a code")).await.expect_err("no JSON");
        assert!(wrong.to_string().contains("agreed"), "{wrong}");
        let failing = OperatorCommand::new("false").expect("a command").token().await.expect_err("it fails");
        assert!(failing.to_string().contains("`false token`"), "{failing}");
        assert!(OperatorCommand::new("  ").is_none());
    }
}

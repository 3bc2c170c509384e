//! The operator's command, run as a child process.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use agency::AgencyConfig;
use agency::problem::HubProblem;
use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::process::Command;
use uuid::Uuid;

use super::citation::CitedRefusal;
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
    pub(super) at: Timestamp,
    /// The name of the refusal.
    pub(super) outcome: String,
    #[serde(default)]
    pub(super) application: Option<ApplicationId>,
    #[serde(default)]
    report_id: Option<String>,
    /// The problem of the hub's answer; absent in evidence of an earlier version of the hub.
    #[serde(default)]
    problem: Option<HubProblem>,
}

impl RefusedReport {
    pub(super) fn cite(self) -> CitedRefusal {
        let what = format!("the report {}", self.report_id.as_deref().unwrap_or("without an id"));
        let problem = self.problem.unwrap_or(HubProblem { kind: self.outcome, ..HubProblem::default() });
        CitedRefusal::new(what, self.application, &problem)
    }
}

/// A key of an agency at the hub.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct HubKey {
    pub(super) kid: String,
    state: String,
    #[serde(default)]
    origin: Option<String>,
}

impl HubKey {
    /// Whether an operator added the key and the hub uses it.
    pub(super) fn is_added_and_in_use(&self) -> bool {
        self.state == "in_use" && self.origin.as_deref() == Some("operator")
    }
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

    /// Every key of an agency at the hub, revoked keys included.
    pub(super) async fn keys(&self, agency: &AgencyCode) -> Result<Vec<HubKey>, CertifyError> {
        let text = self.run(&["agency", "keys", &agency.to_string(), "--json"]).await?;
        self.read("agency keys", &text)
    }

    pub(super) async fn add_key(&self, agency: &AgencyCode, file: &str) -> Result<(), CertifyError> {
        self.run(&["agency", "keys", &agency.to_string(), "add", file, "--reason", REASON]).await.map(drop)
    }

    pub(super) async fn remove_key(&self, agency: &AgencyCode, kid: &str) -> Result<(), CertifyError> {
        // A `kid` may begin with a hyphen.
        let code = agency.to_string();
        self.run(&["agency", "keys", &code, "remove", "--reason", REASON, "--", kid]).await.map(drop)
    }

    /// The configuration of another agency with its private keys, which only the operator of a hub on one machine has.
    /// `None` when the kit has no keys.
    pub(super) async fn kit(&self, agency: &AgencyCode) -> Result<Option<AgencyConfig>, CertifyError> {
        let folder = TemporaryFolder(std::env::temp_dir().join(format!("certify-{}", Uuid::new_v4())));
        let out = folder.0.display().to_string();
        self.run(&["agency", "kit", &agency.to_string(), "--out", &out]).await?;
        Ok(AgencyConfig::load(Some(&folder.0.join("agency.json")), |_| None).ok())
    }
}

/// A folder that is deleted on drop, with the keys in it.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), %error, "the kit of the other agency was not deleted");
        }
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

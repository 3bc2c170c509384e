//! The operator's command, run as a child process.

use std::process::Stdio;
use std::time::Duration;

use domain::ids::{AgencyCode, ApplicationId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::error::CertifyError;

/// Bound on one run: the command may be built first.
const RUN: Duration = Duration::from_secs(300);
/// Why certification changes keys, as the record of changes keeps it.
const REASON: &str = "certification";

/// How the operator's command is run.
#[derive(Clone, Debug)]
pub struct Operator {
    words: Vec<String>,
}

/// A report that the hub refused though its signature holds.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RefusedReport {
    /// The problem's code.
    pub(super) outcome: String,
    /// About which application.
    #[serde(default)]
    pub(super) application: Option<ApplicationId>,
}

/// A bad message that was put into the queue.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Probe {
    /// The queue's own id of it.
    pub(super) message_id: String,
    /// The application it names, which there is not.
    pub(super) application: ApplicationId,
}

/// What may be wrong with a bad message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeKind {
    /// It cannot be opened.
    Unreadable,
    /// It opens, and somebody else than the hub has signed it.
    Forged,
}

impl Operator {
    /// The command and its first words, with spaces between them; `None` where there is no word.
    #[must_use]
    pub fn new(command: &str) -> Option<Operator> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        (!words.is_empty()).then_some(Operator { words })
    }

    /// Runs it with more words and gives what it printed.
    async fn run(&self, more: &[&str]) -> Result<String, CertifyError> {
        let shown = [self.words.join(" "), more.join(" ")].join(" ");
        let trouble = |why: String| CertifyError::Operator { command: shown.clone(), why };
        let Some((program, first)) = self.words.split_first() else {
            return Err(trouble("no command".to_owned()));
        };
        let child =
            Command::new(program).args(first).args(more).stdin(Stdio::null()).kill_on_drop(true).output();
        let ended = tokio::time::timeout(RUN, child).await;
        let ended = ended.map_err(|_| trouble(format!("not done within {} s", RUN.as_secs())))?;
        let ended = ended.map_err(|error| trouble(error.kind().to_string()))?;
        if !ended.status.success() {
            let said = String::from_utf8_lossy(&ended.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing said");
            return Err(trouble(format!("{}: {}", ended.status, last.trim())));
        }
        String::from_utf8(ended.stdout).map_err(|_| trouble("it printed no text".to_owned()))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, what: &str, text: &str) -> Result<T, CertifyError> {
        serde_json::from_str(text.trim()).map_err(|_| CertifyError::Operator {
            command: format!("{} {what}", self.words.join(" ")),
            why: "it printed something else than was agreed".to_owned(),
        })
    }

    /// A token of an app backend.
    ///
    /// # Errors
    /// [`CertifyError::Operator`].
    pub async fn token(&self) -> Result<String, CertifyError> {
        Ok(self.run(&["token"]).await?.trim().to_owned())
    }

    /// The reports of an agency that were refused since a moment.
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
    pub(super) async fn probe(&self, agency: &AgencyCode, kind: ProbeKind) -> Result<Probe, CertifyError> {
        let kind = match kind {
            ProbeKind::Unreadable => "unreadable",
            ProbeKind::Forged => "forged",
        };
        let text = self.run(&["agency", "probe", &agency.to_string(), "--kind", kind]).await?;
        self.read("agency probe", &text)
    }

    /// The names of all keys the hub has or had of an agency, also of those it revoked.
    pub(super) async fn keys(&self, agency: &AgencyCode) -> Result<Vec<String>, CertifyError> {
        let text = self.run(&["agency", "keys", &agency.to_string(), "--json"]).await?;
        let mut names = Vec::new();
        collect_kids(&self.read("agency keys", &text)?, &mut names);
        Ok(names)
    }

    /// Adds the public key in a file.
    pub(super) async fn add_key(&self, agency: &AgencyCode, file: &str) -> Result<(), CertifyError> {
        self.run(&["agency", "keys", &agency.to_string(), "add", file, "--reason", REASON]).await.map(drop)
    }

    /// Revokes a key.
    pub(super) async fn revoke_key(&self, agency: &AgencyCode, kid: &str) -> Result<(), CertifyError> {
        // A name may begin with a hyphen, which is no option.
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
    async fn the_command_is_run_with_its_words_and_its_failure_is_told() {
        let echo = Operator::new(" echo  one ").expect("a command");
        assert_eq!(echo.token().await.expect("a token"), "one token");
        let wrong = echo.keys(&"11".parse().expect("a code")).await.expect_err("no JSON");
        assert!(wrong.to_string().contains("agreed"), "{wrong}");
        let failing = Operator::new("false").expect("a command").token().await.expect_err("it fails");
        assert!(failing.to_string().contains("`false token`"), "{failing}");
        assert!(Operator::new("  ").is_none());
    }
}

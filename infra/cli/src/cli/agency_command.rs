//! `tongban agency`: what an operator does about an agency.

mod tables;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use domain::agency_override::{AgencyOverride, KeyRole, REASON};
use domain::ids::AgencyCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tongban::operator::{HubLocation, HubPlace, Operator, Probe, REFUSED, read_key};
use tongban::terminal::Terminal;

use super::local_hub::{port_of, stack_of};

/// How far back refused reports are shown where nothing else is said.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Shows, suspends and resumes agencies, changes their keys, and writes integration kits.
///
/// Works on the hub on this machine (`cargo run -- up`), or with --region on a hub in a real account. A change takes
/// effect at once in `GET /v1/coverage` and within a minute everywhere else. It needs no deploy. The hub records who
/// made the change, when and why. Exit codes: 0 done, 1 failed, 2 wrong arguments.
#[derive(Debug, Args)]
pub(crate) struct AgencyCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
struct Where {
    /// Port of the hub on this machine; else TONGBAN_PORT, else 4580.
    // An id of its own: the program's first level has a port with a default.
    #[arg(id = "hub_port", long = "port", value_name = "PORT", global = true, conflicts_with = "region")]
    port: Option<u16>,
    /// Name of the stack; else TONGBAN_STACK, else tongban.
    #[arg(long, global = true)]
    stack: Option<String>,
    /// AWS region of a hub in a real account.
    #[arg(long, global = true)]
    region: Option<String>,
    /// Profile of the AWS configuration, for a real account.
    #[arg(long, global = true, requires = "region")]
    profile: Option<String>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists every agency: whether it takes cases, which, and how many keys it has.
    List(Json),
    /// Shows one agency: state, keys, queue, cases, last changes.
    Show {
        /// The agency's code, for example 11 or 1501.
        #[arg(value_parser = code)]
        code: AgencyCode,
        #[command(flatten)]
        json: Json,
    },
    /// Suspends an agency: the hub accepts no new case for it, and holds its open cases until it resumes.
    Suspend(Changed),
    /// Resumes an agency and releases its held cases, the oldest first. Takes about 20 seconds.
    Resume(Changed),
    /// Lists, adds or revokes an agency's keys.
    Keys {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        #[command(subcommand)]
        what: Option<Keys>,
        #[command(flatten)]
        json: Json,
    },
    /// Writes an integration kit into a folder. For the hub on this machine the kit has keys. For a real hub it has the
    /// settings only, because the agency makes its own keys (`tongban-agency keygen`).
    Kit {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        /// The folder; no file in it is overwritten.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Shows the reports of an agency that were refused though its signature holds, the oldest first.
    Refused {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        /// From this moment on, for example 2026-03-01T08:00:00Z; a week back without it.
        #[arg(long, value_name = "RFC3339")]
        since: Option<Timestamp>,
        #[command(flatten)]
        json: Json,
    },
    /// Sends a bad message to an agency's queue, to test that the agency's program survives it. Prints JSON.
    Probe {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        /// unreadable: encrypted to nobody's key. forged: signed by somebody who is not the hub.
        #[arg(long, value_enum)]
        kind: Kind,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Lists the keys (the same as without a word).
    List(Json),
    /// Adds a key: it verifies reports, or messages are encrypted to it, from now on. The former ones stay.
    Add {
        /// A public JWK (P-256) with "kid" and "use": "sig" or "enc".
        file: PathBuf,
        #[command(flatten)]
        why: Why,
    },
    /// Revokes a key for good: within a minute the hub rejects its signatures and encrypts nothing to it.
    Revoke {
        /// The key's "kid".
        // A thumbprint is base64url: one of 64 begins with a hyphen, and would be read as an option.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct Json {
    /// Prints JSON instead of a table, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Changed {
    /// The agency's code.
    #[arg(value_parser = code)]
    code: AgencyCode,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
struct Why {
    /// Why, 1 to 200 characters; it is recorded for good, so no personal data.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Unreadable,
    Forged,
}

fn code(text: &str) -> Result<AgencyCode, &'static str> {
    text.parse()
        .map_err(|_| "an agency's code has two, four or six digits of a division, for example 11 or 1501")
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    let fits = (1..=REASON).contains(&text.chars().count());
    if fits { Ok(text.to_owned()) } else { Err(format!("a reason has 1 to {REASON} characters")) }
}

impl Where {
    fn at(self) -> Result<HubLocation> {
        let place = match (self.region, self.port) {
            (Some(region), _) => HubPlace::Account { region, profile: self.profile },
            (None, port) => HubPlace::Here { port: port_of(port)? },
        };
        let stack = stack_of(self.stack);
        Ok(HubLocation { stack, place })
    }
}

impl AgencyCommand {
    /// Does what was asked.
    ///
    /// # Errors
    /// Whatever stopped it, in one sentence.
    pub(crate) async fn run(self, terminal: &Terminal) -> Result<()> {
        let operator = Operator::reach(&self.at.at()?).await?;
        match self.what {
            What::List(json) => shown(terminal, json, &operator.list().await?, |list| tables::list(list)),
            What::Show { code, json } => {
                let sight = operator.show(&code).await?;
                shown(terminal, json, &sight, tables::show)?;
                match sight.records_broken {
                    None => Ok(()),
                    Some(broken) => bail!(
                        "THE RECORDS OF CHANGES ARE NOT WHOLE: {broken}. Somebody has written to the table without this \
                         command. Restore the table to an earlier point in time and compare"
                    ),
                }
            }
            What::Suspend(Changed { code, why }) => {
                let made = operator.override_agency(&code, &AgencyOverride::Suspend, &why.reason).await?;
                terminal.line(&format!(
                    "Agency {code} is suspended (change {}). No new case is accepted for it; within a minute nothing \
                     more is sent to it, and its cases are held.",
                    made.version
                ));
                Ok(())
            }
            What::Resume(Changed { code, why }) => resume(&operator, &code, &why.reason, terminal).await,
            What::Keys { code, what, json } => keys(&operator, &code, what, json, terminal).await,
            What::Kit { code, out } => {
                for path in operator.kit(&code, &out)? {
                    terminal.line(&path.display().to_string());
                }
                Ok(())
            }
            What::Refused { code, since, json } => {
                let since = since.unwrap_or_else(|| Timestamp::now() - RECENT);
                let (refused, more) = operator.refused(&code, since).await?;
                shown(terminal, json, &refused, |refused| tables::refused(refused))?;
                if more {
                    bail!("there are more than {REFUSED}; give a later --since to see the rest");
                }
                Ok(())
            }
            What::Probe { code, kind } => {
                let kind = match kind {
                    Kind::Unreadable => Probe::Unreadable,
                    Kind::Forged => Probe::Forged,
                };
                terminal.line(&serde_json::to_string(&operator.probe(&code, kind).await?)?);
                Ok(())
            }
        }
    }
}

/// Prints JSON for a program, a table for a person.
fn shown<T: Serialize>(
    terminal: &Terminal,
    json: Json,
    value: &T,
    table: impl Fn(&T) -> String,
) -> Result<()> {
    let text = if json.json { serde_json::to_string(value)? } else { table(value) };
    terminal.line(&text);
    Ok(())
}

/// Resumes, waits until every function knows, and lets go of what was held. Nothing is lost if it is interrupted: the
/// sweeper sends what is owed.
async fn resume(operator: &Operator, code: &AgencyCode, reason: &str, terminal: &Terminal) -> Result<()> {
    let made = operator.override_agency(code, &AgencyOverride::Resume, reason).await?;
    terminal.line(&format!("Agency {code} takes cases again (change {}).", made.version));
    if let Some(row) = operator.list().await?.into_iter().find(|row| &row.agency == code)
        && row.suspended_by.is_some()
    {
        bail!("the agency's row in infra/agencies.toml still suspends it. Change the row and deploy");
    }
    let step = terminal.step("Waiting until every function knows");
    tokio::time::sleep(Operator::known_after()).await;
    drop(step);
    let done = operator.release(code).await.context("the sweeper releases the rest")?;
    terminal.line(&format!("Released {} cases that were held.", done.released));
    if done.left > 0 {
        terminal.line(&format!("{} more were requested a moment ago; the sweeper releases them.", done.left));
    }
    Ok(())
}

async fn keys(
    operator: &Operator,
    code: &AgencyCode,
    what: Option<Keys>,
    json: Json,
    terminal: &Terminal,
) -> Result<()> {
    match what {
        None => shown(terminal, json, &operator.keys(code).await?, |keys| tables::keys(keys)),
        Some(Keys::List(own)) => {
            let json = Json { json: json.json || own.json };
            shown(terminal, json, &operator.keys(code).await?, |keys| tables::keys(keys))
        }
        Some(Keys::Add { file, why }) => {
            let made = operator.override_agency(code, &read_key(&file)?, &why.reason).await?;
            terminal.line(&format!("The key takes effect within a minute (change {}).", made.version));
            Ok(())
        }
        Some(Keys::Revoke { kid, why }) => {
            let revoked = AgencyOverride::RevokeKey { kid: kid.clone() };
            let made = operator.override_agency(code, &revoked, &why.reason).await?;
            terminal.line(&format!(
                "The key {kid} is revoked; every function knows within a minute (change {}).",
                made.version
            ));
            let rows = operator.rows().with_overrides(&made);
            let row = rows.agency(code);
            for (role, left) in [
                (KeyRole::Signing, row.is_some_and(|row| !row.signing_keys.is_empty())),
                (KeyRole::Encryption, row.is_some_and(|row| !row.encryption_keys.is_empty())),
            ] {
                if !left {
                    terminal.line(&format!("! The agency has no key left for {}.", tables::purpose(role)));
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::AgencyCommand;

    #[test]
    fn a_kid_that_begins_with_a_hyphen_is_revoked() {
        let command = AgencyCommand::augment_args(Command::new("agency"));
        let words = ["agency", "keys", "11", "revoke", "-vQ0", "--reason", "it leaked"];
        let matches = command.try_get_matches_from(words).expect("a kid, not an option");
        let parsed = format!("{:?}", AgencyCommand::from_arg_matches(&matches).expect("a command"));
        assert!(parsed.contains("\"-vQ0\"") && parsed.contains("it leaked"), "{parsed}");
    }
}

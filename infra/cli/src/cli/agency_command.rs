//! `tongban agency`: the operator's commands for agencies.

mod tables;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use domain::agencies::Agencies;
use domain::agency_override::{AgencyOverride, KeyRole, REASON};
use domain::free_text::FreeText;
use domain::ids::AgencyCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tongban::operator::{HubLocation, HubPlace, MissingPart, Operator, Probe, REFUSED, read_key};
use tongban::terminal::Terminal;

use super::local_hub::{port_of, stack_of};

/// Default period for which refused reports are listed.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Shows, suspends and resumes agencies, changes their keys, and writes integration kits.
///
/// Works on the hub on this machine (`cargo run -- up`), or with --region on a hub in a real account. A change takes
/// effect at once in `GET /v1/coverage` and within a minute everywhere else. It needs no deploy. The hub records who
/// made the change, when and why. Exit codes: 0 done, 1 failed, 2 wrong arguments.
#[derive(Debug, Args)]
pub(crate) struct AgencyCommand {
    #[command(subcommand)]
    command: AgencySubcommand,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
struct HubArgs {
    /// Port of the hub on this machine. Default: TONGBAN_PORT, then 4580.
    // A separate id, because the top-level command has a `port` with a default.
    #[arg(id = "hub_port", long = "port", value_name = "PORT", global = true, conflicts_with = "region")]
    port: Option<u16>,
    /// Name of the stack. Default: TONGBAN_STACK, then tongban.
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
enum AgencySubcommand {
    /// Lists every agency with its state, its services and the number of its keys.
    List(OutputArgs),
    /// Shows one agency: state, keys, queue, cases, latest changes.
    Show {
        /// The agency's code, for example 11 or 1501.
        #[arg(value_parser = code)]
        code: AgencyCode,
        #[command(flatten)]
        json: OutputArgs,
    },
    /// Suspends an agency: the hub accepts no new case for it, and holds its unsent cases until the agency resumes.
    Suspend(ChangeArgs),
    /// Resumes an agency and releases its held cases, the oldest first. Takes about 20 seconds.
    Resume(ChangeArgs),
    /// Lists, adds, removes or revokes an agency's keys.
    Keys {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        #[command(subcommand)]
        what: Option<Keys>,
        #[command(flatten)]
        json: OutputArgs,
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
        /// Writes the hub's present addresses into the kit in this folder. Keys and other settings stay.
        #[arg(long)]
        renew: bool,
    },
    /// Shows the refused reports of an agency whose signature was valid, the oldest first.
    Refused {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        /// Earliest time, for example 2026-03-01T08:00:00Z. Default: a week ago.
        #[arg(long, value_name = "RFC3339")]
        since: Option<Timestamp>,
        #[command(flatten)]
        json: OutputArgs,
    },
    /// Sends a bad message to an agency's queue, to test the agency's program. Prints JSON.
    Probe {
        /// The agency's code.
        #[arg(value_parser = code)]
        code: AgencyCode,
        /// unreadable: encrypted to an unknown key. forged: signed with a key that is not the hub's.
        #[arg(long, value_enum)]
        kind: Kind,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Lists the keys (the default).
    List(OutputArgs),
    /// Adds a signing key, which verifies reports, or an encryption key, to which messages are encrypted. Former keys
    /// stay valid.
    Add {
        /// A public JWK (P-256) with "kid" and "use": "sig" or "enc".
        file: PathBuf,
        #[command(flatten)]
        why: ReasonArgs,
    },
    /// Revokes a key permanently: within a minute the hub rejects its signatures and encrypts no message to it.
    Revoke {
        /// The key's "kid".
        // A thumbprint is base64url. One in 64 begins with a hyphen, which clap would take for an option.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        why: ReasonArgs,
    },
    /// Removes an encryption key that `add` added, for example after a test. It may be added again. Revoke a leaked key.
    Remove {
        /// The key's "kid".
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        why: ReasonArgs,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct OutputArgs {
    /// Prints JSON instead of a table, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// The agency's code.
    #[arg(value_parser = code)]
    code: AgencyCode,
    #[command(flatten)]
    why: ReasonArgs,
}

#[derive(Debug, Args)]
struct ReasonArgs {
    /// Reason for the change, 1 to 200 characters. It is recorded for ever, so it must not contain personal data.
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
    let text = FreeText::read(text, REASON).map(FreeText::into_string);
    text.map_err(|error| format!("a reason has 1 to {REASON} characters; {error}"))
}

impl HubArgs {
    fn location(self) -> Result<HubLocation> {
        let place = match (self.region, self.port) {
            (Some(region), _) => HubPlace::Account { region, profile: self.profile },
            (None, port) => HubPlace::Here { port: port_of(port)? },
        };
        let stack = stack_of(self.stack);
        Ok(HubLocation { stack, place })
    }
}

impl AgencyCommand {
    /// Runs the command.
    pub(crate) async fn run(self, terminal: &Terminal) -> Result<()> {
        let operator = Operator::reach(&self.hub.location()?).await?;
        match self.command {
            AgencySubcommand::List(json) => {
                let (list, missing) = operator.list().await;
                print(terminal, json, &list, |list| tables::list(list))?;
                complete(&missing)
            }
            AgencySubcommand::Show { code, json } => {
                let overview = operator.show(&code).await?;
                print(terminal, json, &overview, tables::show)?;
                match overview.records_broken {
                    None => complete(&overview.missing),
                    Some(broken) => bail!(
                        "THE HASH CHAIN OF THE CHANGE RECORDS IS BROKEN: {broken}. The table was written without this command. \
                                                 Restore the table to an earlier point in time and compare"
                    ),
                }
            }
            AgencySubcommand::Suspend(ChangeArgs { code, why }) => {
                let overrides =
                    operator.override_agency(&code, &AgencyOverride::Suspend, &why.reason).await?;
                terminal.line(&format!(
                                        "Agency {code} is suspended (change {}). The hub accepts no new case for it. Within a minute the hub \
                                         sends it no more cases and holds them.",
                    overrides.version
                ));
                Ok(())
            }
            AgencySubcommand::Resume(ChangeArgs { code, why }) => {
                resume(&operator, &code, &why.reason, terminal).await
            }
            AgencySubcommand::Keys { code, what, json } => keys(&operator, &code, what, json, terminal).await,
            AgencySubcommand::Kit { code, out, renew } => {
                let written =
                    if renew { operator.renew_kit(&code, &out)? } else { operator.kit(&code, &out)? };
                for path in &written {
                    terminal.line(&path.display().to_string());
                }
                if written.is_empty() {
                    terminal.line("The kit has the hub's addresses already.");
                }
                Ok(())
            }
            AgencySubcommand::Refused { code, since, json } => {
                let since = since.unwrap_or_else(|| Timestamp::now() - RECENT);
                let refused = operator.refused(&code, since).await?;
                print(terminal, json, &refused.reports, |reports| tables::refused(reports))?;
                complete(&refused.missing)?;
                if refused.more {
                    bail!("only the first {REFUSED} are shown; give a later --since to see the rest");
                }
                Ok(())
            }
            AgencySubcommand::Probe { code, kind } => {
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

/// Fails when parts could not be read. The others are printed before.
fn complete(missing: &[MissingPart]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let parts = missing.iter().map(|missing| format!("\n  {}: {}", missing.part, missing.reason));
    bail!("not everything could be read. The rest is above. Missing:{}", parts.collect::<String>())
}

/// Prints JSON for a program, a table for a person.
fn print<T: Serialize>(
    terminal: &Terminal,
    json: OutputArgs,
    value: &T,
    table: impl Fn(&T) -> String,
) -> Result<()> {
    let text = if json.json { serde_json::to_string(value)? } else { table(value) };
    terminal.line(&text);
    Ok(())
}

/// Resumes an agency, waits until every function has the change, and releases the held cases. After an interruption the
/// sweeper sends the remaining cases.
async fn resume(operator: &Operator, code: &AgencyCode, reason: &str, terminal: &Terminal) -> Result<()> {
    let overrides = operator.override_agency(code, &AgencyOverride::Resume, reason).await?;
    terminal.line(&format!("Agency {code} takes cases again (change {}).", overrides.version));
    if let Some(row) = operator.list().await.0.into_iter().find(|row| &row.agency == code)
        && row.suspended_by.is_some()
    {
        bail!("the agency's row in infra/agencies.toml still suspends it. Change the row and deploy");
    }
    let step = terminal.step("Waiting until every function has the change");
    tokio::time::sleep(Operator::known_after()).await;
    drop(step);
    let done = operator
        .release(code)
        .await
        .context("some held cases were not released; the sweeper sends them later")?;
    terminal.line(&format!("Released {} cases.", done.released));
    if done.left > 0 {
        terminal.line(&format!(
            "{} more have a recent resend request or have just changed; the sweeper sends them.",
            done.left
        ));
    }
    Ok(())
}

async fn keys(
    operator: &Operator,
    code: &AgencyCode,
    what: Option<Keys>,
    json: OutputArgs,
    terminal: &Terminal,
) -> Result<()> {
    match what {
        None => print(terminal, json, &operator.keys(code).await?, |keys| tables::keys(keys)),
        Some(Keys::List(own)) => {
            let json = OutputArgs { json: json.json || own.json };
            print(terminal, json, &operator.keys(code).await?, |keys| tables::keys(keys))
        }
        Some(Keys::Add { file, why }) => {
            let overrides = operator.override_agency(code, &read_key(&file)?, &why.reason).await?;
            terminal.line(&format!("The key takes effect within a minute (change {}).", overrides.version));
            Ok(())
        }
        Some(Keys::Revoke { kid, why }) => {
            let revoked = AgencyOverride::RevokeKey { kid: kid.clone() };
            let overrides = operator.override_agency(code, &revoked, &why.reason).await?;
            terminal.line(&format!(
                "The key {kid} is revoked, in effect within a minute (change {}).",
                overrides.version
            ));
            warn_without_keys(&operator.rows().with_overrides(&overrides), code, terminal);
            Ok(())
        }
        Some(Keys::Remove { kid, why }) => {
            let removed = AgencyOverride::RemoveKey { kid: kid.clone() };
            let overrides = operator.override_agency(code, &removed, &why.reason).await?;
            terminal.line(&format!(
                "The key {kid} is removed, in effect within a minute (change {}). The agency decrypts earlier messages with it.",
                overrides.version
            ));
            warn_without_keys(&operator.rows().with_overrides(&overrides), code, terminal);
            Ok(())
        }
    }
}

/// Says which keys an agency no longer has.
fn warn_without_keys(agencies: &Agencies, code: &AgencyCode, terminal: &Terminal) {
    let row = agencies.agency(code);
    for (role, has_key) in [
        (KeyRole::Signing, row.is_some_and(|row| !row.signing_keys.is_empty())),
        (KeyRole::Encryption, row.is_some_and(|row| !row.encryption_keys.is_empty())),
    ] {
        if !has_key {
            terminal.line(&format!("! The agency has no key left for {}.", tables::purpose(role)));
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
        let arguments = ["agency", "keys", "11", "revoke", "-vQ0", "--reason", "it leaked"];
        let matches = command.try_get_matches_from(arguments).expect("a kid, not an option");
        let parsed = format!("{:?}", AgencyCommand::from_arg_matches(&matches).expect("a command"));
        assert!(parsed.contains("\"-vQ0\"") && parsed.contains("it leaked"), "{parsed}");
    }
}

//! The subcommands and their arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use domain::ids::{ApplicationId, DocumentId};
use jiff::SignedDuration;

/// Exit codes, as the help text lists them.
const EXIT_CODES: &str = "Exit codes:
  0  done, or stopped as asked
  1  the command failed
  2  wrong arguments
  3  the configuration or the environment is wrong; every problem is printed
  4  nothing found: no message, no open case, no document
  5  pull: the message is unreadable and stays in the queue
  6  doctor: a check failed
  7  the hub refused the request; the reason is printed
  8  certify: a check failed
  9  certify: no check failed, and one was skipped (0 with --allow-skipped)

The command needs AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and optionally AWS_SESSION_TOKEN and
AWS_ENDPOINT_URL. Variables that the environment does not set are read from the file beside the configuration with the
same name and the extension .env (lines `export NAME=value`).";

/// Receives an agency's cases from the hub and reports on them.
#[derive(Debug, Parser)]
#[command(name = "tongban-agency", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates a signing key and an encryption key, and prints their public parts for the hub's operator.
    Keygen(Keygen),
    /// Checks configuration, keys, clock, queue and hub, and prints how to fix each fault.
    Doctor(OneAgency),
    /// Prints the next message and releases it.
    Pull(Pull),
    /// Lists the agency's open cases at the hub, oldest first.
    Cases(Cases),
    /// Prints one open case at the hub.
    Show(Show),
    /// Requests that the hub sends messages again, under their original ids.
    Resend(Resend),
    /// Fetches the documents of a case.
    Documents(Documents),
    /// Lists the agency's reports on a case: accepted, refused with the reason, or held.
    Reports(Show),
    /// Reports on a case.
    Report(ReportArguments),
    /// Sends test cases to the agency's running consumer and reports what the consumer does wrong.
    Certify(crate::certify::CertifyArguments),
    /// Runs one or many simulated agencies until SIGTERM or ctrl-c. Prints a JSON line for each event.
    Simulate(Simulate),
}

/// The agency's configuration and the output format.
#[derive(Debug, Args)]
pub(crate) struct OneAgency {
    /// Configuration file, TOML or JSON. Without it, TONGBAN_* variables are read.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The output folder. Existing files are not overwritten.
    #[arg(long, default_value = ".")]
    pub(crate) out: PathBuf,
    /// Creates only one key with this name: `encryption-next` or `signing-next` for a replacement.
    #[arg(long, value_parser = key_name)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// Prints messages until ctrl-c.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Prints the persons too. Never use this where the output is logged.
    #[arg(long)]
    pub(crate) personal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cases {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// Most cases to list, 1 to 10000.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    /// Cursor of an earlier list, printed as `more`.
    #[arg(long)]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The application's id.
    pub(crate) application: ApplicationId,
}

#[derive(Debug, Args)]
pub(crate) struct Resend {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The applications' ids.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) applications: Vec<ApplicationId>,
    /// All open cases.
    #[arg(long)]
    pub(crate) all: bool,
    /// Version of the message to send again, of one application. Default: the latest.
    #[arg(long, conflicts_with = "all", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) message: Option<u32>,
    /// Removes the applications from the inbox first, so that the consumer handles the messages again.
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Documents {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The application's id.
    pub(crate) application: ApplicationId,
    /// A document as `d1`, or as `d1:SHA256` with the case's base64 checksum to compare. Default: all documents.
    #[arg(long, value_parser = wanted)]
    pub(crate) id: Vec<(DocumentId, Option<String>)>,
    /// The output folder. Existing files are not overwritten.
    #[arg(long, default_value = ".")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The application's id.
    pub(crate) application: ApplicationId,
    /// The version that the report acts on: of the message, or of the last receipt.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seen: u32,
    /// The result: received, signed, not-issued, supplement-requested, produced, posted, ready, approved, verified,
    /// moved-out, settled, restored, issued or rejected.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) result: Option<String>,
    /// For not-issued and rejected: the reason, without personal data.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// For supplement-requested, once an item: `name:kind[+kind][:note]`. `GET /v1/services` lists the kinds.
    #[arg(long)]
    pub(crate) item: Vec<String>,
    /// For other results, once a member: `certificate=QY-1`, `issued_on=2026-03-01`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) members: Vec<String>,
    /// A file with the result as JSON, for example `{"kind":"signed"}`.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Configuration file, TOML or JSON, once an agency. Without it, TONGBAN_* variables are read.
    #[arg(long)]
    pub(crate) config: Vec<PathBuf>,
    /// A folder with a configuration for each agency: `11.json` or `11/agency.json`.
    #[arg(long)]
    pub(crate) configs: Option<PathBuf>,
    /// The script; `--script list` prints the names.
    #[arg(long, default_value = "default")]
    pub(crate) script: String,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Shortest and longest time for a decision: `200ms..3s`.
    #[arg(long, value_parser = span, default_value = "0s..0s")]
    pub(crate) delay: (Duration, Duration),
    /// Share of reports with a deliberate mistake (repeated, stale, too early, or on an unknown case), 0 to 1.
    #[arg(long, value_parser = rate, default_value = "0")]
    pub(crate) mistakes: f64,
    /// Share of cases for which a resend is requested, 0 to 1.
    #[arg(long, value_parser = rate, default_value = "0")]
    pub(crate) duplicates: f64,
    /// Share of messages during which the agency crashes once, between any two steps, 0 to 1.
    #[arg(long, value_parser = rate, default_value = "0")]
    pub(crate) crashes: f64,
    /// Stops after this time and prints a summary.
    #[arg(long = "for", value_parser = duration)]
    pub(crate) lasting: Option<Duration>,
    /// Stops after this time without any event and prints a summary. With --crashes, use more than
    /// `visibility_seconds`.
    #[arg(long, value_parser = duration)]
    pub(crate) until_idle: Option<Duration>,
    /// Prints the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn key_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = text.starts_with("signing") || text.starts_with("encryption");
    (begins && text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned()).ok_or(
        "the name must begin with signing or encryption, followed by a-z, 0-9 and hyphens, for example encryption-next".into(),
    )
}

fn wanted(text: &str) -> Result<(DocumentId, Option<String>), String> {
    let (id, sum) = text.split_once(':').map_or((text, None), |(id, sum)| (id, Some(sum.to_owned())));
    let id = id.parse().map_err(|error| format!("{error}"))?;
    if sum.as_ref().is_some_and(|sum| sum.len() != 44) {
        return Err("the checksum must be 44 characters, the base64 of 32 bytes".to_owned());
    }
    Ok((id, sum))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "the share must be a number from 0 to 1, for example 0.05".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let parsed = parsed.filter(|time| *time <= Duration::from_secs(7 * 24 * 60 * 60));
    parsed.ok_or_else(|| "the time must be at most 7 days, for example 500ms, 30s or 10m".to_owned())
}

fn span(text: &str) -> Result<(Duration, Duration), String> {
    let wrong = || "the range must be two times, the shorter first: 200ms..3s".to_owned();
    let (least, most) = text.split_once("..").ok_or_else(wrong)?;
    let (least, most) = (duration(least)?, duration(most)?);
    if least <= most { Ok((least, most)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn invalid_arguments_are_refused() {
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(3));
        assert_eq!(span("200ms..3s"), Ok((least, most)));
        assert!(span("3s..1s").is_err() && span("3s").is_err() && duration("8d").is_err());
        assert!(rate("0.5").is_ok() && rate("1.1").is_err() && rate("NaN").is_err());
        assert!(key_name("encryption-next").is_ok() && key_name("../x").is_err());
        assert!(wanted("d1").is_ok() && wanted("e1").is_err() && wanted("d1:abc").is_err());
    }
}

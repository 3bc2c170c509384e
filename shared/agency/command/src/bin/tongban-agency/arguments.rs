//! The commands and what they take.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use domain::ids::{ApplicationId, DocumentId};
use jiff::SignedDuration;

/// Exit codes, as the help text lists them.
const EXIT_CODES: &str = "Exit codes:
  0  done, or stopped as asked
  1  failed while running
  2  wrong arguments
  3  the configuration or the environment is wrong; every problem is named
  4  nothing there: no message waits, the case is not open, no document is found
  5  pull: the message cannot be read; it is left in the queue
  6  doctor: something is to be mended
  7  the hub refused; the reason is told
  8  certify: a check failed
  9  certify: no check failed, and one was skipped (0 with --allow-skipped)

AWS is reached with AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and where needed AWS_SESSION_TOKEN and
AWS_ENDPOINT_URL. What the environment lacks of them is taken from a file beside the configuration with the same name
and the ending .env (lines `export NAME=value`).";

/// Takes an agency's cases from the hub and reports on them.
#[derive(Debug, Parser)]
#[command(name = "tongban-agency", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a signing key and an encryption key, and prints their public parts for the hub's operator.
    Keygen(Keygen),
    /// Checks configuration, keys, clock, queue and hub, and tells how to mend what is wrong.
    Doctor(OneAgency),
    /// Shows the next message and gives it back to the queue.
    Pull(Pull),
    /// Lists the agency's open cases as the hub has them, oldest first.
    Cases(Cases),
    /// Shows one open case as the hub has it.
    Show(Show),
    /// Has the hub send messages again, under their own ids.
    Resend(Resend),
    /// Fetches the documents of a case.
    Documents(Documents),
    /// Reports on a case.
    Report(Report),
    /// Plays cases at the agency's consumer, which runs elsewhere, and tells what it does wrong.
    Certify(crate::certify::Arguments),
    /// Acts as one agency or many by a script, until SIGTERM or ctrl-c. Prints a JSON line for each thing done.
    Simulate(Simulate),
}

/// Which agency, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct OneAgency {
    /// Configuration, TOML or JSON. Without it TONGBAN_* variables are read.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The folder; nothing in it is written over.
    #[arg(long, default_value = ".")]
    pub(crate) out: PathBuf,
    /// Makes one key alone under this name: `encryption-next` or `signing-next` for one that replaces another.
    #[arg(long, value_parser = key_name)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// Goes on showing messages until ctrl-c.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Shows the persons too: for the eyes of who may see them, never for a log.
    #[arg(long)]
    pub(crate) personal: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cases {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// Cases at most, 1 to 10000.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    /// Where to go on: `next` of an earlier list.
    #[arg(long)]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The application.
    pub(crate) application: ApplicationId,
}

#[derive(Debug, Args)]
pub(crate) struct Resend {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The applications.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) applications: Vec<ApplicationId>,
    /// Every open case.
    #[arg(long)]
    pub(crate) all: bool,
    /// The message of this version, of one application. Without it the latest.
    #[arg(long, conflicts_with = "all", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) message: Option<u32>,
    /// Forgets in the inbox that they were handled, so that they are taken again.
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Documents {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The application.
    pub(crate) application: ApplicationId,
    /// A document, as `d1` or `d1:SHA256` with the base64 checksum of the case, which is then checked. Without it
    /// every document there is.
    #[arg(long, value_parser = wanted)]
    pub(crate) id: Vec<(DocumentId, Option<String>)>,
    /// The folder; nothing in it is written over.
    #[arg(long, default_value = ".")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) agency: OneAgency,
    /// The application.
    pub(crate) application: ApplicationId,
    /// Version that is acted on: of the message, or of the last receipt.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seen: u32,
    /// The finding: received, signed, not-issued, supplement-requested, produced, posted, ready, approved, verified,
    /// moved-out, settled, restored, issued or rejected.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) finding: Option<String>,
    /// Of not-issued and rejected: why, without personal data.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Of supplement-requested, once for each item: `name:kind[+kind][:note]`. `GET /v1/services` lists the kinds.
    #[arg(long)]
    pub(crate) item: Vec<String>,
    /// Of the others, once for each member of the finding: `certificate=QY-1`, `issued_on=2026-03-01`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) members: Vec<String>,
    /// The finding as JSON, as it is on the wire: `{"kind":"signed"}`.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// Configuration, TOML or JSON; once for each agency. Without one, TONGBAN_* variables are read.
    #[arg(long)]
    pub(crate) config: Vec<PathBuf>,
    /// A folder with one configuration for each agency: `11.json`, or `11/agency.json`.
    #[arg(long)]
    pub(crate) configs: Option<PathBuf>,
    /// Which script; `--script list` names them.
    #[arg(long, default_value = "default")]
    pub(crate) script: String,
    /// Seed of all that is left to chance.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// How long a decision takes: `200ms..3s`.
    #[arg(long, value_parser = span, default_value = "0s..0s")]
    pub(crate) delay: (Duration, Duration),
    /// Share of the reports with a mistake: sent again, stale, too early, or on an unknown case; 0 to 1.
    #[arg(long, value_parser = rate, default_value = "0")]
    pub(crate) mistakes: f64,
    /// Share of the cases that the hub is asked to send again; 0 to 1.
    #[arg(long, value_parser = rate, default_value = "0")]
    pub(crate) duplicates: f64,
    /// Share of the messages over which the agency's process falls down once, between any two steps; 0 to 1.
    #[arg(long, value_parser = rate, default_value = "0")]
    pub(crate) crashes: f64,
    /// Ends after this long, with a summary.
    #[arg(long = "for", value_parser = duration)]
    pub(crate) lasting: Option<Duration>,
    /// Ends when nothing was done for this long, with a summary. Take more than `visibility_seconds` where agencies
    /// fall down.
    #[arg(long, value_parser = duration)]
    pub(crate) until_idle: Option<Duration>,
    /// The summary as JSON too.
    #[arg(long)]
    pub(crate) json: bool,
}

fn key_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = text.starts_with("signing") || text.starts_with("encryption");
    (begins && text.len() <= 64 && text.chars().all(plain)).then(|| text.to_owned()).ok_or(
        "begins with signing or encryption, then a-z, 0-9 and hyphens, for example encryption-next".into(),
    )
}

fn wanted(text: &str) -> Result<(DocumentId, Option<String>), String> {
    let (id, sum) = text.split_once(':').map_or((text, None), |(id, sum)| (id, Some(sum.to_owned())));
    let id = id.parse().map_err(|error| format!("{error}"))?;
    if sum.as_ref().is_some_and(|sum| sum.len() != 44) {
        return Err("the checksum is the base64 of 32 bytes, 44 characters".to_owned());
    }
    Ok((id, sum))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| "a share from 0 to 1, for example 0.05".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let parsed = parsed.filter(|time| *time <= Duration::from_secs(7 * 24 * 60 * 60));
    parsed.ok_or_else(|| "a time up to 7 days, for example 500ms, 30s or 10m".to_owned())
}

fn span(text: &str) -> Result<(Duration, Duration), String> {
    let wrong = || "two times with two dots between them, the shorter first: 200ms..3s".to_owned();
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
    fn what_is_wrong_is_told_with_what_would_be_right() {
        let (least, most) = (Duration::from_millis(200), Duration::from_secs(3));
        assert_eq!(span("200ms..3s"), Ok((least, most)));
        assert!(span("3s..1s").is_err() && span("3s").is_err() && duration("8d").is_err());
        assert!(rate("0.5").is_ok() && rate("1.1").is_err() && rate("NaN").is_err());
        assert!(key_name("encryption-next").is_ok() && key_name("../x").is_err());
        assert!(wanted("d1").is_ok() && wanted("e1").is_err() && wanted("d1:abc").is_err());
    }
}

//! `tongban-agency certify`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use agency::{AgencyConfig, Stop};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use console::{Term, style};
use tongban_agency::certify::{
    CertificationCheck, CertificationContext, CertificationPlan, CertificationReport, CheckOutcome,
    CheckResult, OperatorCommand, certify, junit,
};

use crate::setting::{access, config, variable};

/// Refusals that the terminal shows.
const REFUSALS: usize = 20;

/// The checks to run, and the destinations of the result.
#[derive(Debug, Args)]
pub(crate) struct CertifyArguments {
    /// Configuration of the agency whose consumer is certified, TOML or JSON.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The hub operator's command line, for example "tongban" or "cargo run --quiet --". Without it, the checks that
    /// need it are skipped.
    #[arg(long, value_name = "COMMAND")]
    operator: Option<String>,
    /// Configuration, with keys, of a second agency, whose legs of a transfer certification plays. With a hub on this
    /// machine the operator's command gives it.
    #[arg(long, value_name = "FILE")]
    other: Option<PathBuf>,
    /// Access token of an app backend. Default: TONGBAN_TOKEN, then the output of the operator's command.
    #[arg(long)]
    token: Option<String>,
    /// Runs only these checks, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    only: Vec<CertificationCheck>,
    /// Leaves these checks out, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    skip: Vec<CertificationCheck>,
    /// Cases of the burst, 1 to 5000.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=5000))]
    burst: u16,
    /// Time limit of one case in seconds, 10 to 3600.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=3600))]
    timeout: u64,
    /// Writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the result as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Exits with 0 although checks were skipped.
    #[arg(long)]
    allow_skipped: bool,
}

/// Runs the checks, prints each result, and writes the report.
pub(crate) async fn run(arguments: &CertifyArguments) -> Result<ExitCode> {
    let file = arguments.config.as_deref();
    let (config, access) = (config(file)?, access(file, true)?);
    let operator = match &arguments.operator {
        Some(command) => Some(OperatorCommand::new(command).ok_or_else(|| anyhow!("--operator is empty"))?),
        None => None,
    };
    let token = match (arguments.token.clone().or_else(|| variable("TONGBAN_TOKEN")), &operator) {
        (Some(token), _) => token,
        (None, Some(operator)) => operator.token().await?,
        (None, None) => {
            bail!("certify needs --operator, or a token of an app backend in --token or TONGBAN_TOKEN")
        }
    };
    let plan = arguments.plan()?;
    let term = Term::stdout();
    // The environment's variables are about the agency under test.
    let other =
        arguments.other.as_deref().map(|file| AgencyConfig::load(Some(file), |_| None)).transpose()?;
    let other = other.as_ref();
    let context = CertificationContext { config: &config, access: &access, token: &token, other, operator };
    let stop = Stop::on_signals().context("the signal handlers cannot be installed")?;
    let report = certify(context, &plan, &stop, |check, result| {
        // A closed standard output does not stop certification.
        let _printed = print_progress(&term, check, result);
    });
    let report = tokio::select! {
        report = report => report?,
        stopped = wait_for_second_stop(&stop) => return stopped,
    };
    arguments.write(&report)?;
    print_summary(&report)?;
    Ok(match report.outcome() {
        CheckOutcome::Passed | CheckOutcome::NotApplicable => ExitCode::SUCCESS,
        CheckOutcome::Skipped if arguments.allow_skipped => ExitCode::SUCCESS,
        CheckOutcome::Failed => ExitCode::from(8),
        CheckOutcome::Skipped => ExitCode::from(9),
    })
}

/// After the first stop request, certification closes its cases. A second ctrl-c ends the command at once.
async fn wait_for_second_stop(stop: &Stop) -> Result<ExitCode> {
    stop.requested().await;
    let message = "stopping: certification closes its open cases; press ctrl-c again to leave them open";
    Term::stderr().write_line(message)?;
    tokio::signal::ctrl_c().await.context("the signal handlers cannot be installed")?;
    bail!("stopped at once: open cases of certification stay open, and the app backend can withdraw them")
}

impl CertifyArguments {
    fn plan(&self) -> Result<CertificationPlan> {
        let wanted = |check: &CertificationCheck| {
            (self.only.is_empty() || self.only.contains(check)) && !self.skip.contains(check)
        };
        let checks: Vec<CertificationCheck> = CertificationCheck::ALL.into_iter().filter(wanted).collect();
        if checks.is_empty() {
            bail!("--only and --skip leave no check");
        }
        Ok(CertificationPlan {
            checks,
            burst: usize::from(self.burst),
            timeout: Duration::from_secs(self.timeout),
        })
    }

    fn write(&self, report: &CertificationReport) -> Result<()> {
        let write = |path: &Path, text: String| {
            fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
        };
        if let Some(path) = &self.json {
            let mut value = serde_json::to_value(report)?;
            value["outcome"] = serde_json::to_value(report.outcome())?;
            write(path, format!("{}\n", serde_json::to_string_pretty(&value)?))?;
        }
        if let Some(path) = &self.junit {
            write(path, junit(report)?)?;
        }
        Ok(())
    }
}

/// Prints one line for each finished check; on a terminal also the running one.
fn print_progress(
    term: &Term,
    check: CertificationCheck,
    result: Option<&CheckResult>,
) -> std::io::Result<()> {
    let Some(result) = result else {
        return if term.is_term() { term.write_str(&format!("· {check} …")) } else { Ok(()) };
    };
    if term.is_term() {
        term.clear_line()?;
    }
    let word = match result.outcome {
        CheckOutcome::Passed => style("passed ").green(),
        CheckOutcome::Failed => style("failed ").red().bold(),
        CheckOutcome::Skipped => style("skipped").yellow(),
        CheckOutcome::NotApplicable => style("n/a    ").dim(),
    };
    term.write_line(&format!("{word} {:<24} {:>6.1} s  {}", result.check, result.seconds, result.shows))?;
    for line in result.reason.iter().chain(&result.measured) {
        term.write_line(&format!("        {line}"))?;
    }
    Ok(())
}

fn print_summary(report: &CertificationReport) -> Result<()> {
    let count = |outcome| report.count(outcome);
    let verdict = match report.outcome() {
        CheckOutcome::Passed | CheckOutcome::NotApplicable => "certified",
        CheckOutcome::Failed => "not certified",
        CheckOutcome::Skipped => "incomplete",
    };
    let mut out = std::io::stdout().lock();
    for refusal in report.refusals.iter().take(REFUSALS) {
        writeln!(out, "refused {refusal}")?;
    }
    if let Some(more) = report.refusals.len().checked_sub(REFUSALS).filter(|more| *more > 0) {
        writeln!(out, "refused {more} more: --json writes all of them")?;
    }
    if let Some(why) = &report.refusals_unread {
        writeln!(out, "refused reports are not listed: {why}")?;
    }
    writeln!(
        out,
        "agency {}: {verdict}; {} passed, {} failed, {} skipped, {} not applicable",
        report.agency,
        count(CheckOutcome::Passed),
        count(CheckOutcome::Failed),
        count(CheckOutcome::Skipped),
        count(CheckOutcome::NotApplicable)
    )?;
    Ok(out.flush()?)
}

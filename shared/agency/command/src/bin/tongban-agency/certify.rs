//! `tongban-agency certify`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use agency::Stop;
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use console::{Term, style};
use tongban_agency::certify::{Certificate, Check, Judged, Means, Operator, Outcome, Plan, certify, junit};

use crate::setting::{access, config, variable};

/// What of certification is played, and where its result goes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration of the agency whose consumer is certified, TOML or JSON.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How the hub's operator command is run, for example "tongban" or "cargo run --quiet --". Without it the checks
    /// that need it are skipped.
    #[arg(long, value_name = "COMMAND")]
    operator: Option<String>,
    /// Token of an app backend; else TONGBAN_TOKEN, else what the operator's command prints.
    #[arg(long)]
    token: Option<String>,
    /// Plays these checks alone, with commas between them.
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    only: Vec<Check>,
    /// Leaves these checks out.
    #[arg(long, value_delimiter = ',', value_name = "CHECK")]
    skip: Vec<Check>,
    /// Cases of the burst, 1 to 5000.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=5000))]
    burst: u16,
    /// Seconds that one case may take, 10 to 3600.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=3600))]
    timeout: u64,
    /// Writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the result as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Ends with 0 though checks were skipped.
    #[arg(long)]
    allow_skipped: bool,
}

/// Certifies, prints and writes what was found.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let file = arguments.config.as_deref();
    let (config, access) = (config(file)?, access(file, true)?);
    let operator = match &arguments.operator {
        Some(command) => Some(Operator::new(command).ok_or_else(|| anyhow!("--operator names no command"))?),
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
    let means = Means { config: &config, access: &access, token: &token, operator };
    let stop = Stop::on_signals().context("signals")?;
    let played = certify(means, &plan, &stop, |check, judged| {
        // A reader that went away does not stop what was begun.
        let _gone = tell(&term, check, judged);
    });
    let certificate = tokio::select! {
        certificate = played => certificate?,
        stopped = again(&stop) => return stopped,
    };
    arguments.write(&certificate)?;
    sum_up(&certificate)?;
    Ok(match certificate.outcome() {
        Outcome::Passed => ExitCode::SUCCESS,
        Outcome::Skipped if arguments.allow_skipped => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::from(8),
        Outcome::Skipped => ExitCode::from(9),
    })
}

/// Who stops it waits until what was opened is ended; who stops it twice does not.
async fn again(stop: &Stop) -> Result<ExitCode> {
    stop.asked().await;
    let told = "stopping: what certification opened is ended; once more ctrl-c leaves it open";
    Term::stderr().write_line(told)?;
    tokio::signal::ctrl_c().await.context("signals")?;
    bail!("stopped at once: cases under way stay open, and may be withdrawn by their app backend")
}

impl Arguments {
    fn plan(&self) -> Result<Plan> {
        let wanted =
            |check: &Check| (self.only.is_empty() || self.only.contains(check)) && !self.skip.contains(check);
        let checks: Vec<Check> = Check::ALL.into_iter().filter(wanted).collect();
        if checks.is_empty() {
            bail!("no check is left to be played");
        }
        Ok(Plan { checks, burst: usize::from(self.burst), timeout: Duration::from_secs(self.timeout) })
    }

    fn write(&self, certificate: &Certificate) -> Result<()> {
        let write = |path: &Path, text: String| {
            fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
        };
        if let Some(path) = &self.json {
            let mut value = serde_json::to_value(certificate)?;
            value["outcome"] = serde_json::to_value(certificate.outcome())?;
            write(path, format!("{}\n", serde_json::to_string_pretty(&value)?))?;
        }
        if let Some(path) = &self.junit {
            write(path, junit(certificate)?)?;
        }
        Ok(())
    }
}

/// One line for each check; on a terminal also which one is played now.
fn tell(term: &Term, check: Check, judged: Option<&Judged>) -> std::io::Result<()> {
    let Some(judged) = judged else {
        return if term.is_term() { term.write_str(&format!("· {check} …")) } else { Ok(()) };
    };
    if term.is_term() {
        term.clear_line()?;
    }
    let word = match judged.outcome {
        Outcome::Passed => style("passed ").green(),
        Outcome::Failed => style("failed ").red().bold(),
        Outcome::Skipped => style("skipped").yellow(),
    };
    term.write_line(&format!("{word} {:<24} {:>6.1} s  {}", judged.check, judged.seconds, judged.shows))?;
    for line in judged.reason.iter().chain(&judged.measured) {
        term.write_line(&format!("        {line}"))?;
    }
    Ok(())
}

fn sum_up(certificate: &Certificate) -> Result<()> {
    let count = |outcome| certificate.count(outcome);
    let verdict = match certificate.outcome() {
        Outcome::Passed => "certified",
        Outcome::Failed => "not certified",
        Outcome::Skipped => "incomplete",
    };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "agency {}: {verdict}; {} passed, {} failed, {} skipped",
        certificate.agency,
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Skipped)
    )?;
    Ok(out.flush()?)
}

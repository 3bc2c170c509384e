//! The command line.

mod agency_command;
mod apply;
mod listen;
mod local_hub;
mod signals;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use console::style;
use domain::ids::ApplicationId;
use http_kit::rate_limit::Limits;
use signals::{interruptible, termination};
use tongban::deploy::{DeployOptions, deploy};
use tongban::emulator::PORT;
use tongban::local::{LocalOptions, LocalStack};
use tongban::secrets::SCOPES;
use tongban::terminal::Terminal;
use tongban::walk::{Sample, TENANT, Walked, sample, walk};

/// Tongban (通办) on this machine: starts a local AWS, deploys the hub to it, walks one application of each
/// service through it, and serves until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "tongban", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    here: Here,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Walks one application of each service through a hub of its own, and ends: 0 if all went well.
    Demo(Here),
    /// Starts the hub without the walk and serves until Ctrl-C.
    Up(Up),
    /// Deploys the hub to a real account: prints the plan and applies it.
    Deploy(Deploy),
    Token(token::Token),
    Apply(apply::Apply),
    Listen(listen::Listen),
    Agency(agency_command::AgencyCommand),
}

#[derive(Clone, Debug, Args)]
struct Here {
    /// Port of the local AWS on 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

#[derive(Clone, Debug, Args)]
struct Up {
    #[command(flatten)]
    here: Here,
    /// Another list of agencies than infra/agencies.toml.
    #[arg(long, value_name = "FILE")]
    agencies: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Deploy {
    /// Name of the stack.
    #[arg(long)]
    stack: String,
    /// AWS region.
    #[arg(long)]
    region: String,
    /// Profile of the AWS configuration.
    #[arg(long)]
    profile: Option<String>,
    /// Checks everything that needs no account, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// JSON file: [{"issuer", "audience", "keys": [JWK]}], or "jwks_uri" in the place of "keys".
    #[arg(long, value_name = "FILE")]
    token_issuers: Option<PathBuf>,
    /// Requests that one app backend may send in a minute.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// New applications that one app backend may open in a day.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    applications_per_day: Option<u32>,
    /// SNS topic that alarms go to.
    #[arg(long, value_name = "ARN")]
    alarm_topic: Option<String>,
    /// Bucket for the functions' zips.
    #[arg(long, value_name = "NAME")]
    artifacts_bucket: Option<String>,
    /// Goes on though a table, bucket or key would be replaced or removed.
    #[arg(long)]
    allow_data_loss: bool,
    /// Makes the hub a new signing key: publishes it, then signs with it. Up to three former ones stay published.
    #[arg(long)]
    rotate_hub_key: bool,
    /// JSON file: the public key of a stack that was deployed before the hub published its keys.
    #[arg(long, value_name = "FILE")]
    hub_public_keys: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked, and says how the program ends.
    ///
    /// # Errors
    /// Whatever stopped it, in one sentence.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let terminal = Terminal::new();
        let done = match self.what {
            None => serve(options(&self.here), &terminal, true).await,
            Some(What::Up(up)) => {
                let options = LocalOptions { agencies: up.agencies, ..options(&up.here) };
                serve(options, &terminal, false).await
            }
            Some(What::Demo(here)) => interruptible(demo(&here, &terminal)).await,
            Some(What::Deploy(wanted)) => interruptible(deploy(&wanted.into(), &terminal)).await,
            Some(What::Apply(wanted)) => return wanted.run(&terminal).await,
            Some(What::Listen(wanted)) => wanted.run(&terminal).await,
            Some(What::Token(wanted)) => interruptible(wanted.run(&terminal)).await,
            Some(What::Agency(agency)) => interruptible(agency.run(&terminal)).await,
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

impl From<Deploy> for DeployOptions {
    fn from(given: Deploy) -> DeployOptions {
        DeployOptions {
            stack: given.stack,
            region: given.region,
            profile: given.profile,
            dry_run: given.dry_run,
            token_issuers: given.token_issuers,
            limits: Limits {
                requests_per_minute: given.requests_per_minute,
                applications_per_day: given.applications_per_day,
            },
            alarm_topic: given.alarm_topic,
            artifacts_bucket: given.artifacts_bucket,
            allow_data_loss: given.allow_data_loss,
            rotate_hub_key: given.rotate_hub_key,
            hub_public_keys: given.hub_public_keys,
        }
    }
}

fn options(here: &Here) -> LocalOptions {
    LocalOptions { port: here.port, ..LocalOptions::default() }
}

async fn demo(here: &Here, terminal: &Terminal) -> Result<()> {
    let begun = Instant::now();
    let hub = LocalStack::start(options(here), terminal).await?;
    walk(&hub, terminal).await?.end().await;
    terminal.line("");
    terminal.line(&format!("All went well, in {:.1} s.", begun.elapsed().as_secs_f32()));
    Ok(())
}

/// Starts, walks, and stays until it is told to end.
async fn serve(options: LocalOptions, terminal: &Terminal, walks: bool) -> Result<()> {
    let start = async {
        let hub = LocalStack::start(options, terminal).await?;
        let walked = if walks { Some(walk(&hub, terminal).await?) } else { None };
        anyhow::Ok((hub, walked))
    };
    let (mut hub, walked) = tokio::select! {
        started = start => started?,
        signal = termination() => return signal,
    };
    welcome(&hub, walked.as_ref(), terminal)?;
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let end = termination();
    tokio::pin!(end);
    loop {
        tokio::select! {
            signal = &mut end => {
                terminal.line("Ending.");
                if let Some(walked) = walked {
                    walked.end().await;
                }
                return signal;
            }
            _ = look.tick() => {
                if let Some(status) = hub.emulator().ended()? {
                    bail!("the local AWS ended by itself ({status}); see {}", hub.log().display());
                }
            }
        }
    }
}

/// Where everything is, and what to try. Every command can be pasted into a shell as it stands.
fn welcome(hub: &LocalStack, walked: Option<&Walked>, terminal: &Terminal) -> Result<()> {
    let api = hub.api_url()?;
    let bold = |text: &str| style(text.to_owned()).bold().to_string();
    terminal.line("");
    terminal.line(&format!("The hub serves at {}", bold(api)));
    terminal.line(&format!("The local AWS is at {}; it writes to {}", hub.endpoint(), hub.log().display()));
    if let Some(walked) = walked {
        let names: Vec<String> =
            walked.agencies().map(|code| code.jurisdiction().name().en.to_owned()).collect();
        terminal.line(&format!("HubLocation work by script as long as this runs: {}", names.join(", ")));
    }
    terminal.line("");
    terminal.line(&bold(&format!(
        "In another terminal, a token of the app backend {TENANT}, good for twelve hours:"
    )));
    terminal.line(&format!("export TOKEN={}", hub.token(TENANT, &SCOPES)?));
    for (what, command) in commands(api, walked.map(Walked::first), &sample(hub)?) {
        terminal.line("");
        terminal.line(&bold(what));
        terminal.line(&command);
    }
    terminal.line("");
    terminal.line("Ctrl-C ends it.");
    Ok(())
}

/// Three things to try, each with what it shows. The person is invented.
fn commands(api: &str, first: Option<ApplicationId>, sample: &Sample) -> [(&'static str, String); 3] {
    let curl = "curl -s -H \"Authorization: Bearer $TOKEN\"";
    let first = match first {
        Some(id) => (
            "What happened to the first application above, event by event:",
            format!("{curl} {api}/v1/applications/{id}/events"),
        ),
        None => ("What is offered, and what each service needs:", format!("{curl} {api}/v1/services")),
    };
    let Sample { coverage_query, body } = sample;
    let coverage = format!("{curl} '{api}/v1/coverage?{coverage_query}'");
    let open = format!(
        "{curl} -H 'Idempotency-Key: try-1' -H 'Content-Type: application/json' {api}/v1/applications -d '{body}'"
    );
    [
        first,
        ("Who would decide an application like it:", coverage),
        ("An application of your own; the answer names the documents that are missing:", open),
    ]
}

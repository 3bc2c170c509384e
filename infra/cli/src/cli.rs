//! The command line.

mod agency_command;
mod apply;
mod listen;
mod local_hub;
mod logs;
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
use local_hub::exports;
use signals::{end_children_on_signal, interruptible, termination};
use tongban::deploy::{DeployOptions, deploy};
use tongban::emulator::PORT;
use tongban::local::{LocalOptions, LocalStack};
use tongban::secrets::SCOPES;
use tongban::terminal::Terminal;
use tongban::walk::{Sample, TENANT, WorkingAgencies, sample, walk};

/// Tongban (通办) on this machine: starts a local AWS, deploys the hub, walks one application of each service through the
/// hub, and serves until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "tongban", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    local: LocalPort,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts a separate hub, walks one application of each service through it, and ends with exit code 0 or 1.
    Demo(LocalPort),
    /// Starts the hub without the walk and serves until Ctrl-C.
    Up(Up),
    /// Deploys the hub to an AWS account: prints the plan and applies it.
    Deploy(Deploy),
    Token(token::Token),
    Apply(apply::Apply),
    Listen(listen::Listen),
    Logs(logs::Logs),
    Agency(agency_command::AgencyCommand),
}

#[derive(Clone, Debug, Args)]
struct LocalPort {
    /// Port of the local AWS on 127.0.0.1; 0 chooses a free port.
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

#[derive(Clone, Debug, Args)]
struct Up {
    #[command(flatten)]
    local: LocalPort,
    /// Puts every agency to work: simulated agencies read their queues and decide the cases until the command ends.
    #[arg(long)]
    agencies: bool,
    /// List of agencies to use instead of infra/agencies.toml.
    #[arg(long, value_name = "FILE")]
    agencies_file: Option<PathBuf>,
    /// Origin of a web page that may upload documents from a browser, such as http://localhost:3000. May be repeated.
    #[arg(long, value_name = "ORIGIN")]
    upload_origin: Vec<String>,
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
    /// Runs the checks that need no account, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// JSON file with the issuers of access tokens: [{"issuer", "audience", "keys": [JWK]}], or "jwks_uri" instead of
    /// "keys". Each of several issuers lists its "tenants".
    #[arg(long, value_name = "FILE")]
    token_issuers: Option<PathBuf>,
    /// Requests per minute that the hub accepts from one app backend.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_minute: Option<u32>,
    /// New applications per day that the hub accepts from one app backend.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    applications_per_day: Option<u32>,
    /// SNS topic that receives the alarms.
    #[arg(long, value_name = "ARN")]
    alarm_topic: Option<String>,
    /// Origin of a web page that may upload documents from a browser, such as https://app.example.cn. May be repeated;
    /// `none` removes the origins of the stack.
    #[arg(long, value_name = "ORIGIN")]
    upload_origin: Vec<String>,
    /// Bucket for the functions' zips.
    #[arg(long, value_name = "NAME")]
    artifacts_bucket: Option<String>,
    /// Deploys even if a table, bucket or key is replaced or removed.
    #[arg(long)]
    allow_data_loss: bool,
    /// Creates a new signing key for the hub, publishes it, then signs with it. Up to three former keys stay published.
    #[arg(long)]
    rotate_hub_key: bool,
    /// Gives the index of persons a new key. Applications under the former key are found as long as it is the last one.
    #[arg(long)]
    rotate_person_index_key: bool,
    /// JSON file with the public key of a stack that was deployed before the hub published its keys.
    #[arg(long, value_name = "FILE")]
    hub_public_keys: Option<PathBuf>,
}

impl Cli {
    /// Runs the command and returns the exit code.
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let terminal = Terminal::new();
        let done = match self.command {
            None => serve(options(&self.local), &terminal, Begin::Walk).await,
            Some(Command::Up(up)) => {
                let options = LocalOptions {
                    agencies: up.agencies_file,
                    upload_origins: up.upload_origin,
                    ..options(&up.local)
                };
                let begin = if up.agencies { Begin::Agencies } else { Begin::Nothing };
                serve(options, &terminal, begin).await
            }
            Some(Command::Demo(local)) => interruptible(demo(&local, &terminal)).await,
            Some(Command::Deploy(wanted)) => interruptible(deploy(&wanted.into(), &terminal)).await,
            Some(Command::Apply(wanted)) => return wanted.run(&terminal).await,
            Some(Command::Listen(wanted)) => wanted.run(&terminal).await,
            Some(Command::Token(wanted)) => interruptible(wanted.run(&terminal)).await,
            Some(Command::Logs(wanted)) => interruptible(wanted.run(&terminal)).await,
            Some(Command::Agency(agency)) => interruptible(agency.run(&terminal)).await,
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
            upload_origins: given.upload_origin,
            artifacts_bucket: given.artifacts_bucket,
            allow_data_loss: given.allow_data_loss,
            rotate_hub_key: given.rotate_hub_key,
            rotate_person_index_key: given.rotate_person_index_key,
            hub_public_keys: given.hub_public_keys,
        }
    }
}

fn options(local: &LocalPort) -> LocalOptions {
    LocalOptions { port: local.port, ..LocalOptions::default() }
}

async fn demo(local: &LocalPort, terminal: &Terminal) -> Result<()> {
    let begun = Instant::now();
    let hub = LocalStack::start(options(local), terminal).await?;
    walk(&hub, terminal).await?.into_agencies().end().await;
    terminal.line("");
    terminal.line(&format!("The walk succeeded in {:.1} s.", begun.elapsed().as_secs_f32()));
    Ok(())
}

/// What a hub on this machine begins with.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// The walk. Its agencies stay at work.
    Walk,
    /// Every agency at work.
    Agencies,
    Nothing,
}

/// Starts the hub and what it begins with, and serves until a signal.
async fn serve(options: LocalOptions, terminal: &Terminal, begin: Begin) -> Result<()> {
    end_children_on_signal();
    let start = async {
        let hub = LocalStack::start(options, terminal).await?;
        let (first, agencies) = match begin {
            Begin::Walk => {
                let walked = walk(&hub, terminal).await?;
                (Some(walked.first()), Some(walked.into_agencies()))
            }
            Begin::Agencies => (None, Some(WorkingAgencies::start_all(&hub)?)),
            Begin::Nothing => (None, None),
        };
        anyhow::Ok((hub, first, agencies))
    };
    let (mut hub, first, agencies) = tokio::select! {
        started = start => started?,
        signal = termination() => return signal,
    };
    welcome(&hub, first, agencies.as_ref(), terminal)?;
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let end = termination();
    tokio::pin!(end);
    loop {
        tokio::select! {
            signal = &mut end => {
                terminal.line("Stopping.");
                if let Some(agencies) = agencies {
                    agencies.end().await;
                }
                return signal;
            }
            _ = look.tick() => {
                if let Some(status) = hub.emulator().ended()? {
                    bail!("the local AWS stopped unexpectedly ({status}). Its log is {}", hub.log().display());
                }
            }
        }
    }
}

/// Prints the addresses and sample commands. Each command can be pasted into a shell unchanged.
fn welcome(
    hub: &LocalStack,
    first: Option<ApplicationId>,
    agencies: Option<&WorkingAgencies>,
    terminal: &Terminal,
) -> Result<()> {
    // By number: not every program resolves names below `.localhost`.
    let api = hub.api_url_by_number()?;
    let bold = |text: &str| style(text.to_owned()).bold().to_string();
    terminal.line("");
    terminal.line(&format!("The hub serves at {}", bold(&api)));
    terminal.line(&format!("The local AWS is at {}; its log is {}", hub.endpoint(), hub.log().display()));
    if hub.has_reference() {
        terminal.line(&format!("In a browser, {api}/docs shows every request of apps and agencies."));
    }
    terminal.line(&match agencies {
        Some(agencies) => {
            let names: Vec<String> =
                agencies.codes().map(|code| code.jurisdiction().name().en.to_owned()).collect();
            format!("These agencies decide cases by script until this command ends: {}", names.join(", "))
        }
        None => {
            "No agency is at work, so cases wait in the queues; `up --agencies` puts every agency to work."
                .to_owned()
        }
    });
    terminal.line("");
    terminal.line(&bold(&format!(
        "For another terminal, an access token of the app backend {TENANT}, valid for twelve hours (again: `cargo run -q -- \
         token --export`):"
    )));
    for line in exports(hub.port(), &api, &hub.token(TENANT, &SCOPES)?) {
        terminal.line(&line);
    }
    for (title, command) in commands(first, &sample(hub)?) {
        terminal.line("");
        terminal.line(&bold(title));
        terminal.line(&command);
    }
    terminal.line("");
    terminal.line("Ctrl-C stops the hub.");
    Ok(())
}

/// Sample commands with their titles, for a shell that has the exports. The person is invented.
fn commands(first: Option<ApplicationId>, sample: &Sample) -> [(&'static str, String); 4] {
    let curl = "curl -s -H \"Authorization: Bearer $TOKEN\"";
    let first = match first {
        Some(id) => (
            "The events of the first application above:",
            format!("{curl} \"$URL/v1/applications/{id}/events\""),
        ),
        None => (
            "The services, and the documents and fields that each requires:",
            format!("{curl} \"$URL/v1/services\""),
        ),
    };
    let Sample { coverage_query, body } = sample;
    let coverage = format!("{curl} \"$URL/v1/coverage?{coverage_query}\"");
    let open = format!(
        "{curl} -H 'Idempotency-Key: try-1' -H 'Content-Type: application/json' \"$URL/v1/applications\" -d '{body}'"
    );
    [
        first,
        ("The agencies that would decide such an application:", coverage),
        ("A new application; the response names the missing documents:", open),
        (
            "The log of all functions, with new lines as they come:",
            "cargo run -q -- logs --follow".to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn k6_the_port_of_the_hub_has_one_name() {
        let mut cli = Cli::command();
        cli.build();
        for command in
            cli.get_subcommands().filter(|command| !["help", "deploy"].contains(&command.get_name()))
        {
            let names: Vec<&str> = command.get_opts().filter_map(|option| option.get_long()).collect();
            assert!(
                names.contains(&"port") && !names.contains(&"hub-port"),
                "{}: {names:?}",
                command.get_name()
            );
        }
        assert!(
            Cli::try_parse_from(["tongban", "token", "--hub-port", "1"]).is_ok(),
            "the name of earlier versions"
        );
    }

    #[test]
    fn k6_up_puts_agencies_to_work() {
        let words = ["tongban", "up", "--agencies", "--agencies-file", "other.toml"];
        let Ok(Cli { command: Some(Command::Up(up)), .. }) = Cli::try_parse_from(words) else {
            unreachable!("{words:?} are refused");
        };
        assert!(up.agencies && up.agencies_file.is_some());
    }
}

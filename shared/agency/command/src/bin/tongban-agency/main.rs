//! The `tongban-agency` command.

mod absent;
mod arguments;
mod cases;
mod certify;
mod doctor;
mod documents;
mod failure;
mod keygen;
mod pull;
mod report;
mod reports;
mod route;
mod screen;
mod setting;
mod simulate;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::failed(&error.into()),
    };
    let code = runtime.block_on(run(arguments));
    // A look-up of a name may hang for longer than anybody wants to wait for the end of a command.
    runtime.shutdown_background();
    code
}

async fn run(arguments: Arguments) -> ExitCode {
    let ended = match arguments.command {
        Command::Keygen(given) => keygen::keygen(&given),
        Command::Doctor(given) => doctor::doctor(&given).await,
        Command::Pull(given) => pull::pull(&given).await,
        Command::Cases(given) => cases::cases(&given).await,
        Command::Show(given) => cases::show(&given).await,
        Command::Resend(given) => cases::resend(&given).await,
        Command::Documents(given) => documents::documents(&given).await,
        Command::Reports(given) => reports::reports(&given).await,
        Command::Report(given) => report::report(&given).await,
        Command::Certify(given) => certify::run(&given).await,
        Command::Simulate(given) => simulate::simulate(&given).await,
    };
    ended.unwrap_or_else(|error| failure::failed(&error))
}

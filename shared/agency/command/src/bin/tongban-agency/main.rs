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
mod screen;
mod setting;
mod simulate;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let ended = match Arguments::parse().command {
        Command::Keygen(given) => keygen::keygen(&given),
        Command::Doctor(given) => doctor::doctor(&given).await,
        Command::Pull(given) => pull::pull(&given).await,
        Command::Cases(given) => cases::cases(&given).await,
        Command::Show(given) => cases::show(&given).await,
        Command::Resend(given) => cases::resend(&given).await,
        Command::Documents(given) => documents::documents(&given).await,
        Command::Report(given) => report::report(&given).await,
        Command::Certify(given) => certify::run(&given).await,
        Command::Simulate(given) => simulate::simulate(&given).await,
    };
    ended.unwrap_or_else(|error| failure::failed(&error))
}

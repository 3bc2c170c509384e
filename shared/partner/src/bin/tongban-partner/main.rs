//! `tongban-partner`: what an agency runs from a shell.

mod certify;
mod commands;
mod keygen;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit codes, as the help text lists them.
const EXIT_CODES: &str = "Exit codes:
  0  done, or stopped as asked
  1  failed while running
  2  wrong arguments
  3  the configuration or the environment is wrong; every problem is named
  4  pull: no message is waiting
  5  pull: the message cannot be read; it is left in the queue
  7  certify: a check failed
  8  certify: no check failed, and one was skipped (0 with --allow-skipped)";

/// Takes an agency's cases from the hub and reports on them.
#[derive(Debug, Parser)]
#[command(name = "tongban-partner", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Acts as one agency or several by a script, until SIGTERM or ctrl-c. Prints a JSON line for each case and report.
    Simulate {
        /// Configuration, TOML or JSON; once for each agency. Without one, TONGBAN_* variables are read.
        #[arg(long)]
        config: Vec<PathBuf>,
        /// Which script; `--script list` names them.
        #[arg(long, default_value = "default")]
        script: String,
    },
    /// Shows the next message, without what is personal in it, and gives it back to the queue.
    Pull {
        /// Configuration, TOML or JSON.
        #[arg(long)]
        config: Option<PathBuf>,
        /// One line of JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Plays scripted cases at the agency's consumer, which runs by itself, and says what passed, what failed and why.
    Certify(certify::Arguments),
    /// Makes a signing key and an encryption key, and prints their public parts as lines for the hub's partners.toml.
    Keygen {
        /// Where signing.jwk.json and encryption.jwk.json are written; never over existing ones.
        #[arg(long, default_value = ".")]
        out: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let ended = match Arguments::parse().command {
        Command::Simulate { config, script } => commands::simulate(&config, &script).await,
        Command::Pull { config, json } => commands::pull(config.as_deref(), json).await,
        Command::Certify(arguments) => certify::run(&arguments).await,
        Command::Keygen { out } => keygen::keygen(&out),
    };
    ended.unwrap_or_else(|error| {
        // Nobody is left to tell where standard error is closed.
        let _told = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{error:#}\n"));
        let wrong = error.is::<partner::config::ConfigError>() || error.is::<commands::Missing>();
        ExitCode::from(if wrong { 3 } else { 1 })
    })
}

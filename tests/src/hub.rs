//! A local AWS with the hub for the targets that need one.

use anyhow::Result;
use tongban::local::{LocalOptions, LocalStack};
use tongban::terminal::Terminal;

use crate::progress::say;

/// Starts a local AWS and deploys the hub to it, and says so.
///
/// # Errors
/// As for [`LocalStack::start`].
pub async fn start_hub(options: LocalOptions) -> Result<LocalStack> {
    let stack = options.stack.clone();
    say(&format!("building the functions, starting the local AWS and deploying {stack}"));
    let hub = LocalStack::start(options, &Terminal::silent()).await?;
    say(&format!("{stack} runs at {}", hub.endpoint()));
    Ok(hub)
}

/// Starts a local AWS with the hub under this name, which ends with this process.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn lasting_hub(stack: &str) -> &'static LocalStack {
    let options = LocalOptions {
        port: 0,
        stack: stack.to_owned(),
        log_level: "warn".to_owned(),
        ..LocalOptions::default()
    };
    // The tests of these targets run processes, and use nothing else of this runtime.
    let started = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(start_hub(options)).expect("a hub")
    });
    Box::leak(Box::new(started.join().expect("a hub")))
}

//! Starts the hub on a local AWS, for test targets that need a running hub.

use anyhow::Result;
use tongban::local::{LocalOptions, LocalStack};
use tongban::terminal::Terminal;

use crate::progress::say;

/// Starts a local AWS and deploys the hub to it. Prints both steps on standard error.
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

/// Starts a hub whose stack has this name. The hub ends with the test process.
///
/// # Panics
/// The hub does not start.
#[must_use]
pub fn process_wide_hub(stack: &str) -> &'static LocalStack {
    let options = LocalOptions {
        port: 0,
        stack: stack.to_owned(),
        log_level: "warn".to_owned(),
        ..LocalOptions::default()
    };
    // A runtime of its own: the tests of these targets only run processes and need no runtime.
    let started = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(start_hub(options)).expect("a hub")
    });
    Box::leak(Box::new(started.join().expect("a hub")))
}

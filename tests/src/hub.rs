//! A hub for tests that are processes themselves.

use tongban::local::{LocalOptions, LocalStack};
use tongban::terminal::Terminal;

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
    // Everything else is done by processes: nothing of this runtime is used again.
    let started = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(LocalStack::start(options, &Terminal::silent())).expect("a hub")
    });
    Box::leak(Box::new(started.join().expect("a hub")))
}

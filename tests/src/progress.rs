//! Progress lines on standard error: the step that a test target has begun, and the seconds since its start.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::time::Instant;

/// Prints a step: `[soak    12 s] 40 of 100 cases filed`.
///
/// The line bypasses the test harness, which would capture it until the test ends.
pub fn say(what: &str) {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let seconds = BEGUN.get_or_init(Instant::now).elapsed().as_secs();
    // A closed standard error must not fail the test.
    let _ = writeln!(io::stderr(), "[{} {seconds:>4} s] {what}", target());
}

/// The name of the running test target, without the hash that Cargo adds.
fn target() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().and_then(|stem| stem.to_str()).unwrap_or("tests");
    stem.rsplit_once('-').map_or(stem, |(name, _)| name).to_owned()
}

//! Lines on standard error that say what a test target is doing, and since when it runs.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::time::Instant;

/// Says what begins, or what has been reached: `[soak    12 s] 40 of 100 cases filed`.
///
/// The line is written past the capture of the test harness, which would keep it until the test ends.
pub fn say(what: &str) {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let seconds = BEGUN.get_or_init(Instant::now).elapsed().as_secs();
    // A closed standard error is no reason for a test to fail.
    let _ = writeln!(io::stderr(), "[{} {seconds:>4} s] {what}", target());
}

/// The name of the running test target. Cargo adds a hash to it.
fn target() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().and_then(|stem| stem.to_str()).unwrap_or("tests");
    stem.rsplit_once('-').map_or(stem, |(name, _)| name).to_owned()
}

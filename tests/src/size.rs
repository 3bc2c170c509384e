//! The short and the full form of the tests.

use crate::progress::say;

/// The environment variable that selects the form.
pub const VARIABLE: &str = "TONGBAN_TESTS";

/// Whether the tests run in their full form: every case, as `.ci/run` runs them. The short form makes the same
/// assertions on fewer cases.
///
/// # Panics
/// The variable has another value than `short` or `full`.
#[must_use]
pub fn is_full() -> bool {
    match std::env::var(VARIABLE).as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("" | "short") => false,
        Ok("full") => true,
        Ok(other) => panic!("{VARIABLE} must be `short` or `full`, not `{other}`"),
        Err(error) => panic!("{VARIABLE}: {error}"),
    }
}

/// The first value in the full form, the second in the short one.
#[must_use]
pub fn full_or_short<T>(full: T, short: T) -> T {
    if is_full() { full } else { short }
}

/// Whether a trial that only the full form has runs now. In the short form it says so on standard error.
#[must_use]
pub fn runs_in_full_form(trial: &str) -> bool {
    if !is_full() {
        say(&format!("not run: {trial}. `{VARIABLE}=full` runs it"));
    }
    is_full()
}
